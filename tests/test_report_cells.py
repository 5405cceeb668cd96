"""Which runs, rates and experiments stand in a cell."""

import numpy as np
import pytest
from made_results import a_result, a_run, read_all

from mamdr_jax import report
from mamdr_jax.report import names


def test_the_best_of_several_results_is_named_by_validation_auc():
  low = a_result([a_run((0.9, 0.9, 0.9), valid=(0.5, 0.5, 0.5))], "mlp", "mamdr")
  runs = [a_run((0.7, 0.7, 0.7), seed=seed, alpha=0.3) for seed in (0, 1)]
  high = a_result([*runs, a_run((0.6, 0.6, 0.6), alpha=0.1)], "mlp", "mamdr")
  said = report.verdict({"low": low, "high": high})
  assert said.startswith("Best by validation AUC (0.7000 ± 0.0000): high at alpha 0.3, beta")
  assert said.endswith("test AUC 0.7000 ± 0.0000")
  elsewhere = a_result(runs, data={"name": "amazon", "domains": "13", "root": "/here"})
  assert report.verdict({"high": high, "elsewhere": elsewhere}) == ""


def test_rates_are_chosen_by_validation_not_by_test():
  low, high = (0.6, 0.6), (0.9, 0.9)
  runs = [a_run(high, valid=low, alpha=0.1), a_run(low, valid=high, alpha=0.01)]
  assert report.best_setting(a_result(runs))[0]["alpha"] == 0.01


def test_mean_over_seeds_decides_between_rates():
  runs = [a_run((v, v), seed=s, alpha=a) for a, s, v in [(1, 0, 0.9), (1, 1, 0.5), (2, 0, 0.75)]]
  assert [setting[0]["alpha"] for setting in report.by_setting(a_result(runs))] == [2, 1]


def test_a_run_that_diverged_counts_with_its_best_epoch_and_comes_last_if_it_had_none():
  late = a_run((0.9, 0.9), alpha=0.1, diverged=True)
  assert report.best_setting(a_result([late, a_run((0.6, 0.6), alpha=0.01)]))[0]["alpha"] == 0.1
  lost = late | {"best_epoch": 0}
  assert report.best_setting(a_result([lost, a_run((0.6, 0.6), alpha=0.01)]))[0]["alpha"] == 0.01
  without = a_run((None, 0.9), alpha=0.2, diverged=True) | {"best_epoch": 0}
  assert report.best_setting(a_result([without, lost]))[0]["alpha"] == 0.1
  results = {"lost": a_result([lost]), "kept": a_result([a_run((0.6, 0.6))], l2=0.1)}
  (cell,) = report.cells_of(results)
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
  (cell,) = report.cells_of(results)
  assert cell.experiment == "k3"


def test_dn_with_rounds_of_one_minibatch_is_a_row_of_its_own():
  fish, dn = (a_result([a_run([x])], method="domain_negotiation") for x in (0.6, 0.7))
  fish["config"]["method"]["round_steps"] = 1
  dn["config"]["method"]["round_steps"] = None
  cells = report.cells_of({"a": fish, "b": dn})
  assert [(cell.row, cell.experiment) for cell in cells] == [("MLP+Fish", "a"), ("MLP+DN", "b")]


def test_data_are_the_same_wherever_they_lie():
  here, there = ({"name": "amazon", "domains": "6", "root": r, "cache": r} for r in "ab")
  other = here | {"positive_from": 4}
  table = {"name": "table", "path": "/a/clicks.csv"}
  runs = [a_run((0.5, 0.6))]
  sections = [
    here,
    there,
    here | {"positive_from": 3, "split_seed": 5},
    other,
    table,
    table | {"path": "/b/clicks.csv"},
  ]
  results = {str(i): a_result(runs, data=data) for i, data in enumerate(sections)}
  results["more"] = a_result([a_run((0.5, 0.6, 0.7))], data=table)
  assert names.data_names({k: results[k] for k in "01"}) == dict.fromkeys("01", "amazon 6")
  assert list(names.data_names({k: results[k] for k in "123"}).values()) == [
    *("amazon 6", "amazon 6, positive_from 3", "amazon 6, positive_from 4")
  ]
  assert set(names.data_names({k: results[k] for k in "45"}).values()) == {"table clicks"}
  assert list(names.data_names({k: results[k] for k in ("4", "more")}).values()) == [
    *("table clicks (1)", "table clicks (2)")
  ]


def test_ranks_by_hand(study):
  """A: wdl .8, mamdr .76, dn .72, mlp .71, then dr and wdl+mamdr tie at .6; B, C likewise."""
  cells = report.cells_of(read_all(study))
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
  np.testing.assert_array_equal(report.average_ranks(report.cells_of(results)), [1.5, 1.5])
