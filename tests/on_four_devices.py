"""What `fit` does on four devices. `test_devices.py` has these run where a CPU counts as four."""

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

from mamdr_jax import experiment, files
from mamdr_jax.configure import lookup
from mamdr_jax.methods import METHODS
from mamdr_jax.objective import Objective
from mamdr_jax.train import Probe, Setup
from mamdr_jax.train.devices import Dealt, everywhere
from mamdr_jax.train.programs import compiled

DEVICES = tuple(jax.local_devices())
COLLECTIVES = r"all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter|send|recv"
# The second stops after one epoch, the third after two more, the fourth before the first.
ALPHA, PATIENCE, EPOCHS = [0.05, np.inf, 0.0, 2.0], 2, 9


def method(name):
  return lookup(METHODS, "method", name)(loss=handmade.loss, inner=optax.adam)


def both(name, train, valid, num_runs, **options):
  """The runs and what was told: one after the other, and one on each device."""
  keys = jax.random.split(jax.random.key(5), num_runs)
  rates = sweep(np.resize(ALPHA, num_runs))
  options = {"epochs": EPOCHS, "patience": PATIENCE} | options
  fitted = lambda **how: fit_all(method(name), keys, rates, train, valid, **options, **how)
  return fitted(), fitted(devices=DEVICES)


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
  weight = jnp.arange(3.0)
  probe = Probe(lambda key, params: {"w": weight @ params(0)["w"]}, every=2)
  alone, spread = both("domain_negotiation", train, valid, 4, probe=probe)
  assert_equal(alone, spread)
  epochs = alone[0].epochs.tolist()
  assert len(set(epochs)) == 4 and epochs[1] == 1  # they stop one by one
  assert {(4, 4), (2, 2), (1, 1)} <= set(sizes)


def test_three_runs_take_three_devices_and_are_tuned_there(train, valid, sizes):
  assert_equal(*both("alternate+finetune", train, valid, 3, epochs=4))
  assert (3, 3) in sizes


def test_several_runs_a_device_are_the_same_up_to_rounding(train, valid, sizes):
  keys = jax.random.split(jax.random.key(6), 9)
  rates = sweep(np.linspace(0.01, 0.1, 9))
  fitted = lambda **how: fit_all(method("alternate"), keys, rates, train, valid, epochs=2, **how)[0]
  alone, spread = fitted(), fitted(devices=DEVICES, lanes=3)
  handmade.assert_trees_close(spread, alone, rtol=1e-4, atol=1e-5)
  assert {size for size in sizes if size[1] > 1} == {(8, 4)}


def test_devices_do_not_meet_in_the_program(train, valid):
  goal = Objective(handmade.init, handmade.loss, handmade.predict)
  setup = Setup(goal, method("domain_negotiation"), patience=2)
  for num_runs in (4, 8):
    keys = jax.random.split(jax.random.key(0), num_runs)
    programs = compiled(setup, True, None, False, DEVICES)
    runs = programs.begin(keys, train)
    lowered = programs.advance.lower(runs, keys, sweep([0.1] * num_runs), train, valid)
    text = lowered.compile().as_text()
    assert "num_partitions=4" in text and "while" in text
    assert not re.search(rf"\b({COLLECTIVES})\b", text)


def test_data_are_on_every_device_once(train, valid):
  features = {"user": jnp.ones((12, 3))}
  train, valid = everywhere(DEVICES, (x._replace(frozen=features) for x in (train, valid)))
  where = lambda x: [part.data.unsafe_buffer_pointer() for part in x.addressable_shards]
  there = where(train.frozen["user"])
  assert len(there) == 4 and there == where(valid.frozen["user"])
  assert there[0] == features["user"].unsafe_buffer_pointer()
  two = Dealt(lambda run, data: run, (0, None), DEVICES)
  _, narrow = two._placed((jnp.ones(2), train))
  assert where(narrow.frozen["user"]) == there[:2]


def test_an_experiment_does_not_depend_on_devices_also_where_it_goes_on(tmp_path, monkeypatch):
  config = tiny("alternate", **{"sweep.seed": (0, 1, 2), "checkpoint_seconds": 0.0, "patience": 3})
  alone = experiment.run(config, tmp_path / "alone")
  config.devices = 4
  append = files.append_line

  def appending(path, value):
    append(path, value)
    if value["epoch"] == 2:
      raise InterruptedError

  with monkeypatch.context() as patch, pytest.raises(InterruptedError):
    patch.setattr(files, "append_line", appending)
    experiment.run(config, tmp_path / "run")
  spread = experiment.run(config, tmp_path / "run")
  assert timeless(spread["runs"]) == timeless(alone["runs"])
  assert_same_states(tmp_path / "run", tmp_path / "alone")
  assert [line["run"] for line in lines(tmp_path / "run")] == 3 * [[0, 1, 2]]
  with pytest.raises(ValueError, match="devices=5: this machine has 4; expected at most so many"):
    experiment.run(tiny("alternate", devices=5), tmp_path / "more")
  assert not (tmp_path / "more").exists()


def test_benchmark_of_lanes_has_a_row_for_devices(capsys, monkeypatch):
  module = importlib.import_module("benchmarks.lanes")
  sizes = {"RUNS": (1, 4), "EPOCHS": 2, "DOMAINS": 2, "PER_DOMAIN": 1, "BATCH": 4, "SIZE": 2}
  for name, value in (sizes | {"NUM_IDS": {"user": 8, "item": 8}}).items():
    monkeypatch.setattr(module, name, value)
  module.main()
  (row,) = [x for x in capsys.readouterr().out.splitlines() if "one on each of 4 devices" in x]
  assert float(row.split("|")[-2]) < 1e-6
