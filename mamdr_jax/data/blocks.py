"""Rows in blocks of whole domains, so that what is done a block at a time takes bounded memory."""

from collections.abc import Iterator

import numpy as np

from mamdr_jax.data.dataset import SPLITS, Dataset

BLOCK = 2**20  # rows; a domain that has more is a block of its own


def blocks(sizes: np.ndarray) -> Iterator[slice]:
  """Consecutive domains of at most `BLOCK` rows together, or one that has more."""
  ends, start = np.cumsum(sizes), 0
  while start < len(sizes):
    before = ends[start] - sizes[start]
    stop = max(start + 1, int(np.searchsorted(ends, before + BLOCK, side="right")))
    yield slice(start, stop)
    start = stop


def count_rows(dataset: Dataset) -> np.ndarray:
  """Rows of every domain by split and label: [D, 3, 2] int64."""
  shape = len(dataset.domains), len(SPLITS), 2
  counts = np.zeros(np.prod(shape), np.int64)
  for rows in _chunks(len(dataset.label)):
    cell = (dataset.domain[rows].astype(np.int64) * len(SPLITS) + dataset.split[rows]) * 2
    counts += np.bincount(cell + dataset.label[rows], minlength=len(counts))
  return counts.reshape(shape)


def by_block(dataset: Dataset, sizes: np.ndarray) -> Iterator[tuple[slice, slice | np.ndarray]]:
  """(consecutive domains, all of their rows) of a block at a time, in `blocks` of `sizes: [D]`.

  Rows of a block are in the order of the data. Where that is by domain they are a slice.
  """
  found, ends = list(blocks(sizes)), np.cumsum(sizes)
  order = None
  if not all((np.diff(dataset.domain[rows]) >= 0).all() for rows in _chunks(len(dataset.label), 1)):
    number = np.repeat(np.arange(len(found), dtype=np.uint16), [b.stop - b.start for b in found])
    order = np.argsort(number[dataset.domain], kind="stable")  # of 16 bits a radix sort, linear
  for domains in found:
    rows = slice(int(ends[domains.start] - sizes[domains.start]), int(ends[domains.stop - 1]))
    yield domains, rows if order is None else order[rows]


def _chunks(num_rows: int, overlap: int = 0) -> Iterator[slice]:
  for start in range(0, num_rows, BLOCK):
    yield slice(start, start + BLOCK + overlap)
