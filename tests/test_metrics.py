"""Metrics against scikit-learn and SciPy."""

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn import metrics as sklearn_metrics

from mamdr_jax.metrics import domain_auc, grouped_auc, log_loss, rank, summary

NUM_GROUPS = 5


def rows(seed, levels, num_rows=400):
  """Shuffled rows of several groups; `levels` distinct scores, so many ties; real weights."""
  rng = np.random.default_rng(seed)
  group = rng.integers(NUM_GROUPS, size=num_rows).astype(np.int32)
  label = (rng.random(num_rows) < 0.3).astype(np.float32)
  score = np.floor(levels * rng.random(num_rows) + 0.1 * levels * label).astype(np.float32)
  weight = rng.exponential(size=num_rows).astype(np.float32)
  weight[rng.random(num_rows) < 0.2] = 0.0
  return score - levels / 2, label, weight, group


auc = jax.jit(grouped_auc, static_argnums=4)


@pytest.mark.parametrize("levels", [1, 2, 7, 1e6])
def test_auc_of_groups_is_that_of_scikit_learn(levels):
  score, label, weight, group = rows(0, levels)
  expected = [
    sklearn_metrics.roc_auc_score(label[here], score[here], sample_weight=weight[here])
    for here in (group == g for g in range(NUM_GROUPS))
  ]
  np.testing.assert_allclose(auc(score, label, weight, group, NUM_GROUPS), expected, rtol=1e-5)


def test_auc_ignores_rows_of_weight_0_whatever_they_hold():
  score, label, weight, group = rows(1, 7)
  padding = weight == 0
  expected = auc(score, label, weight, group, NUM_GROUPS)
  score[padding], label[padding] = 1e30, 1 - label[padding]
  np.testing.assert_allclose(auc(score, label, weight, group, NUM_GROUPS), expected, rtol=1e-6)


def test_auc_is_nan_where_a_group_lacks_a_class_or_rows():
  score, label, weight, group = rows(2, 7)
  before = np.asarray(auc(score, label, weight, group, NUM_GROUPS))
  label[group == 1], label[group == 3], weight[group == 4] = 0.0, 1.0, 0.0
  after = np.asarray(auc(score, label, weight, group, NUM_GROUPS))
  np.testing.assert_array_equal(np.isnan(after), [False, True, False, True, True])
  np.testing.assert_allclose(after[[0, 2]], before[[0, 2]], rtol=1e-6)


def test_auc_is_nan_where_a_score_is_nan():
  score, label, weight, group = rows(3, 7)
  before = np.asarray(auc(score, label, weight, group, NUM_GROUPS))
  score[np.flatnonzero((group == 2) & (weight > 0))[0]] = np.nan
  score[np.flatnonzero((group == 1) & (weight == 0))] = np.nan
  after = np.asarray(auc(score, label, weight, group, NUM_GROUPS))
  np.testing.assert_array_equal(np.isnan(after), [False, False, True, False, False])
  np.testing.assert_allclose(np.delete(after, 2), np.delete(before, 2), rtol=1e-6)


def test_auc_does_not_see_the_order_of_rows_nor_a_monotone_map_of_scores():
  score, label, weight, group = rows(4, 7)
  expected = auc(score, label, weight, group, NUM_GROUPS)
  shuffled = np.random.default_rng(0).permutation(score.size)
  columns = (column[shuffled] for column in (np.exp(score), label, weight, group))
  np.testing.assert_allclose(auc(*columns, NUM_GROUPS), expected, rtol=1e-5)


def test_summary_of_a_split_is_that_of_its_rows(train):
  score = jax.random.normal(jax.random.key(0), train.batch.label.shape)
  score = score.round(1)
  measured = jax.jit(summary)(score, train)
  real = np.asarray(train.batch.weight) > 0
  domain = np.broadcast_to(train.batch.domain[:, None], real.shape)[real]
  label, logit = np.asarray(train.batch.label)[real], np.asarray(score)[real]
  expected = np.array([
    sklearn_metrics.roc_auc_score(label[domain == d], logit[domain == d]) for d in range(4)
  ])  # fmt: skip
  np.testing.assert_allclose(domain_auc(score, train), expected, rtol=1e-6)
  np.testing.assert_allclose(measured["auc"], expected, rtol=1e-6)
  np.testing.assert_allclose(measured["mean_auc"], expected.mean(), rtol=1e-6)
  weighted = np.average(expected, weights=handmade.SIZES)
  np.testing.assert_allclose(measured["weighted_auc"], weighted, rtol=1e-6)
  entropy = sklearn_metrics.log_loss(label, 1 / (1 + np.exp(-logit)))
  np.testing.assert_allclose(log_loss(score, train), entropy, rtol=1e-5)
  np.testing.assert_allclose(measured["log_loss"], entropy, rtol=1e-5)


def test_rank_is_that_of_scipy_ties_included():
  table = np.random.default_rng(0).integers(4, size=(6, 9)) / 4
  expected = np.mean([rankdata(-column) for column in table.T], axis=0)
  np.testing.assert_allclose(rank(jnp.asarray(table)), expected, rtol=1e-6)
