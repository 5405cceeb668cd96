"""Means of the states after epochs, and rates that change from epoch to epoch."""

import functools

import handmade
import jax
import numpy as np
import optax
import pytest
from sweeps import keys, pick, sweep
from tiny_experiment import assert_same_states, tiny

from mamdr_jax import experiment, files
from mamdr_jax.evaluate import tallied
from mamdr_jax.methods import METHODS
from mamdr_jax.metrics import figures
from mamdr_jax.train import Setup, fit
from mamdr_jax.train import run as life

EPOCHS = 4


def trained(train, valid, **options):
  """(state after every epoch, validation AUC of each, the run) of two runs that go side by side."""
  average = options.pop("average", 0.0)
  method = METHODS["mamdr"](loss=handmade.loss, inner=optax.sgd, k=1, visit_steps=1)
  setup, told = Setup(handmade.objective(), method, 50, average=average), []
  rates = sweep([0.05, 0.3], [0.9, 0.5])
  (group,) = fit(
    setup, keys()[:2], rates, train, valid, epochs=EPOCHS, lanes=2,
    on_epoch=lambda epoch: told.append((epoch.snapshot().runs, epoch.info["valid"]["mean_auc"])),
    **options,
  )  # fmt: skip
  states, auc = zip(*told, strict=True)
  return setup, states, auc, group.runs


def test_the_mean_of_states_is_what_is_measured_and_kept(train, valid):
  _, plain, _, _ = trained(train, valid)
  setup, states, auc, run = trained(train, valid, average=0.6, test=valid)
  worth = jax.jit(functools.partial(tallied, setup.objective, setup.method))
  mean = jax.tree.map(np.zeros_like, plain[0].state)
  for epoch, weight in enumerate((1, 1 / 2, 0.4, 0.4)):  # 1 / 3 would be below 1 - .6
    mean = jax.tree.map(lambda x, y, w=weight: x + w * (y - x), mean, plain[epoch].state)
    handmade.assert_trees_close(states[epoch].mean.specific, mean.specific, rtol=1e-5, atol=1e-7)
    handmade.assert_trees_close(states[epoch].mean.shared, mean.shared, rtol=1e-5, atol=1e-7)
    handmade.assert_trees_equal(states[epoch].state, plain[epoch].state)
    for r in range(2):
      of = pick(states[epoch].mean, r)
      found = figures(worth(of, train, valid))["mean_auc"]
      np.testing.assert_allclose(auc[epoch][r], found, rtol=1e-6)
  for r in range(2):
    best = int(np.argmax([of_epoch[r] for of_epoch in auc]))
    assert run.best_epoch[r] == best + 1
    handmade.assert_trees_equal(pick(run.best, r), pick(states[best].mean, r))


def test_rates_change_after_every_epoch(train, valid):
  """The second epoch is that of a run of these rates from the state after the first."""
  setup, annealed, _, _ = trained(train, valid, anneal={"gamma": 0.5, "beta": 0.0})
  first, second = (pick(runs, 1) for runs in annealed[:2])
  rates = pick(sweep([0.05, 0.3], [0.9, 0.25], beta=0.0), 1)
  expected, _ = jax.jit(functools.partial(life.advance, setup))(
    first, keys()[1], rates, train, valid
  )
  handmade.assert_trees_close(second.state, expected.state, rtol=1e-6, atol=1e-7)
  handmade.assert_trees_equal(second.state.shared.params, first.state.shared.params)
  assert any(np.abs(x).max() > 0.01 for x in jax.tree.leaves(second.state.specific))


def test_an_experiment_ends_alike_after_an_interruption(compiled_once, tmp_path, monkeypatch):
  changes = {"average": 0.5, "anneal": (("gamma", 0.8),), "checkpoint_seconds": 0.0}
  config = tiny("mamdr", **changes)
  whole = experiment.run(config, tmp_path / "whole")
  append = files.append_line

  def interrupted(path, value):
    append(path, value)
    raise InterruptedError

  with monkeypatch.context() as patch, pytest.raises(InterruptedError):
    patch.setattr(files, "append_line", interrupted)
    experiment.run(config, tmp_path / "run")
  assert handmade.timeless(experiment.run(config, tmp_path / "run")) == handmade.timeless(whole)
  assert_same_states(tmp_path / "run", tmp_path / "whole")


@pytest.mark.parametrize(
  ("changes", "said"),
  [
    ({"average": 0.5, "stream": 4}, "average=0.5 and stream=4: .*; expected average=0"),
    ({"average": 1.0}, "average=1.0; expected a number from 0 to 0.999"),
    ({"anneal": (("k", 0.5),)}, "anneal=.*; expected rates with a factor above 0"),
    ({"anneal": (("gamma", 0.0),)}, "anneal=.*; expected rates with a factor above 0"),
    ({"anneal": (("gamma", 0.5), ("gamma", 0.9))}, "anneal=.*each once"),
    ({"workers": 2, "stream": 4, "anneal": (("gamma", 0.5),)}, "workers=2 and anneal"),
  ],
)
def test_what_cannot_be_is_refused(changes, said, tmp_path):
  with pytest.raises(ValueError, match=said):
    experiment.run(tiny("mamdr", **changes), tmp_path / "run")
  assert not (tmp_path / "run").exists()
