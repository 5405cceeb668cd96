"""Which model a workdir has, and those that are made of its other runs."""

import jax
import numpy as np
import pytest
from pyarrow import csv
from test_serve import of_model
from tiny_experiment import tiny

from mamdr_jax import again, assembly, experiment, files, serve
from mamdr_jax.data import on_host, pack
from mamdr_jax.descent import minibatch
from mamdr_jax.train import at_rest, shifts
from mamdr_jax.workdir import model as on_disk
from mamdr_jax.workdir import moments


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
  workdir = tmp_path_factory.mktemp("swept") / "run"
  config = tiny("alternate", epochs=1, **{"sweep.seed": (0, 1, 2)})
  return workdir, experiment.run(config, workdir)


def tables(folder):
  return np.asarray(serve.load(folder).stored.light.params["net"]["Logit_0"]["Dense_0"]["kernel"])


def test_a_workdir_has_the_model_of_its_best_run_and_gives_that_of_any(swept, tmp_path):
  workdir, result = swept
  auc = [run["valid"]["mean_auc"] for run in result["runs"]]
  assert on_disk.about(workdir / files.MODEL)["run"] == again.best_run(result)
  assert auc[again.best_run(result)] == max(auc)
  for run in range(3):
    experiment.store(workdir, tmp_path / "model", run)  # in place of the one before
    assert on_disk.about(tmp_path / "model")["point"]["seed"] == run
    state = experiment.load(workdir, run)[1]
    np.testing.assert_array_equal(
      tables(tmp_path / "model"), state.params["net"]["Logit_0"]["Dense_0"]["kernel"]
    )
  experiment.store(workdir, tmp_path / "best")
  np.testing.assert_array_equal(tables(tmp_path / "best"), tables(workdir / files.MODEL))


def test_what_is_no_model_is_not_replaced(swept, tmp_path):
  with pytest.raises(ValueError, match="is there and is no model; name another folder"):
    experiment.store(swept[0], tmp_path, 0)
  with pytest.raises(ValueError, match="has runs 0 to 2, and no run 3"):
    experiment.store(swept[0], tmp_path / "model", 3)


def test_a_run_without_numbers_is_not_the_best():
  runs = [{"valid": {"mean_auc": auc}} for auc in (None, 0.4, 0.6, None)]
  assert again.best_run({"runs": runs}) == 2


def test_what_is_made_of_the_result_is_made_again_where_it_lacks_or_the_experiment_grows(
  swept, capsys
):
  workdir, result = swept
  before = tables(workdir / files.MODEL)
  files.remove(workdir / files.MODEL)
  config = tiny("alternate", epochs=1, **{"sweep.seed": (0, 1, 2)})
  assert experiment.run(config, workdir) == result
  assert "model: what serves each domain, of run" in capsys.readouterr().err
  np.testing.assert_array_equal(tables(workdir / files.MODEL), before)
  curves = (workdir / files.CURVES).read_bytes()
  config.epochs = 2
  grown = experiment.run(config, workdir)
  rows = csv.read_csv(workdir / files.CSV)
  assert rows["epochs"].to_pylist() == [run["epochs"] for run in grown["runs"]] == [2, 2, 2]
  assert (workdir / files.CURVES).read_bytes() != curves
  told = on_disk.about(workdir / files.MODEL)
  assert told["config"]["epochs"] == 2
  assert told["run"] == again.best_run(grown)


def test_moments_are_taken_of_some_domains_at_a_time_where_what_is_kept_does_not_fit(monkeypatch):
  changes = {"method.specific": ("tables.user",), "method.specific_scale": 0.3, "method.k": 1}
  config = of_model("star", "domain_regularization", **changes, **{"data.features": "ids"})
  dataset, goal, method = assembly.build(config)
  whole, host = (make(dataset, "train", config.batch_size) for make in (pack, on_host))
  key = jax.random.key(0)
  params = jax.jit(goal.init)(key, minibatch(whole, 0))
  state = method.served(jax.jit(method.init)(key, params, whole))
  parts = at_rest.apart(state, method)
  expected = moments.moments_of_each(goal, method, *parts, whole)
  assert len(np.unique(expected["variance"], axis=0)) == len(dataset.domains)
  taken = []
  monkeypatch.setattr(moments, "most_domains", lambda kept: 1)
  monkeypatch.setattr(shifts, "taken", lambda *x, of=shifts.taken: taken.append(x[1]) or of(*x))
  found = moments.moments_of_each(goal, method, *parts, host)
  assert [domains.tolist() for domains in taken] == [[0], [1], [2]]
  for name, moment in expected.items():
    np.testing.assert_allclose(found[name], moment, rtol=1e-6, atol=1e-9)
