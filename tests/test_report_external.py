"""Another system among the methods of two models, of results that are made by hand."""

import csv

import numpy as np
import pytest
from made_results import a_result, a_run, rows_of

from mamdr_jax import files, report
from mamdr_jax.report import comparison
from mamdr_jax.report.cells import by_model

NOWHERE = {"auc": dict.fromkeys("ABC"), "mean_auc": None, "weighted_auc": None, "log_loss": None}


@pytest.fixture
def with_another(study):
  """`conftest.study`, and a system with the same seeds that is best in domain A alone."""
  runs = []
  for seed, test in enumerate([(0.90, 0.50, 0.60), (0.92, 0.52, 0.60)]):
    run = a_run(test, seed=seed, alpha=0.0, beta=0.0, gamma=0.0, checked="nothing")
    runs.append(run | {"valid": NOWHERE, "epochs": None, "best_epoch": None})
  result = a_result(runs, model="external", method="gbdt") | {"rates": []}
  (study / "gbdt").mkdir()
  files.write_json(study / "gbdt" / files.RESULT, result)
  return study


def test_it_is_ranked_once_and_paired_with_every_model(with_another):
  results, _ = report.read_all(report.find([with_another]))
  cells = report.cells_of(results)
  assert [cell.row for cell in cells][-1] == "gbdt"
  _, *rows = rows_of(comparison.average_table(cells))
  assert rows[-1][:2] == ["gbdt", "0.6733 ± 0.0094"] and rows[-1][3] == "–"
  ranks = report.average_ranks(cells)
  auc = np.stack([cell.auc() for cell in cells])
  above, beside = (auc > auc[-1]).sum(0), (auc == auc[-1]).sum(0)
  assert ranks[-1] == pytest.approx(np.mean(above + (beside + 1) / 2))
  groups = by_model(cells)
  assert {model: [c.method for c in group][-1] for (_, model), group in groups.items()} == {
    "mlp": "gbdt",
    "wdl": "gbdt",
  }
  (pair,) = (cell for cell in groups["amazon 6", "wdl"] if cell.method == "mamdr")
  assert report.paired(pair, cells[-1]).difference == pytest.approx(0.6 - 0.67333, abs=1e-5)
  alone = by_model(cells[-1:])
  assert list(alone) == [("amazon 6", "external")]


def test_a_report_has_it_in_tables_and_ranks_and_says_what_it_is(with_another, tmp_path):
  written = report.write_report([with_another], tmp_path / "out", first="gbdt")
  text = written[0].read_text()
  assert (
    "- gbdt on amazon 6: whether its scores are of the test rows could not be looked at" in text
  )
  assert "gbdt − MAMDR" in text and "What has the model `external`" in text
  framework = text.split("## Learning frameworks")[1].split("##")[0]
  assert "gbdt" not in framework and "| gbdt " in text.split("## AUC per domain")[1]
  names = [path.name for path in written]
  assert not [name for name in names if "external" in name or "gbdt" in name]
  assert "methods_amazon_6_mlp.png" in names
  with (tmp_path / "out" / "runs.csv").open() as file:
    rows = [row for row in csv.DictReader(file) if row["method"] == "gbdt"]
  assert [row["seed"] for row in rows] == ["0", "1"]
  empty = ("alpha", "beta", "gamma", "epochs", "best_epoch", "passes", "valid_mean_auc")
  assert not any(row[key] for row in rows for key in empty)
