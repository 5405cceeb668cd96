"""Numbers of a row on other scales than their own."""

import numpy as np

SCALES = ("linear", "log", "quantile")
NUM_BINS = 20


def check_scale(scale: str) -> None:
  """Raises a ValueError if there is no such scale."""
  if scale not in SCALES:
    raise ValueError(f"unknown scale {scale!r}; choose one of {', '.join(SCALES)}")


def logarithmic(number: np.ndarray) -> np.ndarray:
  """±log(1 + |x|), the sign that of x."""
  return np.sign(number) * np.log1p(np.abs(number))


def edges_of(number: np.ndarray) -> np.ndarray:
  """Where bins begin that have about equally many of `number` [n]: [b] float64, b ≤ 20, rising.

  The first has what is lower as well. They are fewer where many numbers are equal.
  """
  quantiles = np.quantile(number.astype(np.float64), np.arange(NUM_BINS) / NUM_BINS)
  return np.unique(quantiles)


def binned(number: np.ndarray, edges: np.ndarray) -> np.ndarray:
  """The bin of every number: [n] int32."""
  return np.maximum(np.searchsorted(edges, number, side="right") - 1, 0).astype(np.int32)
