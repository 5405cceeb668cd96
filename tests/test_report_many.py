"""Tables, pictures and runs.csv of very many domains, and the statistics of such data."""

import csv

import numpy as np
import pytest
from made_results import a_result, a_run, read_all, rows_of, save

from mamdr_jax import data, distribution, report
from mamdr_jax.report import comparison
from mamdr_jax.report.curves import history
from mamdr_jax.report.files import read_metrics

AUC = (0.5, 0.9, 0.6, 0.8, 0.7)
QUANTILES = ["lowest", "10 %", "25 %", "median", "75 %", "90 %", "highest"]
EXPECTED = [0.5, 0.54, 0.6, 0.7, 0.8, 0.86, 0.9]  # of AUC, by hand


@pytest.fixture(autouse=True)
def five_are_many(monkeypatch):
  monkeypatch.setattr(distribution, "MOST_LISTED", 4)
  monkeypatch.setattr(distribution, "NUM_EXTREMES", 2)


@pytest.fixture
def runs_of_two(tmp_path):
  """Two methods on domains A to E, of which the second is better by 0.02 in all of them."""
  rows = dict(zip("ABCDE", (30, 20, 50, 10, 40), strict=True))
  for method, gain in (("alternate", 0.0), ("mamdr", 0.02)):
    runs = [a_run([auc + gain for auc in AUC], seed=seed) for seed in (0, 1)]
    save(tmp_path / method, a_result(runs, method=method) | {"rows": rows})
  return tmp_path


def test_a_result_is_told_by_quantiles_and_extremes(runs_of_two):
  _, *rows = rows_of(report.domain_table(report.read(runs_of_two / "alternate")))
  assert [row[0] for row in rows[:7]] == QUANTILES
  assert [row[2] for row in rows[:7]] == [f"{value:.4f}" for value in EXPECTED]
  assert [row[0] for row in rows[7:]] == [
    *("largest: C", "largest: E", "best: B", "best: D", "worst: A"),
    *("worst: C", "mean over domains", "weighted by size"),
  ]
  assert [row[2] for row in rows[7:13]] == [f"{AUC['ABCDE'.index(d)]:.4f}" for d in "CEBDAC"]


def test_methods_are_compared_by_quantiles_and_extremes(runs_of_two):
  cells = report.cells_of(read_all(runs_of_two))
  _, *rows = rows_of(comparison.domain_comparison(cells))
  assert [row[1] for row in rows[:7]] == [f"{value:.4f}" for value in EXPECTED]
  assert [row[2] for row in rows[:7]] == [f"**{value + 0.02:.4f}**" for value in EXPECTED]
  assert rows[7] == ["largest: C", "0.6000 ± 0.0000", "**0.6200 ± 0.0000**"]
  assert [row[0] for row in rows[13:]] == ["mean over domains", "passes"]


def test_runs_csv_has_quantiles_and_no_column_a_domain(runs_of_two, tmp_path):
  report.write_runs(read_all(runs_of_two), tmp_path / "runs.csv")
  with (tmp_path / "runs.csv").open(encoding="utf-8") as file:
    first, *_ = csv.DictReader(file)
  told = {name: float(value) for name, value in first.items() if name.startswith("test_auc")}
  assert list(told) == [f"test_auc {name}" for name in QUANTILES]
  np.testing.assert_allclose(list(told.values()), EXPECTED)


def test_a_report_of_many_names_few(runs_of_two, tmp_path):
  written = report.write_report([runs_of_two], tmp_path / "out")
  size = lambda path: path.read_bytes()[16:24]  # width and height, as PNG has them
  pictures = [path for path in written if path.name.startswith("auc_")]
  assert len(pictures) == 2 and {size(path) for path in pictures} == {
    b"".join(int(150 * inches).to_bytes(4, "big") for inches in (9, 4.8))
  }


def test_epochs_written_one_by_one_or_as_quantiles_are_one_history(runs_of_two):
  listed = read_metrics(runs_of_two / "alternate")
  of = lambda line: dict(
    zip(QUANTILES, distribution.quantiles(line["valid"]["auc"]).T, strict=True)
  )
  condensed = [line | {"valid": {"auc": of(line)}} for line in listed]
  for lines in (listed, condensed):
    found = history(lines, [0, 1], "auc")
    assert found.shape == (3, 2, 7)
    np.testing.assert_allclose(found[2, 1], EXPECTED)


def test_quantiles_and_extremes_leave_out_what_has_no_number():
  values = np.array([0.3, np.nan, 0.1, 0.2])
  assert distribution.domain_rows(list("abcdef"), value=np.append(values, [np.nan, 0.2])) == [
    *(("best: a", 0), ("best: f", 5), ("worst: c", 2), ("worst: d", 3)),
  ]
  found = distribution.quantiles([values, np.full(4, np.nan)])
  np.testing.assert_allclose(
    found[0], np.quantile([0.1, 0.2, 0.3], (0, 0.1, 0.25, 0.5, 0.75, 0.9, 1))
  )
  assert np.isnan(found[1]).all()


def test_statistics_of_many_domains_are_a_distribution():
  sizes = (40, 100, 60, 80, 120)
  dataset = data.synthetic.load(sizes=sizes, ctr=(0.25,) * 5, features="ids")
  overall, by_domain, notes = data.statistics(dataset, 64).split("\n\n")
  assert rows_of(overall)[-1][0] == "5" and rows_of(overall)[-1][3:6] == ["236", "80", "84"]
  _, _, *rows = rows_of(by_domain)
  assert [row[0] for row in rows] == [*QUANTILES, "largest: D5", "largest: D2"]
  assert [row[1] for row in rows] == ["40", "48", "60", "80", "100", "112", "120", "120", "100"]
  assert {row[3] for row in rows} == {"0.25"}
  # 23, 60, 35, 47 and 71 rows in 1, 1, 1, 1 and 2 minibatches of 64
  assert notes.endswith("- batch_size=64: 61% of the slots of minibatches hold a row\n")


def test_a_domain_without_an_auc_does_not_count_in_comparisons(monkeypatch):
  """Domain B has none; of C the first method has one on one of two splits only."""
  results = {}
  for method, gain in (("alternate", 0.0), ("mamdr", 0.1)):
    for split, third in ((0, 0.8), (1, None)):
      run = a_run((0.6 + gain, None, third), seed=split)
      run["test"]["mean_auc"] = run["valid"]["mean_auc"] = 0.7 + gain
      section = {"name": "amazon", "domains": "6", "split_seed": split}
      results[f"{method}/{split}"] = a_result([run], method=method, data=section)
  cells = report.cells_of(results)
  np.testing.assert_allclose(cells[0].auc(), [0.6, np.nan, 0.8])
  assert report.average_ranks(cells).tolist() == [1.75, 1.25]  # 2 and 1 in A, a tie in C
  test = report.paired(*cells)
  assert (test.replicates, test.domains, test.domains_won) == (2, 1, 0)
  auc = np.random.default_rng(0).random((3, 2, 6)) + np.arange(3)[:, None, None]
  lacking = np.insert(auc, 2, np.nan, axis=2)
  assert report.friedman(lacking) == report.friedman(auc) < 0.05
  assert report.friedman(np.full((2, 2, 2), np.nan)) == 1.0
  monkeypatch.setattr(distribution, "MOST_LISTED", 50)
  _, *rows = rows_of(comparison.domain_comparison(cells))
  assert rows[1] == ["B", "–", "–"]
  assert rows[2] == ["C", "**0.8000**", "**0.8000**"]


def test_the_name_of_a_data_set_is_short_however_many_domains_differ():
  sizes = [list(range(100, 100 + n)) for n in (400, 500)]
  results = {
    str(n): a_result([a_run(AUC)], data={"name": "synthetic", "sizes": of, "seed": 0})
    for n, of in enumerate(sizes)
  }
  named = report.names.data_names(results).values()
  assert len(set(named)) == 2 and max(map(len, named)) < 90
