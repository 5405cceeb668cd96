"""Domains without rows of a label in valid or test, and minibatches that suit small domains."""

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.metrics import roc_auc_score
from sweeps import fit_all, keys, sweep

from mamdr_jax import check, configure, data, room
from mamdr_jax.baselines import baselines
from mamdr_jax.data import minibatches, pack
from mamdr_jax.data.dataset import num_rows_of
from mamdr_jax.methods import METHODS
from mamdr_jax.metrics import auc_of_each, rank, summary, tally

SIZES = (40, 40, 40, 40)


def lacking():
  """Four domains, of which the second has positives only in valid, the third no row there."""
  made = handmade.dataset(SIZES)
  split = np.tile(np.repeat(np.array([0, 1, 2], np.int8), (20, 10, 10)), 4)
  label = made.label.copy()
  label[(made.domain == 1) & (split == 1)] = 1
  split[(made.domain == 2) & (split == 1)] = 0
  first = np.flatnonzero(split != np.roll(split, 1))
  label[first], label[first + 1] = 1, np.where(made.domain[first] == 1, label[first + 1], 0)
  return made._replace(split=split, label=label)


def test_a_domain_without_a_label_is_left_out_of_the_means():
  dataset = lacking()
  valid = pack(dataset, "valid", 8)
  assert valid.count.tolist() == [2, 2, 0, 2]
  score = jax.random.normal(jax.random.key(0), valid.batch.label.shape)
  measured = jax.tree.map(np.asarray, jax.jit(summary)(score, valid))
  real, domain = np.asarray(valid.batch.weight) > 0, np.asarray(valid.batch.domain)
  auc = [
    roc_auc_score(np.asarray(valid.batch.label)[here], np.asarray(score)[here])
    for here in (real & (domain == d)[:, None] for d in (0, 3))
  ]
  np.testing.assert_allclose(measured["auc"], [auc[0], np.nan, np.nan, auc[1]], rtol=1e-6)
  np.testing.assert_allclose(measured["mean_auc"], np.mean(auc), rtol=1e-6)
  np.testing.assert_allclose(measured["weighted_auc"], np.mean(auc), rtol=1e-6)  # 10 rows each
  of_each = auc_of_each(tally(score, valid))
  np.testing.assert_allclose(of_each, [auc[0], *[np.mean(auc)] * 2, auc[1]], rtol=1e-6)


def test_a_score_that_is_no_number_is_still_no_number_in_the_means():
  valid = pack(lacking(), "valid", 8)
  score = jnp.zeros(valid.batch.label.shape).at[0, 0].set(jnp.nan)
  measured = summary(score, valid)
  assert np.isnan(measured["mean_auc"]) and np.isnan(measured["weighted_auc"])
  np.testing.assert_array_equal(auc_of_each(tally(score, valid)), [np.nan, 0.5, 0.5, 0.5])


def test_popularity_has_no_auc_where_a_label_lacks():
  found = baselines(lacking())["valid"]
  auc = np.array(list(found["auc"].values()))
  np.testing.assert_array_equal(np.isnan(auc), [False, True, True, False])
  np.testing.assert_allclose(found["mean_auc"], auc[[0, 3]].mean())
  np.testing.assert_allclose(found["weighted_auc"], auc[[0, 3]].mean(), rtol=1e-6)


def test_a_split_without_any_auc_and_a_domain_without_training_are_errors():
  dataset = lacking()
  with pytest.raises(ValueError, match="no domain has both labels in the valid split"):
    pack(dataset._replace(label=np.ones_like(dataset.label)), "valid", 8)
  split = np.where(dataset.domain == 3, 2, dataset.split)
  with pytest.raises(ValueError, match="domain 'domain 3' has no rows in the train split"):
    pack(dataset._replace(split=split), "train", 8)


def test_domains_without_an_auc_are_counted_and_a_few_named():
  label = np.tile(np.array([0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1], np.int8), 40)
  split = np.tile(np.repeat(np.array([0, 1, 2], np.int8), 4), 40)
  (said,) = data.remarks(handmade.dataset((12,) * 40)._replace(split=split, label=label), 8)
  assert said.startswith("40 of 40 domains have no AUC in the valid split, which lacks positives")
  assert said.endswith("domain 10, domain 11 and 28 more")


@pytest.mark.parametrize("name", ["separate", "alternate", "alternate+finetune"])
def test_a_domain_without_an_auc_is_trained_and_has_not_diverged(name):
  """One that is trained apart keeps its state of the epoch that is best for the others."""
  dataset = lacking()
  train, valid = (pack(dataset, split, 8) for split in ("train", "valid"))
  method = configure.lookup(METHODS, "method", name)(loss=handmade.loss, inner=optax.sgd)
  runs, told = fit_all(method, keys()[:1], sweep([0.3]), train, valid, patience=9)
  assert not runs.diverged.any() and np.isfinite(runs.best_auc).all()
  assert len(told) == runs.epochs[0]
  if name == "separate":
    mean = np.array([info["valid"]["mean_auc"][0] for _, info in told])
    assert runs.best_epoch[0, 1:3].tolist() == [1 + mean.argmax()] * 2
    np.testing.assert_allclose(runs.best_auc[0, 1:3], mean.max(), rtol=1e-6)


def test_no_rank_where_no_method_has_an_auc():
  auc = jnp.array([[0.8, jnp.nan, 0.7], [0.6, jnp.nan, jnp.nan]])
  assert rank(auc).tolist() == [1.0, 2.0]
  assert rank(jnp.full((2, 3), jnp.nan)).tolist() == [1.5, 1.5]


# Sizes of domains -> the size of a minibatch, and the share of slots that hold a row.
FITTING = {
  (10, 20): (32, 30 / 64),
  (100, 300): (64, 400 / (128 + 320)),  # with 128 it would be 400 / 512
  (51,): (32, 51 / 64),  # 0.797 is below 0.8 with 64 as well
  (52,): (64, 52 / 64),
  (820, 900): (1024, 1720 / 2048),
  (5000,): (1024, 5000 / 5120),  # with 2,048 there would be 6,144 slots
  (2048, 4096): (2048, 1.0),
  (4096, 8100): (4096, 12196 / 12288),
}


@pytest.mark.parametrize("rows", FITTING)
def test_the_size_of_minibatches_that_suits_domains(rows):
  size, share = FITTING[rows]
  assert minibatches.fitting(np.array(rows)) == size
  assert minibatches.real_share(np.array(rows), size) == pytest.approx(share)


def test_an_automatic_size_is_that_of_the_training_rows():
  dataset = lacking()
  assert num_rows_of(dataset, "train").tolist() == [20, 20, 30, 20]
  for split in ("train", "valid"):
    handmade.assert_trees_equal(pack(dataset, split, "auto"), pack(dataset, split, 32))
  assert room.data_fit(dataset, "auto") == room.data_fit(dataset, 32)
  *_, said = data.remarks(dataset, "auto")
  assert said == "batch_size=auto is 32: 70% of the slots of minibatches hold a row"


def test_less_padding_is_advised_where_most_is_padding():
  rows = np.array([100, 300])
  assert minibatches.advice(1024, rows) == (
    "batch_size=1,024 pads more than half: 20% of the slots of minibatches hold a row, "
    "89% with batch_size=64"
  )
  assert minibatches.advice(128, rows) is None
  assert minibatches.advice(32, np.array([3])) is None  # none smaller is chosen


@pytest.mark.parametrize("value", [0, 2.5, True, "16", "automatic", None])
def test_a_size_that_is_neither_a_number_nor_automatic_is_refused(value):
  config = configure.make("synthetic", "mlp", "alternate")
  with pytest.raises(
    ValueError, match=r"batch_size=.*expected a whole number from 1 to .*, or 'au"
  ):
    check.values(config.to_dict() | {"batch_size": value})
  check.values(configure.vary(config, {"batch_size": "auto"}).to_dict())
