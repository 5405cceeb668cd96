"""Configs that cannot be: one sentence each, before anything is built or written."""

import subprocess
import sys
from types import SimpleNamespace

import jax
import optax
import pytest
from made_results import ROOT
from tiny_experiment import tiny

from mamdr_jax import assembly, check, data, experiment, machine, room, study, tree
from mamdr_jax.methods import METHODS

BAD = {
  "batch_size": (0, -1, 10**20), "epochs": (0, -1), "patience": (0, -1, 10**20), "lanes": (-1,),
  "probe_every": (-1,), "l2": (-1.0, float("nan")), "checkpoint_seconds": (float("nan"), -1.0),
  "alpha": (-1.0, float("nan"), float("inf"), 1e39), "beta": (float("nan"),),
  "gamma": (float("inf"),), "seed": (-1, 2**32),
  "sweep.alpha": (((0.1,),), (0.1, 0.1), (-1.0,), ("a",)),
  "sweep.seed": ((0, 0), (0, 2**32), (0.5,)),
  "sweep.over": ((("batch_size", 5),), (5,), ((("a",), (1,)),), ("abc",),
    (("batch_size", ()),), (("batch_size", ("a",)),), (("data.sizes", ((float("inf"),),)),),
    (("nokey", (1,)),)), "cases": ((5,), (("a", 3),)),
  "model.hidden": ((0,), (-1,), ("a",), ((8,),), (float("nan"),)),
  "model.embedding_size": (0, 10**20),
  "data.feature_size": (2**31,), "data.ctr": (("a",) * 3,),
  "data.sizes": ((float("nan"),), ("a", 100), (120.5, 100), (-5, 100)),
  "data.noise": (float("nan"),), "data.seed": (-1,), "method.visit_steps": (0,),
  "method.specific_scale": (float("nan"), -1.0), "inner.name": ("identity", "lamb"),
  "inner.options": ((5,), ("ab",)),
  "data.num_factors": (2**32, 2**24), "data.num_domains": (-1, 3), "data.rows": (2**31, 300),
  "data.zipf": (-1.0, float("nan")), "data.one_in": (0, 2), "data.num_users": (2**31,),
}  # fmt: skip


@pytest.mark.parametrize(("key", "value"), [(k, v) for k, values in BAD.items() for v in values])
def test_a_value_that_cannot_be_is_one_sentence(key, value, tmp_path):
  config = tiny("mamdr", **{key: value})
  run = study.run if key in ("sweep.over", "cases") else experiment.run
  with pytest.raises(ValueError) as caught:
    run(config, tmp_path / "run")
  said = str(caught.value)
  assert len(said.splitlines()) == 1 and len(said) < 300
  keys = (key, "batch_size", "data.sizes", "nokey") if key == "sweep.over" else (key,)
  named = any(name.removeprefix("data.") in said for name in keys)
  assert named or key.startswith("inner")
  assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
  ("changes", "said"),
  [
    ({"stream": 4, "lanes": 2}, "stream=4 and lanes=2: .* expected lanes=1"),
    ({"rest": "tape"}, "rest='tape'; choose one of '', 'host', 'disk'"),
    ({"rest": "disk"}, "rest='disk' and stream=0; expected parts, e.g. stream=4096"),
    ({"rest": "host", "stream": 4, "probe_every": 1}, "a probe looks at all that serves"),
    ({"rest_dtype": "bfloat16"}, "rest_dtype='bfloat16' and no rest; choose rest='host'"),
    ({"rest_dtype": "int8"}, "rest_dtype='int8'; choose one of 'float32', 'bfloat16'"),
    ({"stream": -1}, "stream=-1; expected a number from 0"),
  ],
)
def test_parts_and_rest_that_do_not_go_together_are_refused(changes, said, tmp_path):
  with pytest.raises(ValueError, match=said):
    experiment.run(tiny("mamdr", **changes), tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_a_disk_that_is_too_small_is_told_before(tmp_path, monkeypatch):
  monkeypatch.setattr(room.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
  kept = {"w": jax.ShapeDtypeStruct((2**20,), "float32")}
  with pytest.raises(ValueError, match=f"{tmp_path}: rest='disk' takes 0.0 GiB there, and 0.0"):
    room.disk_fits(tmp_path, kept, 4)
  room.disk_fits(tmp_path, {"w": jax.ShapeDtypeStruct((80,), "float32")}, 4)


def test_a_sweep_over_a_rate_that_the_method_does_not_read_is_refused(tmp_path):
  for method, rate in (("alternate", "gamma"), ("domain_negotiation", "gamma"), ("joint", "beta")):
    config = tiny(method, **{f"sweep.{rate}": (0.1, 0.2)})
    with pytest.raises(ValueError, match=rf"sweep.{rate}: method '{method}' reads alpha.* alone"):
      experiment.run(config, tmp_path / "run")
  assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("section", ["outer", "specific_inner"])
def test_an_optimizer_that_the_method_does_not_have_is_refused(section, tmp_path):
  with pytest.raises(ValueError, match=f"{section}.name='adam': method 'alternate' has no such"):
    experiment.run(tiny("alternate", **{f"{section}.name": "adam"}), tmp_path / "run")


@pytest.mark.parametrize("section", ["inner", "outer", "specific_inner"])
def test_an_unknown_optimizer_is_refused_before_data_are_read(section, tmp_path, monkeypatch):
  monkeypatch.setattr(assembly, "read_data", lambda config: 1 / 0)
  with pytest.raises(ValueError, match="unknown optimizer 'adamm'"):
    experiment.run(tiny(**{f"{section}.name": "adamm"}), tmp_path / "run")


@pytest.mark.parametrize(
  ("changes", "said"),
  [
    ({"batch_size": 2**24}, "the data, in minibatches of batch_size=16,777,216 rows,"),
    ({"model.embedding_size": 2**16}, r"a run \(parameters .* GiB, with deltas .* GiB, data"),
    ({"data.feature_size": 2**22}, "synthetic data of 270 rows and 50 users and items"),
    ({"data.sizes": (2**24,) * 3}, "synthetic data of 50,331,648 rows"),
  ],
)
def test_what_memory_cannot_hold_is_refused_before_it_is_made(changes, said, tmp_path, monkeypatch):
  monkeypatch.setattr(machine, "memory", lambda: 2**26)
  with pytest.raises(ValueError, match=f"{said}.* at least .* GiB, and this machine has 0.1 GiB"):
    experiment.run(tiny(**changes), tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_the_estimate_of_packed_data_is_what_they_take():
  dataset = assembly.read_data(tiny())
  packed = [data.pack(dataset, split, 16) for split in data.SPLITS]
  rows = [part._replace(frozen={}, start=(), count=(), own={}) for part in packed]
  leaves = [part._replace(batch=part.batch._replace(domain=())) for part in rows]
  assert room.data_fit(dataset, 16) == tree.num_bytes((leaves, dataset.frozen))


def test_specific_parameters_that_the_model_lacks_are_refused(params, train):
  method = METHODS["mamdr"](loss=None, inner=optax.sgd, k=1, specific=("net",))
  for without in ({"tables": params["tables"]}, {"tables": params["tables"], "net": {}}):
    with pytest.raises(ValueError, match=r"nothing would have a delta; .* parameters in 'tables'"):
      method.init(jax.random.key(0), without, train)


@pytest.mark.parametrize(
  ("file", "said"),
  [
    ("README.md", "error: README.md, line "),
    ("launch.py", "error: --config: expected a file in Python that defines get_config"),
    ("nowhere.py", "error: "),
  ],
)
def test_a_file_that_is_no_config_is_one_sentence(file, said, tmp_path):
  command = [sys.executable, "launch.py", f"--config={file}", f"--workdir={tmp_path / 'run'}"]
  done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
  assert done.returncode == 1 and done.stderr.startswith(said)
  assert len(done.stderr.splitlines()) == 1 and len(done.stderr) < 300


def test_the_values_of_a_config_that_is_made_are_good():
  for method in ("mamdr+finetune", "reptile"):
    check.values(tiny(method, **{"sweep.seed": (0, 2**32 - 1)}).to_dict())


def test_data_may_have_more_rows_and_ids_than_a_model_has_of_anything():
  many = {"data.sizes": (), "data.num_domains": 69_102, "data.rows": 10**8}
  many |= {"data.num_users": 2**24 + 1, "data.num_items": 2**31 - 1}
  check.values(tiny("alternate", **many).to_dict())
