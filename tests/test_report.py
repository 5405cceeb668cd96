"""Results on disk -> tables and figures, on tiny results made by hand."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import wilcoxon

from mamdr_jax import record, report
from mamdr_jax.report import __main__, comparison, curves, names, paper, significance, tables

ROOT = Path(__file__).parents[1]
PASSES = {
  "alternate": 10.0,
  "domain_negotiation": 10.0,
  "domain_regularization": 40.0,
  "mamdr": 50.0,
}


def a_run(test, valid=None, seed=0, alpha=0.01, beta=0.1, gamma=0.1, **more):
  """A run with AUC `test` and `valid` on the domains A, B, ...; `valid` is `test` unless given."""
  figures = lambda auc: {
    "auc": dict(zip("ABCDEFGH", auc, strict=False)),
    "mean_auc": None if None in auc else sum(auc) / len(auc),
    "weighted_auc": auc[0],
    "log_loss": 0.5,
  }
  rates = {"seed": seed, "alpha": alpha, "beta": beta, "gamma": gamma}
  measured = {"valid": figures(test if valid is None else valid), "test": figures(test)}
  return rates | {"epochs": 3, "best_epoch": 2} | measured | more


def a_result(runs, model="mlp", method="alternate", data=None, **config):
  method = {"name": method} | ({"k": config.pop("k")} if "k" in config else {})
  data = data or {"name": "amazon", "domains": "6", "root": "/here"}
  base = {"l2": 0.0, "seed": 0, "alpha": 0.01, "sweep": {"seed": []}, "lanes": 0}
  config = base | {"data": data, "model": {"name": model}, "method": method} | config
  return {"config": config, "runs": runs, "ceiling": None, "seconds": 7.0}


def save(workdir, result):
  """A workdir as an experiment leaves it: three epochs, the last of run 0 only, a line a run."""
  workdir.mkdir(parents=True)
  record.write_json(workdir / record.RESULT, result)
  record.write_json(workdir / record.CONFIG, result["config"])
  runs, passes = result["runs"], PASSES[result["config"]["method"]["name"].partition("+")[0]]
  for epoch in (1, 2, 3):
    for r, run in enumerate(runs[:1] if epoch == 3 else runs):
      auc = list(run["valid"]["auc"].values())
      valid = {"auc": [auc], "mean_auc": [run["valid"]["mean_auc"]]}
      line = {"epoch": epoch, "run": [r], "loss": [0.1], "passes": [passes], "valid": valid}
      record.append_json(workdir / record.METRICS, line)
  return workdir


def rows_of(table):
  """Cells of a Markdown table: header, then rows, the rule between them left out."""
  lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
  return [line for line in lines if set("".join(line)) != {"-"}]


def test_the_best_of_several_results_is_named_by_validation_auc():
  low = a_result([a_run((0.9, 0.9, 0.9), valid=(0.5, 0.5, 0.5))], "mlp", "mamdr")
  runs = [a_run((0.7, 0.7, 0.7), seed=seed, alpha=0.3) for seed in (0, 1)]
  high = a_result([*runs, a_run((0.6, 0.6, 0.6), alpha=0.1)], "mlp", "mamdr")
  said = report.chosen({"low": low, "high": high})
  assert said.startswith("Best by validation AUC (0.7000 ± 0.0000): high at alpha 0.3, beta")
  assert said.endswith("test AUC 0.7000 ± 0.0000")
  elsewhere = a_result(runs, data={"name": "amazon", "domains": "13", "root": "/here"})
  assert report.chosen({"high": high, "elsewhere": elsewhere}) == ""


@pytest.fixture
def study(tmp_path):
  """Models MLP and WDL, four and two methods, two seeds, three domains."""
  scores = {
    ("mlp", "alternate"): [(0.70, 0.60, 0.80), (0.72, 0.62, 0.80)],
    ("mlp", "domain_negotiation"): [(0.71, 0.60, 0.70), (0.73, 0.62, 0.70)],
    ("mlp", "domain_regularization"): [(0.60, 0.50, 0.75), (0.60, 0.50, 0.75)],
    ("mlp", "mamdr"): [(0.75, 0.66, 0.78), (0.77, 0.68, 0.78)],
    ("wdl", "alternate"): [(0.80, 0.60, 0.60), (0.80, 0.60, 0.60)],
    ("wdl", "mamdr"): [(0.60, 0.60, 0.60), (0.60, 0.60, 0.60)],
  }
  for (model, method), test in scores.items():
    runs = [a_run(auc, seed=seed) for seed, auc in enumerate(test)]
    save(tmp_path / "study" / model / method, a_result(runs, model, method))
  record.write_json(tmp_path / "study" / record.CONFIG, {"study": "its own config"})
  return tmp_path / "study"


def read_all(*workdirs):
  return {name: report.read(path) for name, path in report.find(workdirs).items()}


# Files


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
  (study / "wdl" / "alternate" / record.RESULT).unlink()
  assert report.unfinished([study]) == [study / "wdl" / "alternate"]
  assert "wdl/alternate" not in report.find([study])


@pytest.mark.parametrize(
  ("file", "text", "said"),
  [
    (record.RESULT, "{", r"result.json, line 1: expected JSON"),
    (record.RESULT, "{}", r"result.json: expected the result of an experiment"),
    (record.RESULT, "[1]", r"result.json: expected the result of an experiment"),
    (
      record.METRICS,
      '{"epoch": 1, "run": [0], "valid": {}}\n{"ep',
      r"metrics.jsonl, line 2: expec",
    ),
    (record.METRICS, '{"epoch": 1, "run": [2], "valid": {}}', r"line 1: expected runs 0 to 1 of"),
    (record.METRICS, None, r"metrics.jsonl is missing"),
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
  old = [json.loads(x) for x in (study / "mlp/mamdr" / record.METRICS).read_text().splitlines()]
  for line in old:
    line["passes"] = [float(10 * line["epoch"] + line["run"][0])]
  text = "".join(json.dumps(line) + "\n" for line in old)
  (study / "mlp/mamdr" / record.METRICS).write_text(text)
  result = report.read(study / "mlp" / "mamdr")
  assert [run["passes"] for run in result["runs"]] == [20.0, 16.0]  # (10+20+30)/3, (11+21)/2


# Choosing


def test_rates_are_chosen_by_validation_not_by_test():
  low, high = (0.6, 0.6), (0.9, 0.9)
  runs = [a_run(high, valid=low, alpha=0.1), a_run(low, valid=high, alpha=0.01)]
  assert report.best_setting(a_result(runs))[0]["alpha"] == 0.01


def test_mean_over_seeds_decides_between_rates():
  runs = [a_run((v, v), seed=s, alpha=a) for a, s, v in [(1, 0, 0.9), (1, 1, 0.5), (2, 0, 0.75)]]
  assert [setting[0]["alpha"] for setting in report.by_setting(a_result(runs))] == [2, 1]


def test_diverged_is_chosen_only_where_nothing_else_is_left():
  lost = a_run((0.9, 0.9), alpha=0.1, diverged=True)
  assert report.best_setting(a_result([lost, a_run((0.6, 0.6), alpha=0.01)]))[0]["alpha"] == 0.01
  without = a_run((None, 0.9), alpha=0.2, diverged=True)
  assert report.best_setting(a_result([without, lost]))[0]["alpha"] == 0.1
  results = {"lost": a_result([lost]), "kept": a_result([a_run((0.6, 0.6))], l2=0.1)}
  (cell,) = report.choose(results)
  assert (cell.experiment, cell.candidates) == ("kept", 2)
  assert "0.9000 †" in report.method_table({"lost": a_result([lost])})
  assert "– †" in report.method_table({"lost": a_result([without])})
  assert "†" not in report.method_table({"kept": results["kept"]})
  assert "†" in report.setting_table(a_result([lost]))


def test_best_experiment_by_validation_stands_in_a_cell():
  good, bad = (0.9, 0.9), (0.6, 0.6)
  results = {
    "k3": a_result([a_run(bad, valid=good)], method="mamdr", k=3),
    "k5": a_result([a_run(good, valid=bad)], method="mamdr", k=5),
  }
  (cell,) = report.choose(results)
  assert cell.experiment == "k3"


def test_dn_with_rounds_of_one_minibatch_is_a_row_of_its_own():
  fish, dn = (a_result([a_run([x])], method="domain_negotiation") for x in (0.6, 0.7))
  fish["config"]["method"]["round_steps"] = 1
  dn["config"]["method"]["round_steps"] = None
  cells = report.choose({"a": fish, "b": dn})
  assert [(cell.row, cell.experiment) for cell in cells] == [("MLP+Fish", "a"), ("MLP+DN", "b")]


def test_data_are_the_same_wherever_they_lie():
  here, there = ({"name": "amazon", "domains": "6", "root": r, "cache": r} for r in "ab")
  other = here | {"split_seed": 1}
  table = {"name": "table", "path": "/a/clicks.csv"}
  runs = [a_run((0.5, 0.6))]
  sections = [
    here,
    there,
    here | {"split_seed": 0},
    other,
    table,
    table | {"path": "/b/clicks.csv"},
  ]
  results = {str(i): a_result(runs, data=data) for i, data in enumerate(sections)}
  results["more"] = a_result([a_run((0.5, 0.6, 0.7))], data=table)
  assert names.data_names({k: results[k] for k in "01"}) == dict.fromkeys("01", "amazon 6")
  assert list(names.data_names({k: results[k] for k in "123"}).values()) == [
    *("amazon 6", "amazon 6, split_seed 0", "amazon 6, split_seed 1")
  ]
  assert set(names.data_names({k: results[k] for k in "45"}).values()) == {"table clicks"}
  assert list(names.data_names({k: results[k] for k in ("4", "more")}).values()) == [
    *("table clicks (1)", "table clicks (2)")
  ]


# Tables


def test_ranks_by_hand(study):
  """A: wdl .8, mamdr .76, dn .72, mlp .71, then dr and wdl+mamdr tie at .6; B, C likewise."""
  cells = report.choose(read_all(study))
  expected = {
    "MLP": (4 + 2.5 + 1) / 3,
    "MLP+DN": (3 + 2.5 + 4) / 3,
    "MLP+DR": (5.5 + 6 + 3) / 3,
    "MLP+MAMDR": (2 + 1 + 2) / 3,
    "WDL": (1 + 4.5 + 5.5) / 3,
    "WDL+MAMDR": (5.5 + 4.5 + 5.5) / 3,
  }
  ranks = dict(zip((c.row for c in cells), report.average_ranks(cells), strict=True))
  assert ranks == pytest.approx(expected)


def test_what_has_no_auc_ranks_last():
  runs = {"a": (0.5, 0.5), "b": (None, 0.6)}
  results = {n: a_result([a_run(auc)], model=n) for n, auc in runs.items()}
  np.testing.assert_array_equal(report.average_ranks(report.choose(results)), [1.5, 1.5])


def test_average_table(study):
  header, *rows = rows_of(comparison.average_table(report.choose(read_all(study))))
  assert header == ["method", "amazon 6: AUC", "RANK", "passes"]
  # (.70+.60+.80)/3 = .7000 and (.72+.62+.80)/3 = .7133: mean .7067, deviation .0133/√2
  assert rows[0] == ["MLP", "0.7067 ± 0.0094", "2.5", "10"]
  assert rows[3] == ["MLP+MAMDR", "**0.7367 ± 0.0094**", "**1.7**", "50"]
  assert [row[0] for row in rows] == ["MLP", "MLP+DN", "MLP+DR", "MLP+MAMDR", "WDL", "WDL+MAMDR"]
  assert sum("**" in cell for row in rows for cell in row) == 2


def test_data_sets_are_columns_and_gaps_are_empty():
  other = {"name": "synthetic", "preset": "taobao10"}
  results = {
    "a": a_result([a_run((0.5, 0.6))]),
    "b": a_result([a_run((0.7, 0.8, 0.9))], method="mamdr", data=other),
  }
  header, first, second = rows_of(comparison.average_table(report.choose(results)))
  assert header[1::3] == ["amazon 6: AUC", "synthetic taobao10: AUC"]
  assert first == ["MLP", "**0.5500**", "**1.0**", "–", "", "", ""]
  assert second == ["MLP+MAMDR", "", "", "", "**0.8000**", "**1.0**", "–"]


def test_paper_value_stands_beside(study):
  cells = report.choose(read_all(study))
  rows = rows_of(comparison.average_table(cells, with_paper=True))
  assert rows[1] == ["MLP", "0.7067 ± 0.0094 (0.7464)", "2.5 (9.0)", "10"]
  assert rows[4][1:3] == ["**0.7367 ± 0.0094** (0.7957)", "**1.7** (2.5)"]
  assert rows[6][1:3] == ["0.6000 ± 0.0000", "5.2"]  # WDL+MAMDR is not in Table V
  rows = rows_of(comparison.ablation_table(cells, "mlp", with_paper=True))
  assert [row[0] for row in rows[1:]] == ["MLP+MAMDR (DN+DR)", "w/o DN", "w/o DR", "w/o DN+DR"]
  assert rows[2][1:3] == ["0.6167 ± 0.0000 (0.7822)", "4.8 (5.2)"]
  rows = rows_of(comparison.framework_table(cells, with_paper=True))
  assert rows[2][-1] == "0.6000 ± 0.0000 (0.7376)"


def test_framework_table(study):
  header, mlp, wdl, passes = rows_of(comparison.framework_table(report.choose(read_all(study))))
  assert header == ["model", "Alternate", "DN", "DR", "MAMDR"]
  assert mlp[4] == "**0.7367 ± 0.0094**" and not any("**" in cell for cell in mlp[:4])
  assert wdl == ["WDL", "**0.6667 ± 0.0000**", "", "", "0.6000 ± 0.0000"]
  assert passes == ["passes, of alternate's", "1.00 ×", "1.00 ×", "4.00 ×", "5.00 ×"]


def test_domain_comparison(study):
  cells = [cell for cell in report.choose(read_all(study)) if cell.model == "mlp"]
  header, *rows = rows_of(comparison.domain_comparison(cells))
  assert header == ["domain", "Alternate", "DN", "DR", "MAMDR"]
  assert rows[0][1] == "0.7100 ± 0.0141" and rows[0][4] == "**0.7600 ± 0.0141**"
  assert rows[2][1] == "**0.8000 ± 0.0000**"  # of domain C
  assert rows[-2][0] == "mean" and rows[-2][4] == "**0.7367 ± 0.0094**"
  assert rows[-1] == ["passes", "10", "10", "40", "50"]


def test_improvement_is_counted_over_models(study):
  results = read_all(study) | {
    "a": a_result([a_run((0.5, 0.5, 0.5))], model="star"),
    "b": a_result([a_run((0.6, 0.6, 0.6))], model="star", method="mamdr"),
    "c": a_result([a_run((0.6, 0.6, 0.6))], model="ple", method="mamdr"),
  }
  (said,) = comparison.improvements(report.choose(results))
  assert "in 2 of 3 models (MLP +0.0300, WDL -0.0667, Star +0.1000)" in said


def test_all_that_share_the_best_are_bold():
  assert tables.bold(["a", "b", "c", "d"], [0.5, np.nan, 0.7, 0.7]) == ["a", "b", "**c**", "**d**"]
  assert tables.bold(["a"], [np.nan]) == ["a"]


def test_paper_tables_agree_where_they_overlap():
  for method in ("mamdr", "alternate"):
    assert paper.TABLE_V["mlp", method] == paper.TABLE_VI[method]
  for method, row in paper.TABLE_VI.items():
    x = paper.TABLE_X["mlp"][paper.TABLE_X_METHODS.index(method)]
    assert x == row[paper.DATA.index("Taobao-10")][0]
  assert all(len(row) == len(paper.DATA) for row in (paper.TABLE_V | paper.TABLE_VI).values())
  assert all(len(row) == len(paper.TABLE_X_METHODS) for row in paper.TABLE_X.values())
  # The rows of Table V and the two more of Table VI share the ranks 1 to 12 of every domain.
  for d in range(len(paper.DATA)):
    ranks = [row[d][1] for row in paper.TABLE_V.values()]
    ranks += [paper.TABLE_VI[m][d][1] for m in ("domain_negotiation", "domain_regularization")]
    assert sum(ranks) == pytest.approx(sum(range(1, 13)), abs=0.15)


@pytest.mark.parametrize(
  ("section", "expected"),
  [
    ({"name": "amazon", "domains": "paper13"}, "Amazon-13"),
    ({"name": "amazon", "domains": "small"}, None),
    ({"name": "taobao", "num_domains": 30}, "Taobao-30"),
    ({"name": "synthetic", "preset": "taobao20"}, "Taobao-20"),
    ({"name": "synthetic", "preset": None, "sizes": [5]}, None),
    ({"name": "table", "path": "6"}, None),
  ],
)
def test_place_of_data_in_the_paper(section, expected):
  assert paper.data_of(section) == expected


# Significance


def test_pairs_are_of_one_seed_and_one_domain():
  """Seeds 1 and 2 in common, in another order; a domain of one seed has no AUC."""
  mine = [a_run((0.70, 0.60), seed=0), a_run((0.71, 0.64), seed=1), a_run((0.9, 0.9), seed=2)]
  yours = [a_run((0.8, None), seed=2), a_run((0.70, 0.60), seed=1), a_run((0.1, 0.1), seed=3)]
  cells = report.choose({"a": a_result(mine, method="mamdr"), "b": a_result(yours)})
  test = report.paired(cells[1], cells[0])
  assert test[:4] == (2, 2, 3, 3)
  assert test.median == pytest.approx(0.04)
  assert test.pvalue == pytest.approx(wilcoxon([0.71 - 0.70, 0.64 - 0.60, 0.9 - 0.8]).pvalue)


def test_nothing_differs_and_nothing_is_paired():
  one = report.choose({"a": a_result([a_run((0.7, 0.6))])})[0]
  two = report.choose({"b": a_result([a_run((0.7, 0.6), seed=1)], method="mamdr")})[0]
  assert report.paired(one, one).pvalue == 1.0
  assert report.paired(one, two).pairs == 0
  assert rows_of(significance.paired_table([one, two]))[1][-4:] == ["no seed in common", *"–––"]


def test_rival_is_the_best_other_by_validation(study):
  """DN is second on validation, and alternate on test."""
  for seed, auc in ((0, (0.74, 0.64, 0.79)), (1, (0.74, 0.64, 0.79))):
    path = study / "mlp" / "domain_negotiation" / record.RESULT
    result = json.loads(path.read_text())
    result["runs"][seed]["valid"] = a_run(auc)["valid"]
    record.write_json(path, result)
  cells = report.choose(read_all(study))
  _, mlp, wdl = rows_of(significance.paired_table(cells))
  assert mlp[:4] == ["amazon 6", "MLP", "MAMDR", "DN"]
  assert mlp[4] == "2 seeds × 3 domains = 6"
  difference = [0.04, 0.06, 0.08, 0.04, 0.06, 0.08]
  assert mlp[5:7] == ["+0.0600", "6 of 6"]
  assert float(mlp[7]) == pytest.approx(wilcoxon(difference).pvalue, rel=0.05)
  assert wdl[:4] == ["amazon 6", "WDL", "MAMDR", "Alternate"]


def test_critical_distance_is_that_of_the_textbook():
  """Demšar 2006, Table 5(a): q at 0.05 is 1.960, 2.343, 2.569, ..., 3.164 for 2, 3, 4, 10."""
  for k, q in ((2, 1.960), (3, 2.343), (4, 2.569), (10, 3.164)):
    assert report.critical_distance(k, 14) == pytest.approx(q * np.sqrt(k * (k + 1) / 84), rel=1e-3)


def test_cliques_are_the_longest_stretches_within_the_distance():
  ranks = np.array([3.0, 1.0, 2.2, 6.0, 3.4])
  assert significance.cliques(ranks, 2.1) == [(1.0, 3.0), (2.2, 3.4)]
  assert significance.cliques(ranks, 2.0) == [(1.0, 2.2), (2.2, 3.4)]
  assert significance.cliques(ranks, 9.0) == [(1.0, 6.0)]
  assert significance.cliques(ranks, 0.1) == []


# Sweeps and curves


def test_auc_over_k_takes_the_best_rates_of_each_k():
  runs = {k: [a_run((v, v), valid=(v, v)), a_run((0.99, 0.99), valid=(0.1, 0.1), alpha=0.5)]
          for k, v in ((5, 0.7), (1, 0.6), (3, 0.8))}  # fmt: skip
  results = {f"k{k}": a_result(r, method="mamdr", k=k) for k, r in runs.items()}
  better = [a_run((0.75, 0.75), valid=(0.9, 0.9), alpha=0.3)]
  results["more rates"] = a_result(better, method="mamdr", k=3, sweep={"alpha": [0.3]})
  results["other l2"] = a_result([a_run((0.95, 0.95))], method="mamdr", k=7, l2=0.1)
  results["alternate"] = a_result([a_run((0.95, 0.95))])
  (found,) = report.over_k(results)
  assert (found.k, found.best, found.label) == ([1, 3, 5], 1, "MLP+MAMDR")
  np.testing.assert_allclose(np.ravel(found.test), [0.6, 0.75, 0.7])


def test_grid_of_rates():
  """γ is chosen by validation, a pair that was not run is NaN, and experiments are pooled."""
  runs = [
    a_run((0.6, 0.6), alpha=0.1, beta=0.5), a_run((0.8, 0.8), alpha=0.1, beta=0.5, seed=1),
    a_run((0.9, 0.9), valid=(0.7, 0.7), alpha=0.01, beta=0.5, gamma=0.2),
    a_run((0.5, 0.5), valid=(0.8, 0.8), alpha=0.01, beta=0.5, gamma=0.3),
  ]  # fmt: skip
  more = [a_run((None, 0.9), alpha=0.1, beta=1.0, diverged=True)]
  results = {
    "a": a_result(runs),
    "b": a_result(more, beta=1.0, lanes=2),
    "c": a_result(more, l2=0.5),
  }
  (grid,) = report.over_rates(results)
  assert (grid.alpha, grid.beta, grid.best) == ([0.01, 0.1], [0.5, 1.0], (0, 0))
  np.testing.assert_allclose(grid.mean, [[0.5, np.nan], [0.7, np.nan]])
  np.testing.assert_allclose(grid.deviation, [[0, np.nan], [0.2 / np.sqrt(2), np.nan]])
  np.testing.assert_array_equal(grid.num_runs, [[1, 0], [2, 1]])
  np.testing.assert_array_equal(grid.diverged, [[False, False], [False, True]])


def test_labels_tell_groups_apart():
  def grid(v):
    return [a_run((v, v), alpha=a, beta=b) for a in (0.1, 0.2) for b in (0.3, 0.4)]

  results = {"a": a_result(grid(0.5)), "b": a_result(grid(0.6), l2=0.5)}
  assert [grid.label for grid in report.over_rates(results)] == ["MLP, l2 0.0", "MLP, l2 0.5"]


def test_history_follows_each_run():
  """Runs in lines of their own, one of which stops, rests and goes on."""
  line = lambda epoch, run, *auc: {"epoch": epoch, "run": run, "valid": {"mean_auc": auc}}
  lines = [line(1, [0], 0.1), line(1, [2, 1], 0.3, 0.2), line(2, [2], 0.6), line(3, [2], None)]
  lines += [line(4, [0], 0.5), line(4, [1], 0.7)]
  nan = np.nan
  expected = [[0.1, 0.2, 0.3], [0.1, 0.2, 0.6], [0.1, 0.2, nan], [0.5, 0.7, nan]]
  np.testing.assert_array_equal(curves.history(lines, 3, "mean_auc"), expected)


# The whole


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
    *("experiment", "data", "model", "method", "k", "config.l2", "seed", "alpha", "beta", "gamma"),
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


def test_report_of_a_study(study, tmp_path):
  sweep = [a_run((0.5, 0.6, 0.7), alpha=a, beta=b, seed=s)
           for a in (0.1, 0.2) for b in (0.3, 0.4) for s in (0, 1)]  # fmt: skip
  sweep[0] = a_run((None, 0.6, 0.7), alpha=0.1, beta=0.3, diverged=True)
  for k in (2, 4):
    result = a_result(sweep, method="mamdr", k=k, data={"name": "synthetic", "preset": "taobao10"})
    save(study / f"k{k}", result)
  (study / "begun").mkdir()
  (study / "begun" / record.CONFIG).write_text("{}")
  written = report.write_report([study], tmp_path / "out")
  assert all(path.stat().st_size for path in written)
  assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
    p.name for p in written
  )
  assert [path.name for path in written if not path.name.startswith("auc_")] == [
    *("report.md", "runs.csv", "ranks_amazon_6.png", "k_synthetic_taobao10_MLP+MAMDR.png"),
    *("rates_synthetic_taobao10_MLP+MAMDR_method.k_2.png",),
    *("rates_synthetic_taobao10_MLP+MAMDR_method.k_4.png",),
    *("methods_amazon_6_mlp.png", "methods_amazon_6_wdl.png"),
  ]
  text = (tmp_path / "out" / "report.md").read_text()
  headings = [line for line in text.splitlines() if line.startswith("## ")]
  assert headings == [
    "## Experiments",
    "## Models and methods on synthetic taobao10, amazon 6 (as Table V)",
    "## Ablation of MLP+MAMDR on synthetic taobao10, amazon 6 (as Table VI)",
    "## Learning frameworks on amazon 6 (as Table X)",
    "## MAMDR, or the best method, against the best other",
    "## AUC per domain on amazon 6, MLP (as Table VII)",
    "## AUC per domain on amazon 6, WDL (as Table VII)",
    "## Rates of k2 on synthetic taobao10",
    "## Rates of k4 on synthetic taobao10",
    "## Average ranks", "## Number of helpers (as Fig. 8)", "## Rates (as Fig. 9)",
    "## Methods over epochs", "## Domains over epochs",
  ]  # fmt: skip
  assert f"left out: {study / 'begun'}" in text
  assert "not independent" in text and "† A run of it diverged" in text
  assert "paper" not in text


def test_one_experiment_compares_nothing(study, tmp_path):
  written = report.write_report([study / "mlp" / "mamdr"], tmp_path / "out")
  names = [path.name for path in written]
  assert names == ["report.md", "runs.csv", "auc_amazon_6_mlp_mamdr.png"]
  assert [x for x in written[0].read_text().splitlines() if x.startswith("#")] == [
    *("# Report", "## Experiments", "## Domains over epochs")
  ]


def test_command(study):
  command = [sys.executable, "-m", "mamdr_jax.report", str(study / "wdl"), "--paper"]
  printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
  assert "(0.7449)" in printed and "**on its own data**" in printed


def test_bad_command_line_is_one_sentence(tmp_path):
  with pytest.raises(SystemExit, match=f"error: {tmp_path}: no result.json in it or below it"):
    __main__.main([tmp_path], None, False)
  with pytest.raises(SystemExit, match="error: give at least one workdir"):
    __main__.main([], tmp_path, False)
