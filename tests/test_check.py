"""Configs that cannot be: one sentence each, before anything is built or written."""

import pytest
from test_experiment import tiny

from mamdr_jax import check, experiment, study

BAD = {
  "batch_size": (0, -1, 10**20), "epochs": (0, -1), "patience": (0, -1, 10**20), "lanes": (-1,),
  "probe_every": (-1,), "l2": (-1.0, float("nan")), "checkpoint_seconds": (float("nan"), -1.0),
  "alpha": (-1.0, float("nan"), float("inf"), 1e39), "beta": (float("nan"),),
  "gamma": (float("inf"),), "seed": (-1, 2**32),
  "sweep.alpha": (((0.1,),), (0.1, 0.1), (-1.0,), ("a",)),
  "sweep.seed": ((0, 0), (0, 2**32), (0.5,)),
  "sweep.over": ((("batch_size", 5),), (5,), ((("a",), (1,)),)), "cases": ((5,), (("a", 3),)),
  "model.hidden": ((0,), (-1,), ("a",), ((8,),), (float("nan"),)),
  "model.embedding_size": (0, 10**20),
  "data.num_factors": (2**32,), "data.feature_size": (2**31,), "data.sizes": ((float("nan"),),),
  "data.noise": (float("nan"),), "data.seed": (-1,), "method.visit_steps": (0,),
  "method.specific_scale": (float("nan"), -1.0), "inner.name": ("identity", "lamb"),
}  # fmt: skip


@pytest.mark.parametrize(("key", "value"), [(k, v) for k, values in BAD.items() for v in values])
def test_a_value_that_cannot_be_is_one_sentence(key, value, tmp_path):
  config = tiny("mamdr", **{key: value})
  run = study.run if key in ("sweep.over", "cases") else experiment.run
  with pytest.raises(ValueError) as caught:
    run(config, tmp_path / "run")
  said = str(caught.value)
  assert len(said.splitlines()) == 1 and len(said) < 300
  assert key in said or key.startswith("inner")
  assert not (tmp_path / "run").exists()


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


def test_the_values_of_a_config_that_is_made_are_good():
  for method in ("mamdr+finetune", "reptile"):
    check.values(tiny(method, **{"sweep.seed": (0, 2**32 - 1)}).to_dict())
