"""What tables have a row for: every domain, or of very many the quantiles and the extremes."""

from collections.abc import Sequence

import numpy as np

from mamdr_jax.distribution import QUANTILES, extremes, many, mean, quantiles


def listed(
  domains: Sequence[str], auc: Sequence[np.ndarray], size: np.ndarray | None
) -> list[tuple[str, int]]:
  """(how a row is called, which domain) of those that have a row of their own.

  Of very many they are the largest, the best and the worst.

  Args:
    domains: names.
    auc: arrays [D], by whose mean domains are best and worst.
    size: [D], training rows; without them there are no largest.
  """
  if not many(len(domains)):
    return [(name, d) for d, name in enumerate(domains)]
  rows = lambda what, d: f" ({size[d]:,.0f} rows)" if what == "largest" else ""
  found = extremes(mean(np.stack(auc)), size)
  return [(f"{what}: {domains[d]}{rows(what, d)}", d) for what, d in found]


def spectrum(columns: Sequence[np.ndarray]) -> list[tuple[str, np.ndarray]]:
  """(name, value in every column) of each quantile over domains, if they are very many.

  Args:
    columns: arrays [D].
  """
  if not many(len(columns[0])):
    return []
  return list(zip(QUANTILES, quantiles(np.stack(columns)).T, strict=True))
