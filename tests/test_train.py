"""`fit`: sweeps, early stopping, runs that diverge, and data on which MAMDR has to win."""

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mamdr_jax.core import Hparams, Method
from mamdr_jax.methods import METHODS
from mamdr_jax.metrics import summary
from mamdr_jax.train import fit, score

NUM_RUNS = 3


def sweep(num_runs=NUM_RUNS, **rates):
  """Rates of every run, by default growing α and falling γ."""
  default = {
    "alpha": [0.05, 0.3, 0.8][:num_runs],
    "beta": [0.5] * num_runs,
    "gamma": np.linspace(0.9, 0.1, num_runs),
  }
  made = {name: jnp.asarray(value, jnp.float32) for name, value in (default | rates).items()}
  return Hparams(**made)


def keys(num_runs=NUM_RUNS):
  return jax.random.split(jax.random.key(11), num_runs)


def mamdr():
  return METHODS["mamdr"](loss=handmade.loss, inner=optax.sgd, k=1, visit_steps=1)


def fitted(train, valid, *, keys, hparams, epochs=4, patience=4, **options):
  """The runs, and what `on_epoch` was told."""
  told = []
  run = fit(
    keys, hparams, mamdr(), handmade.init, handmade.predict, train, valid,
    epochs=epochs,
    patience=patience,
    on_epoch=lambda epoch, infos: told.append((epoch, infos)),
    **options,
  )  # fmt: skip
  return run, told


def values(run):
  """A run without its key, in NumPy."""
  return jax.tree.map(np.asarray, run._replace(key=None))


def pick(tree, index):
  return jax.tree.map(lambda x: x[index], tree)


@pytest.fixture(scope="module")
def swept(train, valid):
  """Three runs, one after the other."""
  return fitted(train, valid, keys=keys(), hparams=sweep())


def test_results_do_not_depend_on_lanes(train, valid, swept):
  runs, told = fitted(train, valid, keys=keys(), hparams=sweep(), lanes=2)
  expected, told_before = swept
  handmade.assert_trees_close(values(runs), values(expected), rtol=1e-4, atol=1e-5)
  for (epoch, infos), (epoch_before, infos_before) in zip(told, told_before, strict=True):
    assert epoch == epoch_before
    np.testing.assert_array_equal(infos["run"], [0, 1, 2])
    handmade.assert_trees_close(infos, infos_before, rtol=1e-4, atol=1e-5)


def test_a_sweep_equals_single_runs(train, valid, swept):
  for index in range(NUM_RUNS):
    one = slice(index, index + 1)
    run, _ = fitted(train, valid, keys=keys()[one], hparams=pick(sweep(), one))
    handmade.assert_trees_equal(values(run), pick(values(swept[0]), one))


def test_training_improves_on_the_start_and_runs_differ(train, valid, swept):
  runs, _ = swept
  begin = handmade.init(jax.random.fold_in(keys()[1], 0))
  served = mamdr().init(begin, 4)
  before = summary(score(mamdr(), served, valid, handmade.predict), valid)["mean_auc"]
  assert runs.best_auc[1] > before
  assert len(np.unique(runs.best_auc)) == NUM_RUNS


# How well each run ranks after epochs 1, 2, ..., for a patience of 2; α says which run it is.
CURVES = {
  "falls": [0.1, 0.6, 0.3, 0.5, 0.9, 0.9],
  "falls later": [0.1, 0.2, 0.3, 0.2, 0.1, 0.9],
  "stands still": [0.4, 0.4, 0.4, 0.4, 0.4, 0.4],
  "recovers in time": [0.3, 0.2, 0.4, 0.1, 0.5, 0.2],
  "diverges": [0.2, 0.5, np.nan, 0.9, 0.9, 0.9],
  "rises": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
}
LAST = {"falls": 4, "falls later": 5, "stands still": 3, "diverges": 3}
BEST = {"falls": 2, "falls later": 3, "stands still": 1, "diverges": 2, "recovers in time": 5}


@pytest.mark.parametrize("lanes", [1, 4, 6])
def test_a_run_stops_when_its_patience_is_over_and_keeps_its_best_state(train, lanes):
  curves = jnp.array(list(CURVES.values()))

  def epoch(key, state, data, hparams):
    curve, number = curves[hparams.alpha.astype(int)], state["epochs"] + 1
    return {"epochs": number, "quality": curve[number - 1]}, {}

  method = Method(
    init=lambda params, num_domains: params, epoch=epoch, params=lambda state, domain: state
  )
  noise = jax.random.normal(jax.random.key(0), train.batch.label.shape)
  valid = train._replace(batch=train.batch._replace(dense={"noise": noise}))
  told = []
  runs = fit(
    keys(6),
    sweep(6, alpha=range(6)),
    method,
    lambda key, batch: {"epochs": jnp.int32(0), "quality": jnp.float32(0.0)},
    lambda params, batch: batch.dense["noise"] + 4.0 * params["quality"] * batch.label,
    train,
    valid,
    epochs=6,
    patience=2,
    lanes=lanes,
    on_epoch=lambda epoch, infos: told.append((epoch, infos)),
  )
  last = np.array([LAST.get(name, 6) for name in CURVES])
  best = np.array([BEST.get(name, 6) for name in CURVES])
  np.testing.assert_array_equal(runs.epochs, last)
  np.testing.assert_array_equal(runs.state["epochs"], last)  # none has moved since
  np.testing.assert_array_equal(runs.stopped, [name in LAST for name in CURVES])
  np.testing.assert_array_equal(runs.best_epoch, best)
  np.testing.assert_array_equal(runs.best["epochs"], best)
  for r, curve in enumerate(CURVES.values()):
    auc = [infos["valid"]["mean_auc"][infos["run"] == r] for _, infos in told]
    auc = np.concatenate(auc)
    assert len(auc) == last[r]
    np.testing.assert_allclose(runs.best_auc[r], np.nanmax(auc), rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(auc), np.isnan(curve[: last[r]]))
  assert [epoch for epoch, _ in told] == [1, 2, 3, 4, 5, 6]


def test_the_best_state_scores_its_auc(valid, swept):
  runs, _ = swept
  for r in range(NUM_RUNS):
    best = pick(runs.best, r)
    scores = jax.jit(lambda best: score(mamdr(), best, valid, handmade.predict))(best)
    np.testing.assert_allclose(summary(scores, valid)["mean_auc"], runs.best_auc[r], rtol=1e-6)


@pytest.mark.parametrize("alpha", [np.inf, 1e30])
def test_a_run_that_diverges_stops_and_leaves_the_others_alone(train, valid, swept, alpha):
  hparams = sweep(alpha=[0.05, alpha, 0.8])
  runs, told = fitted(train, valid, keys=keys(), hparams=hparams, lanes=2)
  np.testing.assert_array_equal(runs.stopped, [False, True, False])
  np.testing.assert_array_equal(runs.epochs, [4, 1, 4])
  assert runs.best_epoch[1] == 0 and runs.best_auc[1] == -np.inf
  assert all(np.isfinite(leaf[1]).all() for leaf in jax.tree.leaves(runs.best))
  np.testing.assert_array_equal(told[-1][1]["run"], [0, 2])
  for r in (0, 2):
    handmade.assert_trees_close(
      pick(values(runs), r), pick(values(swept[0]), r), rtol=1e-4, atol=1e-5
    )


def test_gamma_does_not_reach_the_shared_parameters(train, valid):
  same = jnp.stack([keys()[0]] * 2)
  hparams = sweep(2, alpha=[0.3, 0.3], gamma=[0.0, 0.9])
  runs, _ = fitted(train, valid, keys=same, hparams=hparams)
  state = values(runs).state
  handmade.assert_trees_equal(pick(state.shared, 0), pick(state.shared, 1))
  for delta in jax.tree.leaves(state.specific):
    assert np.all(delta[0] == 0) and np.any(delta[1] != 0)


def test_rows_are_dealt_anew_only_if_asked(train, valid, swept):
  one = slice(0, 1)
  options = {"keys": keys()[one], "hparams": pick(sweep(), one), "reshuffled": False}
  run, _ = fitted(train, valid, **options)
  anew, fixed = (np.asarray(runs.state.specific["net"]["w"][0]) for runs in (swept[0], run))
  assert not np.allclose(anew, fixed, rtol=1e-3)


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
  hparams = sweep(2, alpha=[1.0, 1.0], gamma=[0.5, 0.5])
  best = {}
  for name, options in (("alternate", {}), ("mamdr", {"k": 1})):
    method = METHODS[name](loss=handmade.loss, inner=optax.sgd, **options)
    runs = fit(
      keys(2), hparams, method, init, handmade.predict, train, valid,
      epochs=20,
      patience=20,
    )  # fmt: skip
    best[name] = np.asarray(runs.best_auc)
  # One ranking for all has a mean of at most 2/3: the second domain's AUC is 1 less another's.
  assert best["alternate"].max() <= 2 / 3 + 1e-6
  assert best["mamdr"].min() > best["alternate"].max() + 0.15
