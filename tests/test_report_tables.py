"""The tables of a report."""

import numpy as np
import pytest
from made_results import a_result, a_run, read_all, rows_of

from mamdr_jax import report
from mamdr_jax.report import comparison, paper, tables


def test_average_table(study):
  header, *rows = rows_of(comparison.average_table(report.cells_of(read_all(study))))
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
  header, first, second = rows_of(comparison.average_table(report.cells_of(results)))
  assert header[1::3] == ["amazon 6: AUC", "synthetic taobao10: AUC"]
  assert first == ["MLP", "**0.5500**", "**1.0**", "–", "", "", ""]
  assert second == ["MLP+MAMDR", "", "", "", "**0.8000**", "**1.0**", "–"]


def test_paper_value_stands_beside(study):
  cells = report.cells_of(read_all(study))
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
  header, mlp, wdl, passes = rows_of(comparison.framework_table(report.cells_of(read_all(study))))
  assert header == ["model", "Alternate", "DN", "DR", "MAMDR"]
  assert mlp[4] == "**0.7367 ± 0.0094**" and not any("**" in cell for cell in mlp[:4])
  assert wdl == ["WDL", "**0.6667 ± 0.0000**", "", "", "0.6000 ± 0.0000"]
  assert passes == ["passes, of alternate's", "1.00 ×", "1.00 ×", "4.00 ×", "5.00 ×"]


def test_domain_comparison(study):
  cells = [cell for cell in report.cells_of(read_all(study)) if cell.model == "mlp"]
  header, *rows = rows_of(comparison.domain_comparison(cells))
  assert header == ["domain", "Alternate", "DN", "DR", "MAMDR"]
  assert rows[0][1] == "0.7100 ± 0.0141" and rows[0][4] == "**0.7600 ± 0.0141**"
  assert rows[2][1] == "**0.8000 ± 0.0000**"  # of domain C
  assert rows[-2][0] == "mean over domains" and rows[-2][4] == "**0.7367 ± 0.0094**"
  assert rows[-1] == ["passes", "10", "10", "40", "50"]


def test_improvement_is_counted_over_models(study):
  results = read_all(study) | {
    "a": a_result([a_run((0.5, 0.5, 0.5))], model="star"),
    "b": a_result([a_run((0.6, 0.6, 0.6))], model="star", method="mamdr"),
    "c": a_result([a_run((0.6, 0.6, 0.6))], model="ple", method="mamdr"),
  }
  (said,) = comparison.improvements(report.cells_of(results))
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


def test_what_was_spent_counts_all_runs():
  runs = [a_run((0.5, 0.6), seed=s, alpha=a) for s in (0, 1) for a in (0.1, 0.2, 0.3)]
  for run, epochs in zip(runs, (2, 4, 6, 2, 4, 6), strict=True):
    run |= {"epochs": epochs, "passes": 10.0, "seconds": 1.5}
  told = tables.spent_table({"sweep": a_result(runs)})
  cells = [cell.strip() for cell in told.splitlines()[-1].strip("|").split("|")]
  assert cells[-5:] == ["3", "6", "24", "240", "9"]
