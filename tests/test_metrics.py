"""Metrics against scikit-learn and SciPy."""

import itertools

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn import metrics as sklearn_metrics

from mamdr_jax.metrics import domain_auc, grouped_auc, log_loss, rank, running_sum, summary

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


def nines(num_groups, first):
  """Groups of nine rows, five negatives below four positives but for three pairs: AUC 0.85."""
  label = np.array([0, 0, 0, 1, 0, 1, 0, 1, 1], np.float32)
  group = np.repeat(np.arange(first, first + num_groups, dtype=np.int32), 9)
  return np.tile(np.arange(9, dtype=np.float32), num_groups), np.tile(label, num_groups), group


def test_small_groups_behind_a_heavy_one_are_exact():
  score, label, group = nines(50, first=1)
  columns = [np.float32([2, 1, 3]), score], [np.float32([0, 1, 1]), label]
  score, label = (np.concatenate(both) for both in columns)
  weight = np.ones(score.size, np.float32)
  weight[0] = 2e7  # a count that one float32 would not get past
  found = auc(score, label, weight, np.concatenate([np.zeros(3, np.int32), group]), 51)
  np.testing.assert_allclose(found, [0.5] + [0.85] * 50, rtol=1e-7)


def test_running_sums_count_past_2_to_the_24():
  x = np.ones(7, np.float32)
  x[0] = x[4] = 2.0**24
  begins = np.array([True, False, False, False, True, False, False])
  high, low = (np.asarray(part, np.int64) for part in jax.jit(running_sum)(x, begins))
  np.testing.assert_array_equal(high + low, 2**24 + np.array([0, 1, 2, 3, 0, 1, 2]))


@pytest.mark.slow
@pytest.mark.parametrize("case", ["small behind large", "many sizes", "one in a hundred"])
def test_auc_of_twenty_million_rows_is_that_of_scikit_learn(case):
  rng = np.random.default_rng(0)
  if case == "small behind large":
    score, label, group = nines(1000, first=1)
    label = np.concatenate([np.arange(19_001_000) < 1000, label]).astype(np.float32)
    score = np.concatenate([rng.random(19_001_000, np.float32), score])
    group = np.concatenate([np.zeros(19_001_000, np.int32), group])
  else:
    sizes = [20_000_000] if case == "one in a hundred" else [200_000] * 100 + [40] * 300
    group = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    label = (rng.random(group.size) < (0.01 if len(sizes) == 1 else 0.3)).astype(np.float32)
    label[np.cumsum(sizes) - 1], label[np.cumsum(sizes) - 2] = 1, 0
    score = (rng.normal(size=group.size) + label).round(3).astype(np.float32)
  ends = np.searchsorted(group, np.arange(group[-1] + 2))
  expected = [
    sklearn_metrics.roc_auc_score(label[a:b], score[a:b]) for a, b in itertools.pairwise(ends)
  ]
  shuffled = rng.permutation(group.size)
  columns = [x[shuffled] for x in (score, label, np.ones_like(score), group)]
  np.testing.assert_allclose(auc(*columns, len(expected)), expected, rtol=1e-6)
  if case == "small behind large":
    np.testing.assert_allclose(expected[1:], 0.85)


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
  certain = np.where(train.batch.label > 0, np.inf, -np.inf)
  assert log_loss(certain, train) == 0 and log_loss(-certain, train) == np.inf


def test_rank_is_that_of_scipy_ties_included():
  table = np.random.default_rng(0).integers(4, size=(6, 9)) / 4
  expected = np.mean([rankdata(-column) for column in table.T], axis=0)
  np.testing.assert_allclose(rank(jnp.asarray(table)), expected, rtol=1e-6)
