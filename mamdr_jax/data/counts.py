"""How many rows, users, items and positives: of the paper's data sets, and by Zipf's law."""

from collections.abc import Sequence

import numpy as np

from mamdr_jax.data.recipe import ctr_ratios
from mamdr_jax.data.split import SMALLEST

# Luo et al. 2023, Table IV: the rows of D1..D30. Of Taobao-online Table I has them in all.
TAOBAO_SIZES = (
  *(13255, 7007, 20130, 62460, 11563, 7190, 4185, 24052, 5582, 17860),
  *(29302, 6472, 8873, 125586, 15560, 5458, 14095, 53910, 12102, 2936),
  *(4710, 29256, 41609, 7354, 68119, 5308, 24918, 38919, 24297, 34253),
)
ONLINE_ROWS = 420_097_203 + 23_340_352 + 46_415_298
# Table I: domains, users, items.
PRESETS = {
  "taobao10": (10, 23778, 6932),
  "taobao20": (20, 58190, 16319),
  "taobao30": (30, 99143, 29945),
  "taobao_online": (69_102, 84_307_785, 16_385_662),
}


def positive_shares(ctr: Sequence[float], num_domains: int) -> np.ndarray:
  """`[D]`, of the rows of each domain, from positives / negatives, by default `ctr_ratios`."""
  ratio = np.array(tuple(ctr) or ctr_ratios(num_domains))
  if len(ratio) != num_domains or ratio.min() <= 0:
    raise ValueError(
      f"expected {num_domains} ctr ratios above 0, one a domain; got {len(ratio)}, the least of "
      f"them {ratio.min()}"
    )
  return ratio / (1 + ratio)


def zipf_sizes(rows: int, exponent: float, share: np.ndarray) -> np.ndarray:
  """`[D]` int64, `rows` in all: domain i has what it needs, and of the rest `i^-exponent`.

  Args:
    rows: of all domains.
    exponent: 0 gives all domains the same.
    share: `[D]`, of positives; a domain needs `SMALLEST` of either label.

  Raises:
    ValueError: there are not so many rows.
  """
  least = np.ceil(SMALLEST / np.minimum(share, 1 - share)).astype(np.int64)
  rest = rows - int(least.sum())
  if rest < 0:
    raise ValueError(
      f"{len(share):,} domains need {rows - rest:,} rows to be split 60/20/20; rows is {rows:,}"
    )
  # Rounded, since the last bit of a power is not the same on every machine.
  weight = np.cumsum(np.round(np.arange(1.0, len(share) + 1) ** -exponent, 9))
  return least + np.diff(np.floor(weight / weight[-1] * rest), prepend=0).astype(np.int64)


def num_positives(sizes: np.ndarray, share: np.ndarray) -> np.ndarray:
  """`[D]` int64, from `sizes: [D]`; ValueError if a domain is too small to be split."""
  positives = np.round(sizes * share).astype(np.int64)
  small = np.flatnonzero(np.minimum(positives, sizes - positives) < SMALLEST)
  if small.size:
    n, count = sizes[small[0]], positives[small[0]]
    raise ValueError(
      f"a domain of {n} rows would have {count} positives and {n - count} negatives;"
      f" to be split 60/20/20 it needs {SMALLEST} of each"
    )
  return positives
