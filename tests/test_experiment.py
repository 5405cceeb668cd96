"""config -> workdir: what a run leaves behind, and what it says about bad input."""

import json

import jax
import numpy as np
import pytest
from tiny_experiment import tiny

from mamdr_jax import assembly, configure, data, experiment, files, report, search
from mamdr_jax.data import pack
from mamdr_jax.evaluate import score
from mamdr_jax.metrics import domain_auc
from mamdr_jax.workdir import metrics


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
  workdir = tmp_path_factory.mktemp("runs") / "tiny"
  return workdir, experiment.run(tiny(**{"sweep.seed": (0, 1)}), workdir)


def test_result_has_the_documented_form(finished):
  workdir, result = finished
  assert json.loads((workdir / files.RESULT).read_text()) == result
  assert set(result) == {
    *("config", "runs", "num_parameters", "ceiling", "baselines", "seconds", "versions", "rates"),
    "tested",
    *("device", "platform", "cores", "x64", "matmul_precision", "data", "code"),
  }
  for seed, run in enumerate(result["runs"]):
    assert run["seed"] == seed
    assert set(run) == {
      *("seed", "alpha", "beta", "gamma", "epochs", "best_epoch", "diverged", "valid", "test"),
      *("seconds", "stopped", "tuned"),
    }
    for split in ("valid", "test"):
      assert set(run[split]) == {"auc", "mean_auc", "weighted_auc", "log_loss"}
      assert list(run[split]["auc"]) == ["D1", "D2", "D3"]
      assert run[split]["mean_auc"] == pytest.approx(np.mean(list(run[split]["auc"].values())))


def test_workdir_has_metrics_of_every_epoch_and_a_figure(finished):
  workdir, _ = finished
  lines = [json.loads(line) for line in (workdir / files.METRICS).read_text().splitlines()]
  assert [(line["run"], line["epoch"]) for line in lines] == [
    ([run], epoch) for run in (0, 1) for epoch in (1, 2, 3)
  ]
  assert np.shape(lines[0]["valid"]["auc"]) == (1, 3)
  assert (workdir / "auc.png").stat().st_size > 10_000
  assert not list(workdir.glob("*.part"))


def test_best_state_loads_and_scores_as_reported(finished):
  workdir, result = finished
  loaded, state = experiment.load(workdir, run=1)
  test = pack(loaded.dataset, "test", 16)
  serve = loaded.serving(state, pack(loaded.dataset, "train", 16))
  auc = domain_auc(score(serve.predict, test), test)
  np.testing.assert_allclose(auc, list(result["runs"][1]["test"]["auc"].values()), rtol=1e-6)
  shared, specific = state.shared.params, state.specific
  served = loaded.method.params(state, 2)
  equal = lambda *trees: jax.tree.map(np.testing.assert_array_equal, *trees)
  equal(served["net"], jax.tree.map(lambda s, d: s + d[2], shared["net"], specific["net"]))
  own_row = lambda s, d: s.at[2].add(d[2])  # each domain has its own row of the domains' tables
  equal(served["tables"], jax.tree.map(own_row, shared["tables"], specific["tables"]))


def test_finished_experiment_is_not_run_again(finished, capsys):
  workdir, result = finished
  assert experiment.run(tiny(**{"sweep.seed": (0, 1)}), workdir) == result
  assert "nothing was run" in capsys.readouterr().err


def test_conflict_is_measured_every_few_epochs_if_asked(finished, tmp_path, capsys):
  """The metrics get it; nothing else changes."""
  _, result = finished
  config = tiny(**{"sweep.seed": (0, 1), "probe_every": 2})
  probed = experiment.run(config, tmp_path / "run")
  assert "probes took" in capsys.readouterr().err
  written = (tmp_path / "run" / files.METRICS).read_text().splitlines()
  lines = [json.loads(line) for line in written]
  assert [line["epoch"] for line in lines if "probe" in line] == [2, 2]
  for line in lines[1::3]:
    assert set(line["probe"]) >= {
      *("inner_product", "cosine", "conflict_share", "alignment", "seconds")
    }
    assert all(np.isfinite(value).all() for value in line["probe"].values())
  assert [r["test"] for r in probed["runs"]] == [r["test"] for r in result["runs"]]


def test_every_epoch_tells_test_auc_if_asked(finished, tmp_path):
  """At the best epoch it is the result's; nothing else changes."""
  _, result = finished
  config = tiny(**{"sweep.seed": (0, 1), "test_every_epoch": True})
  told = experiment.run(config, tmp_path / "run")
  assert [run["test"] for run in told["runs"]] == [run["test"] for run in result["runs"]]
  lines = metrics.whole_lines(tmp_path / "run")
  for number, run in enumerate(told["runs"]):
    (best,) = (line for line in lines if line["run"] == [number]
               and line["epoch"] == run["best_epoch"])  # fmt: skip
    np.testing.assert_allclose(best["test"]["mean_auc"], [run["test"]["mean_auc"]], rtol=1e-6)
    np.testing.assert_allclose(best["test"]["auc"], [list(run["test"]["auc"].values())], rtol=1e-6)


def test_every_epoch_tells_no_test_auc_of_very_many_domains(tmp_path):
  config = tiny(**{"data.sizes": (60,) * 51, "test_every_epoch": True})
  with pytest.raises(ValueError, match="test_every_epoch=True and 51 domains"):
    experiment.run(config, tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_a_worker_with_given_features_is_the_method(tmp_path):
  rounds = {"method.round_steps": 1, "stream": 8, "epochs": 2, "alpha": 0.05, "beta": 0.5}
  found = [
    experiment.run(tiny("domain_negotiation", workers=workers, **rounds), tmp_path / f"{workers}")
    for workers in (0, 1, 2)
  ]
  alone, one, two = (result["runs"][0] for result in found)
  for split in ("valid", "test"):
    assert one[split]["auc"] == pytest.approx(alone[split]["auc"], abs=1e-6)
    assert two[split]["auc"] != alone[split]["auc"] and two[split]["mean_auc"] > 0.3


def test_another_experiment_is_not_overwritten(finished):
  workdir, _ = finished
  with pytest.raises(ValueError, match="holds another experiment"):
    experiment.run(tiny(batch_size=8), workdir)


def test_failed_start_leaves_no_workdir(tmp_path):
  with pytest.raises(ValueError, match="k=3 helpers need more than 3 domains"):
    experiment.run(tiny(**{"method.k": 3}), tmp_path / "run")
  assert not (tmp_path / "run" / files.RESULT).exists()
  with pytest.raises(ValueError, match="unknown optimizer 'adamm'"):
    experiment.run(tiny(**{"inner.name": "adamm"}), tmp_path / "other")
  assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
  "method",
  [pytest.param("alternate+finetune", marks=pytest.mark.slow), "mamdr+finetune", "separate"],
)
def test_domains_that_stop_apart(method, tmp_path):
  """Fine-tuning leaves no domain's validation AUC lower; the state loads and serves."""
  result = experiment.run(tiny(method, **{"sweep.seed": (0, 1)}), tmp_path / "run")
  assert result["config"]["method"]["name"] == method
  if "+" in method:
    base = experiment.run(tiny(method.split("+")[0], **{"sweep.seed": (0, 1)}), tmp_path / "base")
    for tuned, run in zip(result["runs"], base["runs"], strict=True):
      before, after = (np.array([*r["valid"]["auc"].values()]) for r in (run, tuned))
      assert (after >= before - 1e-6).all()
      assert run["epochs"] <= tuned["best_epoch"] <= tuned["epochs"] <= 6
  assert all(isinstance(run["best_epoch"], float) for run in result["runs"])
  loaded, state = experiment.load(tmp_path / "run", run=1)
  test = pack(loaded.dataset, "test", 16)
  serve = loaded.serving(state, pack(loaded.dataset, "train", 16))
  auc = domain_auc(score(serve.predict, test), test)
  np.testing.assert_allclose(auc, list(result["runs"][1]["test"]["auc"].values()), rtol=1e-6)
  cells = report.cells_of({"run": report.read(tmp_path / "run")})
  report.method_curves(cells, {"run": tmp_path / "run"}, tmp_path / "curves.png")


def test_fine_tuning_takes_the_arguments_of_its_base_too():
  method = configure.make("synthetic", "mlp", "mamdr+finetune").method
  mamdr = configure.make("synthetic", "mlp", "mamdr").method
  assert set(method) == {*mamdr, "finetune_rate", "finetune_with"}
  with pytest.raises(ValueError, match=r"unknown method 'mamdrr' \(did you mean 'mamdr'\?\)"):
    configure.make("synthetic", "mlp", "mamdrr+finetune")
  with pytest.raises(ValueError, match=r"unknown method 'mamdr\+fine'.*\+finetune"):
    configure.make("synthetic", "mlp", "mamdr+fine")


@pytest.mark.parametrize(("inner", "outer"), [("sgd", "adagrad"), ("adam", "adam")])
def test_optimizers_are_chosen_independently(inner, outer, tmp_path):
  options = {"inner.name": inner, "outer.name": outer, "epochs": 1}
  result = experiment.run(tiny(**options), tmp_path / "run")
  assert np.isfinite(result["runs"][0]["valid"]["log_loss"])


def test_optimizer_options_reach_optax():
  config = tiny(**{"inner.options": (("momentum", 0.5),), "inner.name": "sgd"})
  state = configure.optimizer(config.inner)(0.1).init(np.zeros(2))
  assert state[0].trace.shape == (2,)
  with pytest.raises(ValueError, match=r"optax.sgd takes no option 'momentun'"):
    configure.optimizer(tiny(**{"inner.name": "sgd", "inner.options": (("momentun", 1),)}).inner)


def test_config_holds_only_what_the_constructors_take():
  assert "k" in configure.make("synthetic", "mlp", "mamdr").method
  assert "k" not in configure.make("synthetic", "mlp", "alternate").method
  with pytest.raises(AttributeError, match="alpha"):
    configure.make("synthetic", "mlp", "mamdr").alhpa = 1.0
  with pytest.raises(ValueError, match=r"unknown method 'mamdrr' \(did you mean 'mamdr'\?\)"):
    configure.make("synthetic", "mlp", "mamdrr")


def test_missing_argument_is_named():
  config = configure.make("amazon", "mlp", "mamdr")
  with pytest.raises(ValueError, match="data set 'amazon' needs 'root'"):
    assembly.assemble(config)


@pytest.mark.parametrize("changes", [{"method.name": "reptile"}, {"model.name": "mmoe"}])
def test_a_section_that_was_made_for_another_name_is_refused(changes):
  config = tiny()
  config.update_from_flattened_dict(changes)
  with pytest.raises(ValueError, match=r"made for another .*:DATA,MODEL,METHOD"):
    assembly.assemble(config)


def test_grid_is_the_product_of_what_is_swept():
  config = tiny(**{"sweep.seed": (0, 1), "sweep.alpha": (0.1, 0.01), "beta": 0.5})
  points = [(p["seed"], p["alpha"], p["beta"]) for p in search.points(config)]
  assert points == [(0, 0.1, 0.5), (0, 0.01, 0.5), (1, 0.1, 0.5), (1, 0.01, 0.5)]


def test_ceiling_is_the_auc_of_the_truth(finished):
  from sklearn.metrics import roc_auc_score

  _, result = finished
  dataset = configure.construct(data.DATASETS, "data set", tiny().data)
  rows = (dataset.split == 2) & (dataset.domain == 1)
  expected = roc_auc_score(dataset.label[rows], dataset.truth[rows])
  assert result["ceiling"]["auc"]["D2"] == pytest.approx(expected, abs=1e-6)
