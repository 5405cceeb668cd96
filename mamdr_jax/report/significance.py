"""Is a difference more than noise? Pairs of seed and domain, and distances between ranks."""

from typing import NamedTuple

import numpy as np
from scipy.stats import studentized_range, wilcoxon

from mamdr_jax.report import names
from mamdr_jax.report.cells import Cell, by_model
from mamdr_jax.report.results import over_seeds, standing
from mamdr_jax.report.tables import NONE, markdown


class Paired(NamedTuple):
  """Test AUC of one cell against that of another, in pairs of one seed and one domain."""

  seeds: int  # that both ran
  domains: int
  pairs: int  # of them those in which both have an AUC
  won: int
  median: float  # of the differences
  pvalue: float  # two-sided


def paired(cell: Cell, other: Cell) -> Paired:
  """Wilcoxon's signed-rank test of the difference in test AUC over seeds and domains.

  Seeds that only one of the two has are left out. Without any pair, or where none differs, there
  is nothing to test: p is NaN or 1.
  """
  auc = [
    {run["seed"]: over_seeds([run], "test", "auc")[0] for run in c.runs} for c in (cell, other)
  ]
  seeds = sorted(auc[0].keys() & auc[1].keys())
  difference = np.array([auc[0][s] - auc[1][s] for s in seeds]).ravel()
  difference = difference[np.isfinite(difference)]
  if not difference.size:
    return Paired(len(seeds), len(cell.domains), 0, 0, np.nan, np.nan)
  pvalue = wilcoxon(difference).pvalue if difference.any() else 1.0
  won = int((difference > 0).sum())
  median = float(np.median(difference))
  return Paired(len(seeds), len(cell.domains), difference.size, won, median, float(pvalue))


def rivals(cells: list[Cell]) -> tuple[Cell, Cell]:
  """MAMDR, or else the best method, and the best of the others; the best by validation AUC."""
  ranked = sorted(cells, key=lambda cell: standing(cell.runs), reverse=True)
  first = next((cell for cell in ranked if cell.method == "mamdr"), ranked[0])
  return first, next(cell for cell in ranked if cell is not first)


def paired_table(cells: list[Cell]) -> str | None:
  """Markdown: `rivals` of every data set and model that has two methods; None if none has."""
  header = ["data", "model", "method", "best other by valid AUC", "pairs", "median difference"]
  header += ["pairs won", "Wilcoxon p"]
  rows = []
  for (data, model), group in by_model(cells).items():
    if len(group) < 2:
      continue
    first, second = rivals(group)
    test = paired(first, second)
    of = f"{test.seeds} seed{'s' * (test.seeds != 1)} × {test.domains} domains = {test.pairs}"
    if test.pairs < test.seeds * test.domains:
      of = of.replace("= ", "less those without AUC = ")
    methods = [names.method_name(cell.method) for cell in (first, second)]
    numbers = [f"{test.median:+.4f}", f"{test.won} of {test.pairs}", f"{test.pvalue:.2g}"]
    numbers = numbers if test.pairs else [NONE] * 3
    of = of if test.seeds else "no seed in common"
    rows.append([data, names.model_name(model), *methods, of, *numbers])
  return markdown(header, rows) if rows else None


def critical_distance(num_methods: int, num_blocks: int, level: float = 0.05) -> float:
  """Nemenyi's critical distance of average ranks (Demšar 2006, §3.2.2).

  Ranks averaged over N blocks differ at that level where they are q √(k (k + 1) / 6N) apart, q the
  quantile of the studentized range over k methods, divided by √2.
  """
  q = studentized_range.ppf(1 - level, num_methods, np.inf) / np.sqrt(2)
  return float(q * np.sqrt(num_methods * (num_methods + 1) / (6 * num_blocks)))


def cliques(ranks: np.ndarray, distance: float) -> list[tuple[float, float]]:
  """The longest stretches of ranks less than `distance` long: (lowest, highest) of each.

  Methods of one stretch are not told apart. A method alone makes no stretch.
  """
  ranks = np.sort(ranks)
  reach = [ranks[ranks < low + distance].max() for low in ranks]  # never falls
  ends = [(float(low), float(high)) for low, high in zip(ranks, reach, strict=True) if high > low]
  return [(low, high) for i, (low, high) in enumerate(ends) if i == 0 or high > ends[i - 1][1]]
