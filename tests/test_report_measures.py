"""What stands beside AUC in a report: a table a data set, and columns of the flat table."""

import csv
import json

import numpy as np
import pytest
from made_results import a_result, a_run, read_all, rows_of, save

from mamdr_jax import distribution, files, report, results
from mamdr_jax.report.measures import measure_sections, measure_table


def a_measured(auc, seed=0, **values):
  """A run with these means of measures, the same in both domains; GAUC with counts of users."""
  run = a_run(auc, seed=seed)
  for split in ("valid", "test"):
    run[split] = dict(run[split])
    told = {name.replace("_at_", "@"): value for name, value in values.items()}
    run[split]["measures"] = {
      name: {"mean": value, "by_domain": dict.fromkeys("AB", value)}
      | ({"users": 1200, "left_out": 34} if name == "gauc" else {})
      for name, value in told.items()
    }
  return run


@pytest.fixture
def three_methods(tmp_path):
  """Three methods: one with two seeds, one that lacks a measure, one without any."""
  first = {"gauc": 0.6, "ndcg_at_10": 0.30, "pcoc": 1.25, "ece": 0.10}
  again = first | {"gauc": 0.7}
  runs = [a_measured((0.7, 0.6), 0, **first), a_measured((0.7, 0.6), 1, **again)]
  save(tmp_path / "alternate", a_result(runs))
  other = {"gauc": 0.66, "pcoc": 0.9, "ece": 0.05}
  save(tmp_path / "mamdr", a_result([a_measured((0.8, 0.7), **other)], method="mamdr"))
  save(tmp_path / "dn", a_result([a_run((0.5, 0.5))], method="domain_negotiation"))
  return tmp_path


def test_a_table_has_a_row_a_method_and_the_best_in_bold(three_methods):
  ((heading, body),) = measure_sections(report.cells_of(read_all(three_methods)))
  assert heading == "Measures beside AUC on amazon 6"
  assert rows_of(body.split("\n\n")[0]) == [
    ["method", "GAUC", "NDCG@10", "PCOC", "ECE"],
    ["MLP", "0.6500 ± 0.0707", "**0.3000 ± 0.0000**", "1.2500 ± 0.0000", "0.1000 ± 0.0000"],
    ["MLP+DN", "", "", "", ""],
    ["MLP+MAMDR", "**0.6600**", "", "**0.9000**", "**0.0500**"],
  ]
  assert "Users of all domains that count: GAUC 1,200 (34 left out)." in body
  assert "Krichene & Rendle" in body


def test_a_report_has_it_where_there_is_something(three_methods, tmp_path):
  text = report.write_report([three_methods], tmp_path / "out")[0].read_text()
  assert "## Measures beside AUC on amazon 6" in text
  none = read_all(three_methods / "dn")
  assert measure_sections(report.cells_of(none)) == []
  assert "beside AUC" not in report.compose(none)


def test_a_predicted_rate_is_the_better_the_nearer_it_is_to_the_observed_one(three_methods):
  for value, winner in ((1.3, "MLP"), (1.1, "MLP+MAMDR"), (0.75, "MLP"), (0.0, "MLP")):
    found = read_all(three_methods / "alternate", three_methods / "mamdr")
    found["mamdr"]["runs"][0]["test"]["measures"]["pcoc"]["mean"] = value
    _, *rows = rows_of(measure_table(report.cells_of(found)))
    assert [row[0] for row in rows if row[3].startswith("**")] == [winner]


def test_the_flat_table_has_their_means(three_methods):
  report.write_runs(read_all(three_methods), three_methods / "runs.csv")
  with (three_methods / "runs.csv").open(encoding="utf-8") as file:
    rows = {(row["method"], row["seed"]): row for row in csv.DictReader(file)}
  assert rows["alternate", "1"]["test_mean_gauc"] == "0.7"
  assert rows["mamdr", "0"]["test_mean_ndcg@10"] == ""
  assert list(rows["mamdr", "0"])[-2:] == ["test_auc/A", "test_auc/B"]


def test_what_is_no_measure_is_told(three_methods):
  path = three_methods / "mamdr" / files.RESULT
  whole = json.loads(path.read_text())
  for broken in ({"gauc": 0.5}, {"gauc": {"mean": "high", "by_domain": {}}}, [1]):
    whole["runs"][0]["test"]["measures"] = broken
    path.write_text(json.dumps(whole))
    with pytest.raises(ValueError, match=r"result.json: expected the result of an experiment"):
      report.read(path.parent)


def test_of_very_many_domains_they_are_arrays_on_disk(tmp_path, monkeypatch):
  monkeypatch.setattr(distribution, "MOST_LISTED", 1)
  result = a_result([a_measured((0.7, 0.6), gauc=0.6)])
  result["runs"][0]["test"]["measures"]["gauc"]["by_domain"]["B"] = None
  results.write(tmp_path / files.RESULT, result)
  light = json.loads((tmp_path / files.RESULT).read_text())
  assert light["runs"][0]["test"]["measures"]["gauc"]["by_domain"]["median"] == 0.6
  arrays = files.read_arrays(tmp_path / files.DOMAINS)
  np.testing.assert_array_equal(arrays["runs/0/test/measures/gauc/by_domain"], [0.6, np.nan])
  assert results.read(tmp_path / files.RESULT) == result
