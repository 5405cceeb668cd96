"""`fit`: sweeps, tuning, rows that are dealt anew, and data on which MAMDR has to win."""

import handmade
import jax
import numpy as np
import optax
import pytest
from sweeps import by_run, fit_all, keys, pick, sweep

from mamdr_jax.core import Method
from mamdr_jax.evaluate import score
from mamdr_jax.methods import METHODS
from mamdr_jax.metrics import summary

ALPHA = [0.05, 0.3, 0.8, 0.3]
GAMMA = [0.9, 0.5, 0.1, 0.0]  # the last run is the second with another γ


def mamdr():
  return METHODS["mamdr"](loss=handmade.loss, inner=optax.sgd, k=1, visit_steps=1)


def fitted(train, valid, keys, hparams, **options):
  """The runs of MAMDR after four epochs, and what `on_epoch` was told."""
  return fit_all(mamdr(), keys, hparams, train, valid, **options)


@pytest.fixture(scope="module")
def swept(train, valid):
  """Four runs, one after the other."""
  return fitted(train, valid, keys(), sweep(ALPHA, GAMMA))


@pytest.fixture(scope="module")
def diverged(train, valid):
  """The same runs two by two, but for the second, whose α is far too large."""
  return fitted(train, valid, keys(), sweep([0.05, np.inf, 0.8, 0.3], GAMMA), lanes=2)


def test_results_do_not_depend_on_lanes_nor_on_a_neighbour(swept, diverged):
  others = np.array([0, 2, 3])
  expected, runs = (pick(fit[0], others) for fit in (swept, diverged))
  handmade.assert_trees_close(runs, expected, rtol=1e-4, atol=1e-5)
  told, told_alone = by_run(diverged[1]), by_run(swept[1])
  for r in others:
    handmade.assert_trees_close(told[r], told_alone[r], rtol=1e-4, atol=1e-5)


def test_chunks_of_a_grid_give_what_the_whole_does_up_to_rounding(train, valid):
  two, four = (fitted(train, valid, keys(), sweep(ALPHA, GAMMA), lanes=n)[0] for n in (2, 4))
  handmade.assert_trees_close(two, four, rtol=1e-6, atol=1e-7)


def test_a_run_that_diverges_stops_and_keeps_a_finite_state(diverged):
  runs, told = diverged
  np.testing.assert_array_equal(runs.stopped, [False, True, False, False])
  np.testing.assert_array_equal(runs.epochs, [4, 1, 4, 4])
  assert runs.best_epoch[1] == 0 and runs.best_auc[1] == -np.inf
  assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(pick(runs.best, 1)))
  np.testing.assert_array_equal(runs.diverged, runs.stopped)
  assert [list(infos["run"]) for _, infos in told] == [[0, 1]] + 3 * [[0]] + 4 * [[2, 3]]


def test_a_single_run_is_a_sweep_of_one(train, valid, swept):
  one = slice(1, 2)
  run, _ = fitted(train, valid, keys()[one], pick(sweep(ALPHA, GAMMA), one))
  handmade.assert_trees_equal(run, pick(swept[0], one))


def test_gamma_does_not_reach_the_shared_parameters(swept):
  state = swept[0].state
  handmade.assert_trees_equal(pick(state.shared, 1), pick(state.shared, 3))
  for delta in jax.tree.leaves(state.specific):
    assert np.all(delta[3] == 0) and np.any(delta[1] != 0)


def test_the_best_state_scores_its_auc_and_more_than_the_start(train, valid, swept):
  runs, _ = swept
  measure = jax.jit(
    lambda state: summary(
      score(lambda b: handmade.predict(mamdr().params(state, b.domain), b), valid), valid
    )
  )
  for r in range(len(ALPHA)):
    auc = measure(pick(runs.best, r))["mean_auc"]
    np.testing.assert_allclose(auc, runs.best_auc[r], rtol=1e-6)
  begin = handmade.init(jax.random.fold_in(keys()[1], 0))
  assert measure(mamdr().init(keys()[0], begin, train))["mean_auc"] < runs.best_auc[1]


@pytest.mark.parametrize("reshuffled", [True, False])
def test_rows_are_dealt_anew_every_epoch_if_asked(train, valid, reshuffled):
  def epoch(key, state, data, hparams):
    return state, {"label": data.batch.label, "weight": data.batch.weight}

  method = Method(lambda key, params, train: params, epoch, lambda state, domain, rows=None: state)
  options = {"epochs": 3, "reshuffled": reshuffled}
  _, told = fit_all(method, keys()[:1], sweep([0.1]), train, valid, **options)
  told = [infos for _, infos in told]
  labels = [infos["label"][0] for infos in told] + [train.batch.label]
  same = [np.array_equal(labels[a], labels[b]) for a in range(4) for b in range(a)]
  assert not any(same) if reshuffled else all(same)
  np.testing.assert_array_equal(told[-1]["weight"][0].sum(), sum(handmade.SIZES))


def opposed(seed):
  """Three domains that rank the same pairs of user and item, the second the other way round."""
  rng = np.random.default_rng(seed)
  size = 48
  user, item = rng.integers(handmade.NUM_ROWS, size=(2, size), dtype=np.int32)
  likes = (user % 3 + item % 5 >= 3).astype(np.int8)
  return handmade.batches(
    (size, size, size),
    ids={"user": np.tile(user, 3), "item": np.tile(item, 3)},
    label=np.concatenate([likes, 1 - likes, likes]),
  )


def test_mamdr_beats_alternate_where_domains_oppose_each_other():
  train, valid = opposed(0), opposed(1)
  init = lambda key, batch: handmade.init(key, num_domains=0)
  hparams = sweep([1.0, 1.0], gamma=[0.5, 0.5])
  best = {}
  for name, options in (("alternate", {}), ("mamdr", {"k": 1})):
    method = METHODS[name](loss=handmade.loss, inner=optax.sgd, **options)
    runs, _ = fit_all(method, keys()[:2], hparams, train, valid, init=init, epochs=20, patience=20)
    best[name] = np.asarray(runs.best_auc)
  # One ranking for all has a mean of at most 2/3: the second domain's AUC is 1 less another's.
  assert best["alternate"].max() <= 2 / 3 + 1e-6
  assert best["mamdr"].min() > best["alternate"].max() + 0.15
