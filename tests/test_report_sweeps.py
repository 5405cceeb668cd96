"""AUC over k, over rates and over epochs."""

import numpy as np
from made_results import a_result, a_run

from mamdr_jax import report
from mamdr_jax.report import curves


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
  np.testing.assert_array_equal(curves.history(lines, [0, 1, 2], "mean_auc"), expected)
  one = curves.history(lines[:4], [1], "mean_auc")  # as long as the run itself
  np.testing.assert_array_equal(one, [[0.2]])
