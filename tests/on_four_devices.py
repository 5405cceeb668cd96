"""What `fit` does on four devices. `test_devices.py` has these run where a CPU counts as four."""

import functools
import importlib
import re

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from handmade import timeless
from sweeps import fit_all, sweep
from tiny_experiment import assert_same_states, lines, tiny

from mamdr_jax import assembly, experiment, files, training
from mamdr_jax.configure import lookup
from mamdr_jax.methods import METHODS
from mamdr_jax.objective import Objective
from mamdr_jax.train import Probe, Setup
from mamdr_jax.train.devices import Dealt, everywhere
from mamdr_jax.train.programs import compiled

DEVICES = tuple(jax.local_devices())
COLLECTIVES = r"all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter|send|recv"
# The second stops after epoch 1, the third after 3, the others after 5 and 7.
ALPHA = [0.05, np.inf, 0.0, 0.05]


WEIGHT = jnp.arange(3.0)
PROBE = Probe(lambda key, params: {"w": WEIGHT @ params(0)["net"]["w"]}, every=2)


@pytest.fixture(scope="module", autouse=True)
def compiled_once():
  """Calls of `fit` share their programs, where each would trace its own."""
  module = importlib.import_module("mamdr_jax.train.fit")
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(module, "compiled", functools.cache(compiled))
    yield


@functools.cache
def method(name):
  return lookup(METHODS, "method", name)(loss=handmade.loss, inner=optax.adam)


def both(name, train, valid, alpha, lanes=1, **options):
  """The runs and what was told: one after the other, and on all devices."""
  keys, rates = jax.random.split(jax.random.key(5), len(alpha)), sweep(alpha)
  fitted = functools.partial(fit_all, method(name), keys, rates, train, valid, **options)
  return fitted(), fitted(devices=DEVICES, lanes=lanes)


@pytest.fixture
def sizes(monkeypatch):
  """(runs, devices) of every program that was called for a group of several."""
  seen, placed = [], Dealt._placed

  def placing(self, args):
    found = placed(self, args)
    key = jax.tree.leaves(found[self.axes.index(0)])[0]
    seen.append((key.shape[0], len(key.sharding.device_set)))
    return found

  monkeypatch.setattr(Dealt, "_placed", placing)
  return seen


def by_run(told):
  """(run, epoch) -> its info."""
  return {
    (int(run), number): jax.tree.map(lambda x, i=i: np.asarray(x)[i], info)
    for number, info in told
    for i, run in enumerate(info["run"])
  }


def assert_equal(alone, spread):
  handmade.assert_trees_equal(spread[0], alone[0])
  told, expected = by_run(spread[1]), by_run(alone[1])
  assert told.keys() == expected.keys()
  for place, info in expected.items():
    for infos in (info, told[place]):
      infos.get("probe", {}).pop("seconds", None)
    handmade.assert_trees_equal(told[place], info)


def test_a_run_a_device_is_one_after_the_other_bit_for_bit(train, valid, sizes):
  options = {"epochs": 9, "patience": 2, "probe": PROBE}
  alone, spread = both("domain_negotiation", train, valid, ALPHA, **options)
  assert_equal(alone, spread)
  assert sorted(alone[0].epochs) == [1, 3, 5, 7]
  assert {(4, 4), (2, 2), (1, 1)} <= set(sizes)


def test_several_runs_a_device_are_the_same_up_to_rounding(train, valid, sizes):
  options = {"epochs": 3, "patience": 2, "probe": PROBE, "lanes": 3}
  alone, spread = both("domain_negotiation", train, valid, [0.05, 0.1, 0.02] * 3, **options)
  handmade.assert_trees_close(spread[0], alone[0], rtol=1e-4, atol=1e-5)
  assert {size for size in sizes if size[1] > 1} == {(8, 4)}


@pytest.mark.parametrize("num_runs", [4, 8])
def test_devices_do_not_meet_in_the_program(num_runs, train, valid):
  goal = Objective(handmade.init, handmade.loss, handmade.predict)
  setup = Setup(goal, method("domain_negotiation"), patience=2)
  keys = jax.random.split(jax.random.key(0), num_runs)
  programs = compiled(setup, True, None, False, DEVICES)
  runs = programs.begin(keys, train)
  lowered = programs.advance.lower(runs, keys, sweep([0.1] * num_runs), train, valid)
  text = lowered.compile().as_text()
  assert "num_partitions=4" in text and "while" in text
  assert not re.search(rf"\b({COLLECTIVES})\b", text)


def test_data_are_on_every_device_once(train, valid):
  features = {"user": jnp.ones((12, 3))}
  train, valid = everywhere(DEVICES, [x._replace(frozen=features) for x in (train, valid)])
  where = lambda x: [part.data.unsafe_buffer_pointer() for part in x.addressable_shards]
  there = where(train.frozen["user"])
  assert len(there) == 4 and there == where(valid.frozen["user"])
  assert there[0] == features["user"].unsafe_buffer_pointer()
  two = Dealt(lambda run, data: run, (0, None), DEVICES)
  _, narrow = two._placed((jnp.ones(2), train))
  assert where(narrow.frozen["user"]) == there[:2]


@pytest.mark.slow
def test_three_runs_are_tuned_on_three_devices_also_where_they_go_on(tmp_path, monkeypatch, sizes):
  config = tiny("joint+finetune", **{"sweep.seed": (0, 1, 2), "checkpoint_seconds": 0.0})
  config.epochs, built = 2, assembly.build(config)
  monkeypatch.setattr(assembly, "build", lambda *_: built)  # the three share their programs
  monkeypatch.setattr(training, "measuring", functools.cache(training.measuring))
  alone = experiment.run(config, tmp_path / "alone")
  assert {size for _, size in sizes} == {1}
  config.devices = 4
  append = files.append_line

  def appending(path, value):
    append(path, value)
    if value["epoch"] == 3:  # the first while they are tuned
      raise InterruptedError

  with monkeypatch.context() as patch, pytest.raises(InterruptedError):
    patch.setattr(files, "append_line", appending)
    experiment.run(config, tmp_path / "run")
  spread = experiment.run(config, tmp_path / "run")
  assert timeless(spread["runs"]) == timeless(alone["runs"])
  assert_same_states(tmp_path / "run", tmp_path / "alone")
  assert [line["run"] for line in lines(tmp_path / "run")] == 4 * [[0, 1, 2]]
  assert (3, 3) in sizes


def test_more_devices_than_there_are_leave_no_folder(tmp_path):
  with pytest.raises(ValueError, match="devices=5: this machine has 4; expected at most so many"):
    experiment.run(tiny("alternate", devices=5), tmp_path / "run")
  assert not (tmp_path / "run").exists()
