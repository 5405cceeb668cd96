"""How many rows a minibatch has, and how many of its slots hold one.

A minibatch is of one domain, so the last of each domain is padded: `batch_size=1024` costs a domain
of 100 rows ten times the steps' arithmetic that `batch_size=128` does.
"""

import numpy as np

AUTO = "auto"
LEAST, USUAL, MOST = 32, 1024, 4096  # powers of two that `fitting` chooses from
ENOUGH, LITTLE = 0.8, 0.5  # shares of real rows: what `fitting` keeps, below what one is advised


def num_slots(rows: np.ndarray, batch_size: int) -> int:
  """Slots of the minibatches of domains of `rows: [D]` rows, padding included."""
  return int((-(-rows // batch_size) * batch_size).sum())


def real_share(rows: np.ndarray, batch_size: int) -> float:
  """The share of slots that hold a row."""
  return float(rows.sum() / num_slots(rows, batch_size))


def fitting(rows: np.ndarray) -> int:
  """The rows of a minibatch that suit domains of `rows: [D]` training rows.

  It is the largest power of two from 32 to 1,024 at which at least 0.8 of the slots hold a row, or
  32 if there is none. Of 2,048 and 4,096 the larger that has no more slots than 1,024, if one has:
  fewer, larger steps at the same cost.

  >>> fitting(np.array([100, 300])), fitting(np.array([5000])), fitting(np.array([4096, 8192]))
  (64, 1024, 4096)
  """
  size = LEAST
  while size < USUAL and real_share(rows, 2 * size) >= ENOUGH:
    size *= 2
  while USUAL <= size < MOST and num_slots(rows, 2 * size) == num_slots(rows, size):
    size *= 2
  return size


def resolved(batch_size: int | str, rows: np.ndarray) -> int:
  """`batch_size`, or for "auto" the `fitting` one."""
  return fitting(rows) if batch_size == AUTO else batch_size


def advice(batch_size: int | str, rows: np.ndarray) -> str | None:
  """A sentence about a size that was chosen here, or that pads more than half of its slots."""
  size = resolved(batch_size, rows)
  share, better = real_share(rows, size), fitting(rows)
  if batch_size == AUTO:
    return f"batch_size=auto is {size:,}: {share:.0%} of the slots of minibatches hold a row"
  if share >= LITTLE or better >= size:
    return None
  return (
    f"batch_size={size:,} pads more than half: {share:.0%} of the slots of minibatches hold a row, "
    f"{real_share(rows, better):.0%} with batch_size={better}"
  )
