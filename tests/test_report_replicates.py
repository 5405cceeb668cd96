"""Experiments that differ in seeds only are replicates of one."""

import csv

import numpy as np
import pytest
from made_results import a_result, a_run, rows_of, save

from mamdr_jax import report
from mamdr_jax.report import curves, replicates, sweeps


def on_split(split, runs, method="mamdr", **data):
  data = {"name": "amazon", "domains": "6", "split_seed": split} | data
  return a_result(runs, method=method, data=data)


@pytest.fixture
def splits():
  """Two rates on three splits: the first is better on split 0 only, the second in the mean."""
  auc = {0: (0.9, 0.8), 1: (0.5, 0.7), 2: (0.4, 0.6)}
  return {
    f"mamdr/data.split_seed={split}": on_split(
      split, [a_run((v, v), alpha=alpha) for alpha, v in zip((0.1, 0.2), values, strict=True)]
    )
    for split, values in auc.items()
  }


def test_rates_are_chosen_over_all_splits_together(splits):
  (cell,) = report.cells_of(splits)
  assert [run["alpha"] for run in cell.runs] == [0.2] * 3
  assert [run["split_seed"] for run in cell.runs] == [0, 1, 2]
  assert (cell.data, cell.experiment, cell.candidates) == ("amazon 6", "mamdr", 1)
  np.testing.assert_allclose(cell.auc(), [0.7, 0.7])
  _, row = rows_of(report.method_table(splits))
  assert row[0] == "mamdr" and row[8] == "0.7000 ± 0.1000"
  assert row[5] == "3 replicates of split and negatives"
  said = "mamdr at alpha 0.2, beta 0.1, gamma 0.1; test AUC 0.7000 ± 0.1000"
  assert report.verdict(splits).endswith(said)


@pytest.mark.parametrize(
  ("runs", "said"),
  [
    ([{"seed": 0}], "1 seed"),
    ([{"seed": 0}, {"seed": 1}], "2 seeds"),
    ([{"seed": 0, "split_seed": s} for s in (0, 1)], "2 replicates of split"),
    (
      [{"seed": s, "split_seed": s, "negatives": True} for s in range(5)],
      "5 replicates of split, negatives and initialisation",
    ),
    ([{"seed": 0, "data_seed": s, "split_seed": 0} for s in (0, 1)], "2 replicates of data"),
  ],
)
def test_what_a_deviation_is_over_is_said(runs, said):
  assert replicates.over(runs) == said


@pytest.mark.parametrize(
  ("data", "drawn"),
  [
    ({"name": "amazon"}, True),
    ({"name": "table", "label": None, "negatives": "sampled"}, True),
    ({"name": "table", "label": "clicked", "negatives": "sampled"}, False),
    ({"name": "table", "label": None, "negatives": "rated"}, False),
    ({"name": "synthetic", "seed": 0}, False),
  ],
)
def test_negatives_are_drawn_where_rows_have_no_labels(data, drawn):
  assert replicates.draws_negatives(data) == drawn


def test_rates_of_one_split_do_not_beat_rates_of_all(splits):
  """Tuned on split 0, where AUC are higher, and run on the others at one setting."""
  tuned = on_split(0, [a_run((v, v), alpha=a) for a, v in ((0.1, 0.9), (0.3, 0.95))])
  final = {f"s{s}": on_split(s, [a_run((0.6, 0.6), alpha=0.1)]) for s in (1, 2)}
  (cell,) = report.cells_of({"tuned": tuned} | final)
  assert [run["alpha"] for run in cell.runs] == [0.1] * 3
  assert (cell.candidates, cell.experiment) == (2, "tuned and 2 more")


def test_a_method_on_fewer_splits_is_named(splits):
  dn = {"dn": on_split(0, [a_run((0.7, 0.6))], "domain_negotiation")}
  text = report.compose(splits | dn)
  assert "MLP+DN on amazon 6 ran on 1 of 3 draws of the data" in text
  assert "MLP+MAMDR on amazon 6 ran" not in text


def test_pooled_experiments_stay_pooled(splits):
  once = report.pool(splits)
  assert report.pool(once) == once and list(once) == ["mamdr"]
  other = report.pool({"a": splits["mamdr/data.split_seed=0"], "b/c": on_split(1, [a_run((1, 1))])})
  assert list(other) == ["a", "b/c"]  # other rates, so a line of its own


def test_what_would_be_called_alike_is_told_apart():
  results = {f"{s}/x": on_split(s % 2, [a_run((0.5, 0.5), alpha=1 + s // 2)]) for s in range(4)}
  assert list(report.pool(results)) == ["0/x and 1 more", "2/x and 1 more"]


def test_draws_of_synthetic_data_are_replicates_with_a_ceiling_each():
  results = {}
  for seed, top in ((0, 0.9), (1, 0.8)):
    data = {"name": "synthetic", "preset": "taobao10", "seed": seed, "split_seed": 0}
    results[f"seed={seed}"] = a_result([a_run((0.7, 0.6))], data=data)
    auc = dict.fromkeys("AB", top)
    results[f"seed={seed}"]["ceiling"] = {"auc": auc, "mean_auc": top}
  cells = report.cells_of(results)
  assert [cell.data for cell in cells] == ["synthetic taobao10"]
  (pooled,) = report.pool(results).values()
  assert [row[-1] for row in rows_of(report.domain_table(pooled))[1:3]] == ["0.8500"] * 2


def test_runs_have_their_seeds_in_the_table(splits, tmp_path):
  report.write_runs(splits, tmp_path / "runs.csv")
  with (tmp_path / "runs.csv").open(newline="") as file:
    rows = list(csv.DictReader(file))
  assert [row["split_seed"] for row in rows] == ["0", "0", "1", "1", "2", "2"]
  assert {row["data"] for row in rows} == {"amazon 6"} and rows[0]["data_seed"] == ""


def test_helpers_are_compared_over_all_splits():
  runs = lambda v: [a_run((v, v))]
  results = {}
  for split in (0, 1):
    for k in (1, 3):
      result = on_split(split, runs(0.5 + 0.1 * k + 0.1 * split))
      result["config"]["method"]["k"] = k
      results[f"{k}/{split}"] = result
  (found,) = sweeps.over_k(results)
  np.testing.assert_allclose(found.test, [[0.6, 0.7], [0.8, 0.9]])


def test_curves_follow_the_runs_of_all_splits(splits, tmp_path):
  found = {name: save(tmp_path / name, result) for name, result in splits.items()}
  (cell,) = report.cells_of({name: report.read(path) for name, path in found.items()})
  auc = curves.followed(cell, found, "mean_auc")
  np.testing.assert_allclose(auc, [[0.8, 0.7, 0.6]] * 2)
  written = report.write_report([tmp_path / "mamdr"], tmp_path / "out")
  assert [path.name for path in written[2:]] == ["auc_amazon_6_mlp_mamdr.png"]
