"""A data set on the host, and how it becomes minibatches."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from mamdr_jax.core import Batch, DomainBatches, Own
from mamdr_jax.data.files import brief
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


def batch_rows(dataset: Dataset, batch_size: int | str) -> int:
  """`batch_size`, or for "auto" what suits the training rows: see `minibatches.fitting`."""
  return resolved(batch_size, num_rows_of(dataset, "train"))


def pack(dataset: Dataset, split: str, batch_size: int | str, seed: int = 0) -> DomainBatches:
  """The rows of one split as minibatches of one domain each, shuffled within a domain.

  Every row of the split appears exactly once; padding repeats the first row of
  its minibatch with weight 0, so that it touches nothing that the minibatch does not read. A
  domain without rows has no minibatch. `batch_size` is that of `batch_rows`.

  Raises:
    ValueError: a domain has no rows to train on or, where AUC is measured, none has both labels.

  >>> from mamdr_jax.data import synthetic
  >>> train = pack(synthetic.load(sizes=(120, 90)), "train", batch_size=32)
  >>> train.count.tolist(), train.batch.label.shape  # 72 and 54 rows
  ([3, 2], (5, 32))
  """
  which = np.flatnonzero(dataset.split == SPLITS.index(split))
  rng = np.random.default_rng(seed)
  shuffled = rng.permutation(which)
  rows = shuffled[np.argsort(dataset.domain[shuffled], kind="stable")]
  num_rows = num_rows_of(dataset, split)
  if split == "train" and (num_rows == 0).any():
    empty = brief(dataset.domains[int(np.argmin(num_rows))])
    raise ValueError(f"domain {empty!r} has no rows in the train split; drop it or add rows")
  if split != "train" and unmeasured(dataset, split).all():
    raise ValueError(f"no domain has both labels in the {split} split, so that there is no AUC")
  batch_size = batch_rows(dataset, batch_size)
  count = -(-num_rows // batch_size)
  start = np.cumsum(count) - count
  first = np.cumsum(num_rows) - num_rows
  of_batch = np.repeat(np.arange(len(count)), count)  # [T]
  offset = (np.arange(len(of_batch)) - start[of_batch])[:, None] * batch_size + np.arange(
    batch_size
  )
  real = offset < num_rows[of_batch][:, None]  # [T, B]
  picked = rows[first[of_batch][:, None] + np.where(real, offset, offset[:, :1])]
  return DomainBatches(
    batch=Batch(
      ids={field: jnp.asarray(column[picked], jnp.int32) for field, column in dataset.ids.items()},
      dense={field: jnp.asarray(column[picked]) for field, column in dataset.dense.items()},
      label=jnp.asarray(dataset.label[picked], jnp.float32),
      weight=jnp.asarray(real, jnp.float32),
      domain=jnp.asarray(of_batch, jnp.int32),
    ),
    start=jnp.asarray(start, jnp.int32),
    count=jnp.asarray(count, jnp.int32),
    frozen={field: jnp.asarray(table) for field, table in dataset.frozen.items()},
    own={}
    if split != "train"
    else own_rows(
      dataset.domain[rows],
      {field: x[rows] for field, x in dataset.ids.items() if field not in dataset.frozen},
      len(dataset.domains),
    ),
  )


def unmeasured(dataset: Dataset, split: str) -> np.ndarray:
  """Which domains lack rows of a label in a split, so that they have no AUC there: [D] bool."""
  rows = dataset.split == SPLITS.index(split)
  cell = dataset.domain[rows].astype(np.int64) * 2 + dataset.label[rows]
  cells = np.bincount(cell, minlength=2 * len(dataset.domains)).reshape(-1, 2)
  return cells.min(axis=1) == 0


def own_rows(domain: np.ndarray, ids: Mapping[str, np.ndarray], num_domains: int) -> dict[str, Own]:
  """Which rows of tables the domains have, of rows of data with `domain: [n]` and `ids: [n]`."""
  own = {}
  for field, column in ids.items():
    num_ids = int(column.max()) + 1
    of, distinct = np.divmod(np.unique(domain.astype(np.int64) * num_ids + column), num_ids)
    first = np.searchsorted(of, np.arange(num_domains + 1))
    own[field] = Own(jnp.asarray(distinct, jnp.int32), jnp.asarray(first, jnp.int32))
  every = jnp.arange(num_domains + 1, dtype=jnp.int32)
  return own | {"domain": Own(every[:-1], every)}


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
