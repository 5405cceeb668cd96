"""What stands for the values of very many domains: how they are distributed, and the extremes."""

from collections.abc import Sequence

import numpy as np

MOST_LISTED = 50  # domains that files, tables and pictures have one by one
NUM_EXTREMES = 10
QUANTILES = {  # as tables and files call them
  "lowest": 0.0, "10 %": 0.1, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "90 %": 0.9,
  "highest": 1.0,
}  # fmt: skip


def many(num_domains: int) -> bool:
  """Whether so many domains are told by their distribution."""
  return num_domains > MOST_LISTED


def quantiles(values) -> np.ndarray:
  """`QUANTILES` of the numbers along the last axis, NaN left out: [..., D] -> [..., Q].

  >>> quantiles([1.0, 2.0, 3.0, np.nan, 5.0]).tolist()
  [1.0, 1.3, 1.75, 2.5, 3.5, 4.4, 5.0]
  """
  values = np.asarray(values, float)

  def of(row):
    known = row[~np.isnan(row)]
    return np.quantile(known, [*QUANTILES.values()]) if known.size else [np.nan] * len(QUANTILES)

  return np.apply_along_axis(of, -1, values)


def mean(values: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
  """The mean over the first axis of what is known, or is no NaN: [n, D] -> [D], NaN where none."""
  known = ~np.isnan(values) if known is None else known
  total = np.where(known, values, 0.0).sum(0)
  return np.divide(total, known.sum(0), out=np.full(total.shape, np.nan), where=known.any(0))


def domain_rows(
  domains: Sequence[str], size: np.ndarray | None = None, value: np.ndarray | None = None
) -> list[tuple[str, int]]:
  """(how it is called, which domain) of those that have a row of their own in a table.

  Of very many they are the ten largest, and those of the ten best values and the ten worst.

  Args:
    domains: [D], names.
    size: [D]; without it there are no largest.
    value: [D], NaN where there is none; without it there are no best.
  """
  if not many(len(domains)):
    return [(name, d) for d, name in enumerate(domains)]
  orders = {}
  if size is not None:
    orders["largest"] = np.argsort(-np.asarray(size), kind="stable")
  if value is not None:
    rising = np.argsort(value, kind="stable")[: np.sum(~np.isnan(value))]
    orders |= {"best": rising[::-1], "worst": rising}
  return [
    (f"{what}: {domains[d]}", int(d)) for what, of in orders.items() for d in of[:NUM_EXTREMES]
  ]


def spectrum(columns: Sequence[np.ndarray]) -> list[tuple[str, np.ndarray]]:
  """(name, value in every column) of each quantile over domains, if they are very many.

  Args:
    columns: arrays [D].
  """
  if not many(len(columns[0])):
    return []
  return list(zip(QUANTILES, quantiles(np.stack(columns)).T, strict=True))
