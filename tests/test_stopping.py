"""When runs stop: patience, divergence, domains that are trained apart, and groups that shrink."""

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sweeps import by_run, fit_all, keys, sweep

from mamdr_jax import tree
from mamdr_jax.core import Method
from mamdr_jax.train.devices import rung

# How well each run ranks after epochs 1, 2, ..., for a patience of 2; α says which run it is.
CURVES = {
  "falls": [0.1, 0.6, 0.3, 0.5, 0.9, 0.9],
  "falls later": [0.1, 0.2, 0.3, 0.2, 0.1, 0.9],
  "stands still": [0.4, 0.4, 0.4, 0.4, 0.4, 0.4],
  "recovers in time": [0.3, 0.2, 0.4, 0.1, 0.5, 0.2],
  "diverges": [0.2, 0.5, np.nan, 0.9, 0.9, 0.9],
  "rises": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
}
BASE = [0.1, 0.35, 0.3, 0.2, 0.9, 0.9]
LAST = {"falls": 4, "falls later": 5, "stands still": 3, "diverges": 3}
BEST = {"falls": 2, "falls later": 3, "stands still": 1, "diverges": 2, "recovers in time": 5}


# Epochs that are computed: side by side, what has stopped goes on until half of a group has.
COMPUTED = {1: sum(LAST.get(name, 6) for name in CURVES), 4: 12 + 15, 6: 4 * 6 + 3 + 2}


# A model whose only parameter says how well it ranks.
RANKED = {
  "init": lambda key, batch: {"epochs": jnp.int32(0), "quality": jnp.float32(0.0)},
  "predict": lambda params, batch: batch.dense["noise"] + 4.0 * params["quality"] * batch.label,
}


@pytest.mark.parametrize("lanes", COMPUTED)
def test_a_run_stops_when_its_patience_is_over_and_keeps_its_best_state(train, lanes):
  curves, computed = jnp.array(list(CURVES.values())), []

  def epoch(key, state, data, hparams):
    jax.debug.callback(lambda _: computed.append(1), hparams.alpha)
    curve, number = curves[hparams.alpha.astype(int)], state["epochs"] + 1
    return {"epochs": number, "quality": curve[number - 1]}, {}

  method = Method(
    init=lambda key, params, train: params,
    epoch=epoch,
    params=lambda state, domain, rows=None: state,
  )
  noise = jax.random.normal(jax.random.key(0), train.batch.label.shape)
  valid = train._replace(batch=train.batch._replace(dense={"noise": noise}))
  keys = jax.random.split(jax.random.key(0), 6)
  runs, told = fit_all(
    method, keys, sweep(range(6)), train, valid, **RANKED, epochs=6, patience=2, lanes=lanes
  )
  last = np.array([LAST.get(name, 6) for name in CURVES])
  best = np.array([BEST.get(name, 6) for name in CURVES])
  jax.effects_barrier()
  assert len(computed) == COMPUTED[lanes]
  np.testing.assert_array_equal(runs.epochs, last)
  np.testing.assert_array_equal(runs.state["epochs"], last)  # none has moved since
  np.testing.assert_array_equal(runs.stopped, [name in LAST for name in CURVES])
  np.testing.assert_array_equal(runs.diverged, [name == "diverges" for name in CURVES])
  np.testing.assert_array_equal(runs.best_epoch, best)
  np.testing.assert_array_equal(runs.best["epochs"], best)
  for r, curve in enumerate(CURVES.values()):
    auc = [infos["valid"]["mean_auc"][infos["run"] == r] for _, infos in told]
    auc = np.concatenate(auc)
    assert len(auc) == last[r]
    np.testing.assert_allclose(runs.best_auc[r], np.nanmax(auc), rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(auc), np.isnan(curve[: last[r]]))
  for r, epochs in by_run(told).items():
    assert [epoch for epoch, _ in epochs] == list(range(1, last[r] + 1))


def test_few_sizes_occur_as_runs_stop():
  sizes = [rung(going, 100) for going in range(100, 0, -1)]
  assert sorted(set(sizes)) == [1, 2, 4, 7, 13, 25, 50, 100]
  assert all(
    going <= size < 2 * going + 1 for going, size in zip(range(100, 0, -1), sizes, strict=True)
  )


def along(curves, begun_at=0):
  """An epoch that takes the quality of a model, or that of each domain's, along its curve."""

  def epoch(key, state, data, hparams):
    number = state["epochs"] + 1
    quality = jnp.array(curves)[jnp.arange(len(curves)), number - 1 - begun_at]
    return {"epochs": number, "quality": quality.reshape(number.shape)}, {}

  return epoch


# A domain each. Two of them never rise in time above the best of BASE, after 2 of its 4 epochs.
DOMAINS = ("falls", "falls later", "stands still", "recovers in time")
APART = {
  "from the start": (False, [4, 5, 3, 6], [2, 3, 1, 5], 6),
  "after a base": (True, [2 + 4, 2 + 2, 2 + 3, 2 + 2], [4 + 2, 4, 4 + 1, 4], 4 + 4),
}


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("case", APART)
def test_domains_trained_apart_stop_apart(case, lanes):
  after, last, best, epochs = APART[case]
  curves = [CURVES[name] for name in DOMAINS]
  base = Method(
    lambda key, params, train: params, along([BASE]), lambda state, domain, rows=None: state
  )
  method = Method(
    lambda key, params, train: tree.tile(params, train.start.size),
    along(curves, 2 * after),
    lambda state, domain, rows=None: tree.take(state, domain),
    choose=tree.where,
    base=base if after else None,
  )
  data = handmade.batches((60,) * 4)
  noise = jax.random.normal(jax.random.key(0), data.batch.label.shape)
  data = data._replace(batch=data.batch._replace(dense={"noise": noise}))
  runs, told = fit_all(
    method, keys()[:2], sweep([0.1, 0.2]), data, data,
    **RANKED, epochs=6, patience=2, lanes=lanes,
  )  # fmt: skip
  np.testing.assert_array_equal(runs.state["epochs"], [last, last])
  np.testing.assert_array_equal(runs.best_epoch, [best, best])
  np.testing.assert_array_equal(runs.epochs, [epochs, epochs])
  quality = [0.6, 0.35, 0.4, 0.35] if after else [0.6, 0.3, 0.4, 0.5]
  np.testing.assert_allclose(runs.best["quality"], [quality, quality])
  for run in by_run(told).values():
    assert [epoch for epoch, _ in run] == list(range(1, epochs + 1))


def test_runs_that_are_tuned_side_by_side_are_numbered_each_by_itself(train):
  """Bases of one run and of three epochs: the epochs that follow count on from each."""
  bases = {0.0: [0.5, 0.4, 0.3, 0.2, 0.1], 1.0: [0.1, 0.2, 0.5, 0.4, 0.3]}
  base = Method(
    init=lambda key, params, train: params | {"curve": jnp.float32(0)},
    epoch=lambda key, state, data, hparams: (
      state
      | {
        "epochs": state["epochs"] + 1,
        "quality": jnp.array(list(bases.values()))[hparams.alpha.astype(int), state["epochs"]],
      },
      {},
    ),
    params=lambda state, domain, rows=None: state,
  )
  method = Method(
    lambda key, params, train: tree.tile(params, train.start.size),
    lambda key, state, data, hparams: (state | {"epochs": state["epochs"] + 1}, {}),
    lambda state, domain, rows=None: tree.take(state, domain), choose=tree.where, base=base,
  )  # fmt: skip
  noise = jax.random.normal(jax.random.key(0), train.batch.label.shape)
  data = train._replace(batch=train.batch._replace(dense={"noise": noise}))
  runs, told = fit_all(
    method, keys()[:2], sweep([0.0, 1.0]), data, data, **RANKED, epochs=5, patience=2, lanes=2
  )
  np.testing.assert_array_equal(runs.epochs, [3 + 2, 5 + 2])
  for r, epochs in by_run(told).items():
    assert [epoch for epoch, _ in epochs] == list(range(1, runs.epochs[r] + 1))
