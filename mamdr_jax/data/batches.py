"""Rows of a split become minibatches of one domain each: all of them, or some."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mamdr_jax.core import HERE, Batch, DomainBatches, Own
from mamdr_jax.data.dataset import SPLITS, Dataset, batch_rows, num_rows_of, unmeasured
from mamdr_jax.data.files import brief

FILLER = np.iinfo(np.int32).max  # a minibatch that no split has


class HostBatches(NamedTuple):
  """One split on the host, which minibatches are `cut` from; `n` rows, contiguous by domain."""

  dataset: Dataset  # its arrays, perhaps mapped from files
  rows: np.ndarray  # [n] integer, which rows of the data set, in the order in which they are dealt
  first: np.ndarray  # [D + 1] int64, where the rows of a domain begin
  batch_size: int
  start: np.ndarray  # [D] int32, a domain's first minibatch
  count: np.ndarray  # [D] int32, how many it has
  frozen: dict[str, jax.Array]  # as in `DomainBatches`, on the device
  own: dict[str, Own]


def on_host(
  dataset: Dataset, split: str, batch_size: int | str, seed: int = 0, own: bool = True
) -> HostBatches:
  """A split, its rows shuffled within a domain; see `pack`."""
  which = np.flatnonzero(dataset.split == SPLITS.index(split))
  if len(dataset.label) <= np.iinfo(np.int32).max:
    which = which.astype(np.int32)
  shuffled = np.random.default_rng(seed).permutation(which)
  rows = shuffled[np.argsort(dataset.domain[shuffled], kind="stable")]
  num_rows = num_rows_of(dataset, split)
  if split == "train" and (num_rows == 0).any():
    empty = brief(dataset.domains[int(np.argmin(num_rows))])
    raise ValueError(f"domain {empty!r} has no rows in the train split; drop it or add rows")
  if split != "train" and unmeasured(dataset, split).all():
    raise ValueError(f"no domain has both labels in the {split} split, so that there is no AUC")
  batch_size = batch_rows(dataset, batch_size)
  count = (-(-num_rows // batch_size)).astype(np.int32)
  kept = {}
  if own and split == "train":
    trained = {field: x for field, x in dataset.ids.items() if field not in dataset.frozen}
    kept = own_rows(
      dataset.domain[rows], {f: x[rows] for f, x in trained.items()}, len(dataset.domains)
    )
  return HostBatches(
    dataset=dataset,
    rows=rows,
    first=np.concatenate([[0], np.cumsum(num_rows)]),
    batch_size=batch_size,
    start=(np.cumsum(count) - count).astype(np.int32),
    count=count,
    frozen={field: jnp.asarray(table) for field, table in dataset.frozen.items()},
    own=kept,
  )


def some(data: DomainBatches | HostBatches, ids: np.ndarray) -> DomainBatches:
  """As much of a split as has the minibatches `ids`, rising and distinct, on the device."""
  return on_device(cut(data, ids)) if isinstance(data, HostBatches) else data


def on_device(data: DomainBatches) -> DomainBatches:
  return jax.tree.map(jnp.asarray, data)


def domains_of(data: HostBatches) -> np.ndarray:
  """The domain of every minibatch: [T] int32."""
  return np.repeat(np.arange(data.count.size, dtype=np.int32), data.count)


def cut(
  data: HostBatches, ids: np.ndarray, size: int | None = None, domain: np.ndarray | None = None
) -> DomainBatches:
  """The minibatches `ids`, rising and distinct, as a part of the split, its arrays in NumPy.

  Padding repeats the first row of its minibatch with weight 0, so that it touches nothing that the
  minibatch does not read.

  Args:
    data: the split.
    ids: [S] int32.
    size: with it as many minibatches, those after the first S of weight 0.
    domain: what `domains_of` gives, if the caller has it.
  """
  every = domains_of(data) if domain is None else domain
  which = np.full(size or ids.size, FILLER, np.int32)
  which[: ids.size] = ids
  taken = np.concatenate([ids, np.broadcast_to(ids[-1:], which.size - ids.size)])
  of_batch = every[taken]
  offset = (taken - data.start[of_batch]).astype(np.int64)[:, None] * data.batch_size
  offset = offset + np.arange(data.batch_size)
  begin, end = data.first[of_batch][:, None], data.first[of_batch + 1][:, None]
  real = begin + offset < end  # [S, B]
  picked = data.rows[begin + np.where(real, offset, offset[:, :1])]
  real[ids.size :] = False
  dataset = data.dataset
  return DomainBatches(
    batch=Batch(
      ids={field: column[picked].astype(np.int32) for field, column in dataset.ids.items()},
      dense={field: column[picked] for field, column in dataset.dense.items()},
      label=dataset.label[picked].astype(np.float32),
      weight=real.astype(np.float32),
      domain=of_batch,
    ),
    start=data.start,
    count=data.count,
    frozen=data.frozen,
    own=data.own,
    which=which,
  )


def dealt(data: HostBatches, seed: Sequence[int], domains: np.ndarray) -> None:
  """Deals the rows of some domains anew, in place: to each a permutation of its own, by the seed.

  `data.rows` is to be a copy of what the split began with.
  """
  for d in domains:
    begin, end = data.first[d], data.first[d + 1]
    np.random.default_rng([*seed, int(d)]).shuffle(data.rows[begin:end])


def pack(
  dataset: Dataset, split: str, batch_size: int | str, seed: int = 0, own: bool = True
) -> DomainBatches:
  """The rows of one split as minibatches of one domain each, shuffled within a domain.

  Every row of the split appears exactly once; padding repeats the first row of its minibatch with
  weight 0. A domain without rows has no minibatch. `batch_size` is that of `batch_rows`. Without
  `own` nobody is told which rows of tables a domain has: `Method.own` says whether a method asks.

  Raises:
    ValueError: a domain has no rows to train on or, where AUC is measured, none has both labels.

  >>> from mamdr_jax.data import synthetic
  >>> train = pack(synthetic.load(sizes=(120, 90)), "train", batch_size=32)
  >>> train.count.tolist(), train.batch.label.shape  # 72 and 54 rows
  ([3, 2], (5, 32))
  """
  data = on_host(dataset, split, batch_size, seed, own)
  every = cut(data, np.arange(data.count.sum(), dtype=np.int32))
  return on_device(every._replace(which=None))


def own_rows(domain: np.ndarray, ids: Mapping[str, np.ndarray], num_domains: int) -> dict[str, Own]:
  """Which rows of tables the domains have, of rows of data with `domain: [n]` and `ids: [n]`."""
  own = {}
  for field, column in ids.items():
    num_ids = int(column.max()) + 1
    of, distinct = np.divmod(np.unique(domain.astype(np.int64) * num_ids + column), num_ids)
    first = np.searchsorted(of, np.arange(num_domains + 1))
    own[field] = Own(jnp.asarray(distinct, jnp.int32), jnp.asarray(first, jnp.int32))
  every = jnp.arange(num_domains + 1, dtype=jnp.int32)
  of_itself = Own(every[:-1], every)
  return own | {"domain": of_itself, HERE: of_itself}
