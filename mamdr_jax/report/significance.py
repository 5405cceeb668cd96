"""Is a difference more than noise? Tests over domains and replicates, and distances of ranks."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from mamdr_jax import markdown
from mamdr_jax.report import names
from mamdr_jax.report.cells import Cell, by_model
from mamdr_jax.report.replicates import replicate
from mamdr_jax.report.results import over_runs, preference
from mamdr_jax.report.tables import NONE

LEVEL = 0.05


class Paired(NamedTuple):
  """Test AUC of one cell less that of another, in pairs of one replicate and one domain."""

  replicates: int  # that both ran: seeds, or draws of the data where these are several
  domains: int  # in which both have an AUC on all of those
  difference: float  # its mean
  deviation: float  # over replicates
  replicates_won: int
  domains_won: int
  pvalue: float  # two-sided


def paired(cell: Cell, other: Cell) -> Paired:
  """The difference in test AUC of two cells and `pvalue`; NaN where they have nothing in common."""
  first, second = common([cell, other])
  difference = first - second  # [S, D]
  difference = difference[:, np.isfinite(difference).all(0)]
  if not difference.size:
    return Paired(*difference.shape, np.nan, np.nan, 0, 0, np.nan)
  over, within = difference.mean(1), difference.mean(0)
  return Paired(
    *difference.shape,
    float(difference.mean()),
    float(over.std(ddof=1)) if len(over) > 1 else np.nan,
    int((over > 0).sum()),
    int((within > 0).sum()),
    pvalue(difference),
  )


def common(cells: list[Cell]) -> np.ndarray:
  """Test AUC on the replicates that all cells ran: [cells, S, D].

  Where these are on several draws of the data, a replicate is a draw, the mean over its seeds: runs
  on one draw share what is particular to it.
  """
  auc = [{replicate(run): over_runs([run], "test", "auc")[0] for run in c.runs} for c in cells]
  shared = [key for key in auc[0] if all(key in other for other in auc)]
  draws = list(dict.fromkeys(key[:-1] for key in shared))
  units = [[key for key in shared if key[:-1] == draw] for draw in draws]
  if len(draws) < 2:
    units = [[key] for key in shared]
  means = [[np.mean([own[key] for key in unit], 0) for unit in units] for own in auc]
  return np.reshape(means, (len(cells), len(units), len(cells[0].domains)))


def pvalue(difference: np.ndarray) -> float:
  """Two-sided p of a mean difference [S, D], replicates and domains both drawn by chance.

  Clark's min F′ (1973): F₁F₂ / (F₁ + F₂) of the analysis over domains, of means over replicates,
  and of that over replicates, of means over domains. Either alone, or all pairs as if they were
  independent, calls chance a difference too often where a replicate moves all domains together or a
  domain moves in all replicates. Where there is one replicate, or one domain, Wilcoxon's
  signed-rank test of the other: it speaks of that one only.

  Simulated without any difference, on 3 replicates × 6 domains, p is below 0.05 in these shares of
  trials by pairs, by means over domains alone, and here: with an effect a replicate as large as the
  noise 31, 29 and 6 %, with one a domain 16, 3 and 3 %, with noise only 5, 3 and 1 %.
  """
  if not difference.any():
    return 1.0
  if min(difference.shape) == 1:
    return float(stats.wilcoxon(difference.ravel()).pvalue)
  f, degrees = zip(*(_f([m, -m]) for m in (difference.mean(0), difference.mean(1))), strict=True)
  return _joined(f, 1, degrees)


def friedman(auc: np.ndarray) -> float:
  """p of Friedman's test that methods rank alike, from their AUC [M, S, D]; NaN ranks last.

  A domain in which all have NaN, on any replicate, does not count. In the F form of Iman and
  Davenport (Demšar 2006, §3.2.2), over domains, the blocks, of means over replicates, and over
  replicates of means over domains, joined as in `pvalue`; with one replicate over domains alone. Of
  4 methods, 3 replicates × 6 domains, with an effect a replicate, p is below 0.05 in 67 % of trials
  over domains alone and in 7 % here.
  """
  auc = auc[:, :, ~np.isnan(auc).all(0).any(0)]
  if not auc.size:
    return 1.0
  auc = np.where(np.isnan(auc), -np.inf, auc)
  means = [auc.mean(1)] + ([auc.mean(2)] if auc.shape[1] > 1 else [])
  ranks = [stats.rankdata(-m, axis=0) for m in means]
  f, degrees = zip(*map(_f, ranks), strict=True)
  return _joined(f, len(auc) - 1, degrees)


def _f(values) -> tuple[float, int]:
  """(F, its degrees of freedom) of methods in blocks, from [M, blocks]; 0 where all are equal."""
  values = np.asarray(values) - np.mean(values, 0)
  num_methods, num_blocks = values.shape
  degrees = (num_methods - 1) * (num_blocks - 1)
  mean = values.mean(1)
  between = num_blocks * (mean**2).sum() / (num_methods - 1)
  within = ((values - mean[:, None]) ** 2).sum() / max(degrees, 1)
  floor = 1e-12 * (values**2).sum()  # rounding, where all blocks agree
  return (between / max(within, floor) if between > floor else 0.0), degrees


def _joined(f: tuple[float, ...], numerator: int, degrees: tuple[int, ...]) -> float:
  """p of one F, or of the min F′ of two, whose degrees of freedom are Clark's (1973)."""
  if min(f) == 0 or min(degrees) == 0:
    return 1.0
  if len(f) == 1:
    return float(stats.f.sf(f[0], numerator, degrees[0]))
  joint = 1 / (1 / f[0] + 1 / f[1])
  denominator = (f[0] + f[1]) ** 2 / (f[0] ** 2 / degrees[1] + f[1] ** 2 / degrees[0])
  return float(stats.f.sf(joint, numerator, denominator))


def holm(pvalues: list[float]) -> list[float]:
  """The p of several tests, adjusted so that the chance of any false one stays at the level."""
  adjusted, least = list(pvalues), 0.0
  ordered = sorted((i for i, p in enumerate(pvalues) if np.isfinite(p)), key=pvalues.__getitem__)
  for place, i in enumerate(ordered):
    least = max(least, min(1.0, (len(ordered) - place) * pvalues[i]))
    adjusted[i] = least
  return adjusted


def rivals(cells: list[Cell], first: str | None = None) -> list[Cell]:
  """The cell of the method `first`, else of MAMDR, else the best, and then the others, best first.

  The best is so by validation AUC.
  """
  ranked = sorted(cells, key=lambda cell: preference(cell.runs), reverse=True)
  wanted = [cell for method in (first, "mamdr") for cell in ranked if cell.method == method]
  chosen = (wanted or ranked)[0]
  return [chosen] + [cell for cell in ranked if cell is not chosen]


def paired_table(cells: list[Cell], first: str | None = None) -> str | None:
  """Markdown: of every data set and model the first of `rivals` less each other; None if no pair.

  p are adjusted by `holm` within a data set and model.
  """
  header = ["data", "model", "test AUC", "over", "difference", "replicates won", "domains won", "p"]
  rows = []
  for (data, model), group in by_model(cells).items():
    chosen, *others = rivals(group, first)
    tests = [paired(chosen, other) for other in others]
    for other, test, p in zip(others, tests, holm([t.pvalue for t in tests]), strict=True):
      called = " − ".join(names.method_name(cell.method) for cell in (chosen, other))
      rows.append([data, names.model_name(model), called, *_told(test, p)])
  return markdown.table(header, rows) if rows else None


def _told(test: Paired, p: float) -> list[str]:
  """A test as cells of a table."""
  replicates, domains = test[:2]
  if not replicates:
    return ["no replicate in common", *[NONE] * 4]
  over = f"{replicates} replicate{'s' * (replicates > 1)} × {domains} domain{'s' * (domains != 1)}"
  if not domains:
    return [over, *[NONE] * 4]
  spread = f" ± {test.deviation:.4f}" if replicates > 1 else ""
  return [
    over,
    f"{test.difference:+.4f}{spread}",
    f"{test.replicates_won} of {replicates}",
    f"{test.domains_won} of {domains}",
    f"{p:.2g}",
  ]


def critical_distance(num_methods: int, num_blocks: int, level: float = LEVEL) -> float:
  """Nemenyi's critical distance of average ranks (Demšar 2006, §3.2.2).

  Ranks averaged over N blocks differ at that level where they are q √(k (k + 1) / 6N) apart, q the
  quantile of the studentized range over k methods, divided by √2.
  """
  q = stats.studentized_range.ppf(1 - level, num_methods, np.inf) / np.sqrt(2)
  return float(q * np.sqrt(num_methods * (num_methods + 1) / (6 * num_blocks)))


def cliques(ranks: np.ndarray, distance: float) -> list[tuple[float, float]]:
  """The longest stretches of ranks less than `distance` long: (lowest, highest) of each.

  Methods of one stretch are not told apart. A method alone makes no stretch.
  """
  ranks = np.sort(ranks)
  reach = [ranks[ranks < low + distance].max() for low in ranks]  # never falls
  ends = [(float(low), float(high)) for low, high in zip(ranks, reach, strict=True) if high > low]
  return [(low, high) for i, (low, high) in enumerate(ends) if i == 0 or high > ends[i - 1][1]]
