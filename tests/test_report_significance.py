"""What tests say of chance, and of differences."""

import json

import numpy as np
import pytest
from made_results import a_result, a_run, read_all, rows_of
from scipy import stats

from mamdr_jax import files, report
from mamdr_jax.report import significance


def noise(num_methods, seed, replicate=0.0, domain=0.0, shape=(3, 6), trials=200):
  """AUC without any difference, [trials, M, S, D]: chance, and an effect a replicate or domain."""
  rng = np.random.default_rng(seed)
  shape = trials, num_methods, *shape
  effect = lambda *dropped: rng.normal(size=[1 if i in dropped else n for i, n in enumerate(shape)])
  return rng.normal(size=shape) + replicate * effect(3) + domain * effect(2)


@pytest.mark.parametrize(("replicate", "domain"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_chance_is_called_a_difference_as_seldom_as_said(replicate, domain):
  """Of 200 trials 5 % are 10, and 19 are three deviations above; pairs one by one find more."""
  pairs = noise(2, 0, replicate, domain)
  difference = pairs[:, 0] - pairs[:, 1]
  assert sum(significance.pvalue(d) < 0.05 for d in difference) <= 19
  assert sum(significance.friedman(auc) < 0.05 for auc in noise(4, 1, replicate, domain)) <= 19
  if replicate or domain:
    assert sum(stats.wilcoxon(d.ravel()).pvalue < 0.05 for d in difference) > 25


def test_simulated_differences_are_found():
  """One of a deviation of the noise, and an effect of half that size a replicate and a domain."""
  pairs = noise(2, 0, 0.5, 0.5, shape=(5, 10), trials=50)
  found = [significance.pvalue(first - second + 2) < 0.05 for first, second in pairs]
  assert np.mean(found) > 0.8
  steps = 0.8 * np.arange(4)[:, None, None]
  ranked = [significance.friedman(auc + steps) < 0.05 for auc in noise(4, 1, shape=(5, 10))]
  assert np.mean(ranked) > 0.9


def test_min_f_is_that_of_both_analyses():
  """1 / F′ = 1 / F₁ + 1 / F₂, each the square of a t of Student's."""
  difference = np.array([[0.3, 0.1, 0.2], [0.5, 0.4, 0.1]])
  f = [stats.ttest_1samp(difference.mean(axis), 0).statistic ** 2 for axis in (0, 1)]
  joint = f[0] * f[1] / (f[0] + f[1])
  degrees = (f[0] + f[1]) ** 2 / (f[0] ** 2 / 1 + f[1] ** 2 / 2)
  expected = stats.f.sf(joint, 1, degrees)
  assert significance.pvalue(difference) == pytest.approx(expected, rel=1e-9)


def test_friedman_over_one_replicate_is_the_textbooks():
  """Iman and Davenport's F of scipy's χ², without ties."""
  auc = np.random.default_rng(0).normal(size=(4, 1, 9)) + np.arange(4)[:, None, None] / 2
  chi = stats.friedmanchisquare(*auc[:, 0]).statistic
  expected = stats.f.sf(8 * chi / (9 * 3 - chi), 3, 24)
  assert significance.friedman(auc) == pytest.approx(expected, rel=1e-9)
  assert significance.friedman(np.full((3, 2, 4), 0.5)) == 1.0
  assert significance.friedman(np.where(np.arange(4)[:, None, None] == 3, np.nan, auc)) < 0.05


def test_pairs_are_of_one_seed_and_one_domain():
  """Seeds 1 and 2 in common, in another order; a domain of one seed has no AUC."""
  mine = [a_run((0.70, 0.60, 0.5), seed=0), a_run((0.71, 0.64, 0.5), seed=1)]
  mine.append(a_run((0.9, 0.9, 0.6), seed=2))
  yours = [a_run((0.8, None, 0.5), seed=2), a_run((0.70, 0.60, 0.52), seed=1)]
  yours.append(a_run((0.1, 0.1, 0.1), seed=3))
  cells = report.cells_of({"a": a_result(mine, method="mamdr"), "b": a_result(yours)})
  test = report.paired(cells[1], cells[0])
  assert test[:2] == (2, 2)
  difference = np.array([[0.01, -0.02], [0.1, 0.1]])  # seeds by domains A and C
  assert test.difference == pytest.approx(difference.mean())
  assert test.deviation == pytest.approx(difference.mean(1).std(ddof=1))
  assert (test.replicates_won, test.domains_won) == (1, 2)
  assert test.pvalue == pytest.approx(significance.pvalue(difference))


def test_one_replicate_is_tested_over_domains():
  mine, yours = [0.7, 0.6, 0.8, 0.9, 0.75, 0.7], [0.69, 0.55, 0.75, 0.92, 0.6, 0.62]
  results = {"a": a_result([a_run(mine)], method="mamdr"), "b": a_result([a_run(yours)])}
  test = report.paired(*reversed(report.cells_of(results)))
  expected = stats.wilcoxon(np.subtract(mine, yours)).pvalue
  assert test.pvalue == pytest.approx(expected) and test.pvalue >= 2 / 2**6


def test_several_draws_of_data_are_the_replicates():
  """Two seeds on each of two splits: what is tested are the two splits, means over their seeds."""
  gains = {0: (0.02, 0.04), 1: (0.06, 0.08)}  # of seeds 0 and 1, by split
  results = {}
  for split, own in gains.items():
    data = {"name": "amazon", "domains": "6", "split_seed": split}
    for method, by in (("alternate", (0, 0)), ("mamdr", own)):
      runs = [a_run((0.6 + g, 0.7 + 2 * g), seed=seed) for seed, g in enumerate(by)]
      results[f"{method}{split}"] = a_result(runs, method=method, data=data)
  test = report.paired(*reversed(report.cells_of(results)))
  assert test[:2] == (2, 2)
  assert test.pvalue == pytest.approx(significance.pvalue(np.array([[0.03, 0.06], [0.07, 0.14]])))


def test_nothing_differs_and_nothing_is_paired():
  one = report.cells_of({"a": a_result([a_run((0.7, 0.6))])})[0]
  two = report.cells_of({"b": a_result([a_run((0.7, 0.6), seed=1)], method="mamdr")})[0]
  assert report.paired(one, one).pvalue == 1.0
  assert report.paired(one, two).replicates == 0
  table = significance.paired_table([one, two])
  assert rows_of(table)[1][-5:] == ["no replicate in common", *"––––"]


def test_first_is_mamdr_or_what_is_asked_for(study):
  """DN is second on validation, and alternate on test."""
  for seed, auc in ((0, (0.74, 0.64, 0.79)), (1, (0.74, 0.64, 0.79))):
    path = study / "mlp" / "domain_negotiation" / files.RESULT
    result = json.loads(path.read_text())
    result["runs"][seed]["valid"] = a_run(auc)["valid"]
    files.write_json(path, result)
  cells = report.cells_of(read_all(study))
  _, *rows = rows_of(significance.paired_table(cells))
  assert [row[:3] for row in rows] == [
    ["amazon 6", "MLP", "MAMDR − DN"],
    ["amazon 6", "MLP", "MAMDR − Alternate"],
    ["amazon 6", "MLP", "MAMDR − DR"],
    ["amazon 6", "WDL", "MAMDR − Alternate"],
  ]
  difference = np.array([[0.04, 0.06, 0.08]] * 2)
  assert rows[0][3:7] == ["2 replicates × 3 domains", "+0.0600 ± 0.0000", "2 of 2", "3 of 3"]
  mamdr = {cell.method: cell for cell in cells if cell.model == "mlp"}
  tests = [
    report.paired(mamdr["mamdr"], mamdr[f"domain_{x}"]) for x in ("negotiation", "regularization")
  ]
  assert tests[0].pvalue == pytest.approx(significance.pvalue(difference))
  _, *rows = rows_of(significance.paired_table(cells, "alternate"))
  assert [row[2] for row in rows] == [
    *("Alternate − MAMDR", "Alternate − DN", "Alternate − DR", "Alternate − MAMDR")
  ]


def test_holm_by_hand():
  adjusted = significance.holm([0.01, np.nan, 0.04, 0.03, 0.5])
  np.testing.assert_allclose(adjusted, [0.04, np.nan, 0.09, 0.09, 0.5])


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
