"""A data set on the host."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mamdr_jax.data.minibatches import resolved

SPLITS = ("train", "valid", "test")


class Dataset(NamedTuple):
  """Rows of all domains; `n` rows. One vocabulary of users and one of items for all domains."""

  ids: dict[str, np.ndarray]  # field -> [n] int32, rows of `vocab[field]`
  dense: dict[str, np.ndarray]  # field -> [n, f] float32, features of a row
  label: np.ndarray  # [n] int8 in {0, 1}
  domain: np.ndarray  # [n] int32
  split: np.ndarray  # [n] int8, index into SPLITS
  domains: tuple[str, ...]  # names
  vocab: dict[str, np.ndarray]  # field -> [N], the raw id of every row of its table
  frozen: dict[str, np.ndarray]  # field -> [N, f] float32, features given for every id
  moments: dict[str, np.ndarray]  # field -> [2, f], mean and deviation that `dense` is in units of
  truth: np.ndarray | None  # [n] float32, the score that drew the labels, if synthetic
  notes: tuple[str, ...]  # what was dropped or fell short, with counts


def num_rows_of(dataset: Dataset, split: str) -> np.ndarray:
  """Rows of every domain in a split: [D]."""
  rows = dataset.split == SPLITS.index(split)
  return np.bincount(dataset.domain[rows], minlength=len(dataset.domains))


def bytes_of_row(dataset: Dataset) -> int:
  """What a row takes as one of a minibatch: its ids and numbers, label and weight."""
  arrays = (*dataset.ids.values(), *dataset.dense.values())
  return 8 + sum(4 * (array[:1].size or 1) for array in arrays)


def batch_rows(dataset: Dataset, batch_size: int | str) -> int:
  """`batch_size`, or for "auto" what suits the training rows: see `minibatches.fitting`."""
  return resolved(batch_size, num_rows_of(dataset, "train"))


def unmeasured(dataset: Dataset, split: str) -> np.ndarray:
  """Which domains lack rows of a label in a split, so that they have no AUC there: [D] bool."""
  rows = dataset.split == SPLITS.index(split)
  cell = dataset.domain[rows].astype(np.int64) * 2 + dataset.label[rows]
  cells = np.bincount(cell, minlength=2 * len(dataset.domains)).reshape(-1, 2)
  return cells.min(axis=1) == 0


def standardized(dataset: Dataset) -> Dataset:
  """Numbers of rows less their mean, over their standard deviation, both of the training rows."""
  train = dataset.split == SPLITS.index("train")
  moments = {}
  for field, number in dataset.dense.items():
    known = number[train].astype(np.float64)
    deviation = known.std(axis=0)
    moments[field] = np.stack([known.mean(axis=0), np.where(deviation > 0, deviation, 1.0)])
  return scaled(dataset, moments)


def scaled(dataset: Dataset, moments: Mapping[str, np.ndarray]) -> Dataset:
  """The same rows with `dense` in units of other moments, see `Dataset.moments`."""
  dense = {}
  for field, number in dataset.dense.items():
    old, new = dataset.moments.get(field), moments.get(field)
    if old is None or new is None or not np.array_equal(old, new):
      number = number.astype(np.float64)
      number = number if old is None else number * old[1] + old[0]
      number = number if new is None else (number - new[0]) / new[1]
    dense[field] = number.astype(np.float32, copy=False)
  return dataset._replace(dense=dense, moments=dict(moments))


def renumber(
  dataset: Dataset,
  vocab: Mapping[str, np.ndarray],
  domains: Sequence[str],
  moments: Mapping[str, np.ndarray],
) -> Dataset:
  """The same rows with ids, domains and units of numbers as another reading of the data has them.

  Args:
    dataset: rows in any order.
    vocab: field -> [N], the raw id of every row of its table.
    domains: names.
    moments: see `Dataset`.

  Raises:
    ValueError: the data have an id, a domain or a field that is not there.
  """
  if set(vocab) != set(dataset.vocab):
    raise ValueError(f"the data have {', '.join(dataset.vocab)}, expected {', '.join(vocab)}")
  ids, frozen = {}, dict(dataset.frozen)
  for field, raw in vocab.items():
    own = dataset.vocab[field]
    place = _places(own, raw, f"{field}s")
    ids[field] = place[dataset.ids[field]]
    if field in frozen:
      if len(raw) != len(own):
        raise ValueError(f"features of {len(own)} {field}s are given, expected {len(raw)}")
      frozen[field] = np.empty_like(dataset.frozen[field])
      frozen[field][place] = dataset.frozen[field]
  place = _places(np.array(dataset.domains, str), np.array(domains, str), "domains")
  dataset = dataset._replace(
    ids=ids, frozen=frozen, vocab=dict(vocab), domains=tuple(domains), domain=place[dataset.domain]
  )
  return scaled(dataset, moments)


def _places(own: np.ndarray, known: np.ndarray, what: str) -> np.ndarray:
  """Where each of `own` is in `known`: [len(own)] int32."""
  if own.dtype.kind not in "iu" or known.dtype.kind not in "iu":
    own, known = own.astype(str), known.astype(str)
  if own.shape == known.shape and (own == known).all():
    return np.arange(len(own), dtype=np.int32)
  order = np.argsort(known)
  at = np.minimum(np.searchsorted(known, own, sorter=order), len(known) - 1)
  place = order[at]
  strange = known[place] != own
  if strange.any():
    raise ValueError(
      f"{strange.sum():,} {what} of the data are new since training, {str(own[strange][0])[:60]!r} "
      "among them"
    )
  return place.astype(np.int32)
