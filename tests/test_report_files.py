"""What a report reads, and the flat table of runs."""

import csv
import json

import pytest
from made_results import a_result, a_run

from mamdr_jax import files, report


def test_experiments_of_a_study_are_named_by_their_path(study, tmp_path):
  assert list(report.find([study])) == [
    *("mlp/alternate", "mlp/domain_negotiation", "mlp/domain_regularization", "mlp/mamdr"),
    *("wdl/alternate", "wdl/mamdr"),
  ]
  assert list(report.find([study / "mlp" / "mamdr"])) == ["mamdr"]
  clash = report.find([study / "mlp", study / "wdl" / "mamdr", study / "mlp" / "mamdr"])
  assert list(clash) == [
    *("mlp/alternate", "mlp/domain_negotiation", "mlp/domain_regularization", "mlp/mamdr"),
    "wdl/mamdr",
  ]


def test_what_is_not_finished_is_named(study):
  (study / "wdl" / "alternate" / files.RESULT).unlink()
  assert report.unfinished([study]) == [study / "wdl" / "alternate"]
  assert "wdl/alternate" not in report.find([study])


@pytest.mark.parametrize(
  ("file", "text", "said"),
  [
    (files.RESULT, "{", r"result.json, line 1: expected JSON"),
    (files.RESULT, "{}", r"result.json: expected the result of an experiment"),
    (files.RESULT, "[1]", r"result.json: expected the result of an experiment"),
    (
      files.METRICS,
      '{"epoch": 1, "run": [0], "valid": {}}\n{"ep',
      r"metrics.jsonl, line 2: expec",
    ),
    (files.METRICS, '{"epoch": 1, "run": [2], "valid": {}}', r"line 1: expected runs 0 to 1 of"),
    (files.METRICS, None, r"metrics.jsonl is missing"),
  ],
)
def test_broken_files_are_named(study, file, text, said):
  workdir = study / "mlp" / "mamdr"
  (workdir / file).unlink()
  if text is not None:
    (workdir / file).write_text(text)
  with pytest.raises(ValueError, match=said):
    report.read(workdir)


def test_folder_without_results_is_named(tmp_path):
  with pytest.raises(ValueError, match=rf"{tmp_path}: no result.json in it or below it; expected"):
    report.find([tmp_path])


def test_passes_are_a_mean_over_epochs_run_by_run(study):
  result = report.read(study / "mlp" / "mamdr")
  assert [run["passes"] for run in result["runs"]] == [50.0, 50.0]
  old = [files.opened(x) for x in (study / "mlp/mamdr" / files.METRICS).read_text().splitlines()]
  for line in old:
    line["passes"] = [float(10 * line["epoch"] + line["run"][0])]
  text = "".join(json.dumps(line) + "\n" for line in old)
  (study / "mlp/mamdr" / files.METRICS).write_text(text)
  result = report.read(study / "mlp" / "mamdr")
  assert [run["passes"] for run in result["runs"]] == [20.0, 16.0]  # (10+20+30)/3, (11+21)/2


def test_csv_has_a_line_a_run(tmp_path):
  runs = [a_run((0.7, 0.6), seed=s, diverged=s == 1, passes=9.0) for s in (0, 1)]
  other = {"name": "synthetic", "preset": "taobao10"}
  results = {
    "a": a_result(runs, method="mamdr", k=3, l2=0.1, inner={"name": "adam"}),
    "b": a_result([a_run((0.5, 0.6, 0.7), seconds=2.0)], data=other, inner={"name": "adam"}),
  }
  report.write_runs(results, tmp_path / "runs.csv")
  with (tmp_path / "runs.csv").open(newline="") as file:
    first, second, third = rows = list(csv.DictReader(file))
  assert list(first) == [
    *("experiment", "data", "model", "method", "k", "config.l2", "data_seed", "split_seed"),
    *("seed", "alpha", "beta", "gamma"),
    *("epochs", "best_epoch", "diverged", "passes", "seconds", "valid_mean_auc", "test_mean_auc"),
    *("test_weighted_auc", "test_log_loss", "test_auc/A", "test_auc/B", "test_auc/C"),
  ]
  assert [row["experiment"] for row in rows] == ["a", "a", "b"]
  assert [row["k"] for row in rows] == ["3", "3", ""]
  assert [row["diverged"] for row in rows] == ["false", "true", "false"]
  assert [row["seconds"] for row in rows] == ["7.0", "7.0", "2.0"]
  assert [row["config.l2"] for row in rows] == ["0.1", "0.1", "0.0"]
  assert (first["test_auc/C"], third["test_auc/C"], third["data"]) == (
    "",
    "0.7",
    "synthetic taobao10",
  )
  assert float(second["test_mean_auc"]) == pytest.approx(0.65)
  assert not list(tmp_path.glob("*.part"))
