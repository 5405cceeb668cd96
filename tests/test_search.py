"""Trials that are drawn, and runs that end at rungs."""

import numpy as np
import pytest
from handmade import timeless
from tiny_experiment import assert_same_states, lines, tiny

from mamdr_jax import experiment, files
from mamdr_jax.search import Halving, points

SPACE = (("alpha", 1e-4, 1e-1),)


RUNS = [{"seed": 0, "alpha": float(n), "beta": 0.1, "gamma": 0.1} for n in range(5)]


def told(runs, auc, passes=10.0):
  return {"run": runs, "valid": {"mean_auc": auc}, "passes": [passes] * len(runs)}


def test_at_a_rung_the_best_of_those_that_came_there_go_on():
  ends = Halving(RUNS, (2,), keep=2, passes=0, num_minibatches=10)
  assert not ends(told([0], [0.6])).any()
  assert not ends(told([0], [0.5])).any()  # the first; its best is .6
  assert not ends(told([1, 2], [0.7, 0.4])).any()
  # Of three one goes on, which is no longer run 0; and run 2 is the last of three.
  assert ends(told([1, 2], [0.6, 0.55])).tolist() == [False, True]
  assert not ends(told([0], [0.9])).any()  # it has been there
  ends(told([3], [None])), ends(told([4], [0.65]))
  assert ends(told([3], [float("nan")])).all()
  assert not ends(told([4], [0.1])).any()  # second of five, of which two go on


def test_the_first_seed_decides_for_all():
  points = [RUNS[n] | {"seed": seed} for n in range(2) for seed in range(2)]
  ends = Halving(points, (1, 2), keep=2, passes=0, num_minibatches=10)
  for run, auc, goes_on in ((0, 0.7, True), (1, 0.2, True), (2, 0.6, False), (3, 0.9, False)):
    assert bool(ends(told([run], [auc]))[0]) != goes_on
  assert not ends(told([0, 1], [0.7, 0.2])).any()


def test_no_run_has_more_passes_than_it_may():
  ends = Halving(RUNS, (), keep=3, passes=3, num_minibatches=10)
  assert [bool(ends(told([0], [0.5], 12.0))[0]) for _ in range(3)] == [False, False, True]


def test_trials_are_drawn_within_their_bounds_for_every_seed():
  config = tiny("alternate", **{"search.trials": 40, "search.space": SPACE, "sweep.seed": (3, 4)})
  found = points(config.to_dict())
  assert len(found) == 80 and [p["seed"] for p in found[:4]] == [3, 4, 3, 4]
  alpha = np.array([p["alpha"] for p in found])
  assert (alpha[::2] == alpha[1::2]).all() and alpha.min() >= 1e-4 and alpha.max() <= 1e-1
  assert 8 < (alpha[::2] < 10**-2.5).sum() < 32
  assert {p["beta"] for p in found} == {0.1}
  fewer = tiny("alternate", **{"search.trials": 9, "search.space": SPACE}).to_dict()
  assert [p["alpha"] for p in points(fewer)] == alpha[:18:2].tolist()


def test_few_trials_lie_evenly_by_haltons_sequence():
  space = (*SPACE, ("beta", 0.01, 1.0))
  drawn = {"search.trials": 8, "search.space": space, "search.draw": "halton"}
  found = points(tiny("domain_negotiation", **drawn).to_dict())
  alpha = np.log10([p["alpha"] for p in found]) / 3 + 4 / 3
  beta = np.log10([p["beta"] for p in found]) / 2 + 1
  np.testing.assert_allclose(alpha, np.array([8, 4, 12, 2, 10, 6, 14, 1]) / 16, atol=1e-3)
  np.testing.assert_allclose(beta, np.array([3, 6, 1, 4, 7, 2, 5, 8]) / 9, atol=2e-3)


SEARCH = {"search.trials": 6, "search.space": SPACE, "search.rungs": (2.0,), "epochs": 4}


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_search_ends_runs_that_are_behind(compiled_once, lanes, tmp_path, monkeypatch):
  options = SEARCH | {"search.keep": 2.0, "lanes": lanes, "checkpoint_seconds": 0.0}
  config = tiny("alternate", **options)
  whole = experiment.run(config, tmp_path / "whole")
  epochs = [run["epochs"] for run in whole["runs"]]
  assert set(epochs) == {2, 4} and 1 <= epochs.count(4) <= 4
  best = {}
  for line in lines(tmp_path / "whole"):
    for run, auc in zip(line["run"], line["valid"]["mean_auc"], strict=True):
      best.setdefault(run, []).append(auc)
  at_rung = [max(best[run][:2]) for run in range(6)]
  assert epochs[int(np.argmax(at_rung))] == 4
  append, seen = files.append_line, []

  def appending(path, value):
    append(path, value)
    seen.append(1)
    if len(seen) == 7 // lanes:
      raise InterruptedError

  with monkeypatch.context() as patch, pytest.raises(InterruptedError):
    patch.setattr(files, "append_line", appending)
    experiment.run(config, tmp_path / "run")
  again = experiment.run(config, tmp_path / "run")
  assert timeless(again) == timeless(whole)
  assert_same_states(tmp_path / "run", tmp_path / "whole")


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"search.trials": 3}, "search.trials=3 and search.space=.*; give both or none"),
    ({"search.space": SPACE}, "search.trials=0 and search.space=.*; give both or none"),
    ({"search.trials": 2, "search.space": (("alpha", 0, 1),)}, "expected rates with two bounds"),
    ({"search.trials": 2, "search.space": (("l2", 1, 2),)}, "expected rates with two bounds"),
    (
      {"search.trials": 2, "search.space": (("beta", 0.1, 1.0),)},
      "search.space: method 'alternate'",
    ),
    (
      {"search.trials": 2, "search.space": SPACE, "sweep.alpha": (0.1,)},
      "sweep.alpha: the rates of search",
    ),
    ({"search.rungs": (4.0, 2.0)}, "expected numbers of passes that rise"),
    ({"search.rungs": (2.0,), "workers": 2, "stream": 4}, "do not end at rungs"),
    ({"search.keep": 0.5}, "search.keep"),
    ({"search.draw": "sobol"}, "search.draw='sobol'; choose one of 'random', 'halton'"),
  ],
)
def test_a_search_that_cannot_be_is_refused(changes, message, tmp_path):
  with pytest.raises(ValueError, match=message):
    experiment.run(tiny("alternate", **changes), tmp_path / "run")
  assert not (tmp_path / "run").exists()
