"""What a run says of itself, on made cases and on runs that are so."""

import jax
import numpy as np
import pytest
from tiny_experiment import tiny

from mamdr_jax import advice, assembly, experiment
from mamdr_jax.advice import after, before, of_study, passes_of
from mamdr_jax.core import Hparams
from mamdr_jax.descent import minibatch


def a_run(epochs=10, best=5, stopped=True, diverged=False):
  return {"epochs": epochs, "best_epoch": best, "stopped": stopped, "diverged": diverged}


CONFIG = {"epochs": 10, "l2": 0.0}


@pytest.mark.parametrize(
  "options", [{"visit_steps": 1, "k": 2}, {"k": 1}, {"help_self": True, "k": 1, "visit_steps": 2}]
)
def test_passes_are_those_that_an_epoch_tells(options):
  config = tiny("mamdr", **{f"method.{name}": value for name, value in options.items()})
  made, training = assembly.assemble(config)
  train = assembly.packed(made, training).train
  params = made.objective.init(jax.random.key(0), minibatch(train, 0))
  state = made.method.init(jax.random.key(0), params, train)
  rates = Hparams(*[np.float32(0.01)] * 3)
  _, info = jax.jit(made.method.epoch)(jax.random.key(1), state, train, rates)
  count = np.asarray(train.count)
  assert passes_of(training.config, count) * count.sum() == pytest.approx(float(info["passes"]))


def test_an_epoch_of_many_passes_is_told_before_it_starts():
  count = np.array([10, 20, 30])
  config = {"method": {"name": "mamdr", "k": 2, "help_self": False, "visit_steps": None}}
  assert before(config, count) == [
    "an epoch takes 5.0 passes over the training data, k=2 helpers with whole visits; "
    "method.visit_steps=5 would take 2.0"
  ]
  config["method"]["visit_steps"] = 10
  assert before(config, count)[0].endswith("3.0 passes over the training data, k=2 helpers with "
                                           "visits of 10 minibatches")  # fmt: skip
  assert before({"method": {"name": "alternate"}}, count) == []


@pytest.mark.parametrize(
  ("runs", "ids", "said"),
  [
    ([a_run(best=10, stopped=False)], True, "the run was still rising at epochs=10: raise epochs"),
    ([a_run(best=10, stopped=False), a_run()], True, "1 of 2 runs were still rising"),
    ([a_run(best=8, stopped=False)], True, None),
    ([a_run(7, 2)], True, "the run was best after epoch 2 or before: tables learn rows by heart"),
    ([a_run(7, 2)], False, None),
    ([a_run(7, 1), a_run(7, 2), a_run(7, 5)], True, "2 of 3 runs were best after epoch 2"),
    ([a_run(7, 1), a_run(7, 5)], True, None),
    ([a_run(diverged=True), a_run()], True, "1 of 2 runs diverged: lower alpha or beta"),
  ],
)
def test_what_runs_show_is_said(runs, ids, said):
  told = after(CONFIG, runs, ids)
  assert [x.startswith(said) for x in told] == [True] if said else told == []


def test_what_takes_longest_by_far_is_said():
  of = lambda seconds, **method: {"seconds": seconds, "config": {"method": method}}
  results = {"a": of(20), "b": of(30), "mamdr": of(400, visit_steps=None)}
  assert of_study(results) == [
    "mamdr took 16 times as long as the others; method.visit_steps=5 takes less"
  ]
  assert of_study(results | {"mamdr": of(70)}) == [] == of_study({"a": of(900)})
  assert of_study({"a": of(1), "b": of(20)}) == []


def test_a_run_that_is_cut_off_says_so(tmp_path, capsys):
  config = tiny("alternate", **{"epochs": 1, "data.features": "ids"})
  experiment.run(config, tmp_path / "run")
  assert "the run was still rising at epochs=1: raise epochs" in capsys.readouterr().err
  assert advice.EARLY == 2
