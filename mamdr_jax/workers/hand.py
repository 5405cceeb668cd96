"""What a worker is handed, made on the host: minibatches, numbered by the rows that they read.

It is made in arrays as long as one worker needs them. Those of all workers are then made equally
long and laid side by side, `Sizes` having asked all processes how long.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from mamdr_jax.core import Batch, DomainBatches, Own, Tree
from mamdr_jax.data.batches import HostBatches, cut
from mamdr_jax.train.shifts import ranges
from mamdr_jax.workers.crew import Crew
from mamdr_jax.workers.exchange import Route, most_of_one, route

Rows = dict[str, np.ndarray]  # field -> global rows, distinct and rising


class Sizes:
  """Of arrays that all workers are to have equally long: so long as any needs them, rounded up."""

  def __init__(self, crew: Crew):
    self._crew, self._room = crew, {}

  def __call__(self, needed: list[dict]) -> dict:
    """The sizes by name, given what the workers here need; all processes ask at a time.

    They never shrink, so that few programs are compiled.
    """
    names = sorted(needed[0])
    here = np.array([[each[name] for name in names] for each in needed], np.int64).max(0)
    for name, most in zip(names, self._crew.most(here).tolist(), strict=True):
      self._room[name] = max(self._room.get(name, 0), roomy(most))
    return {name: self._room[name] for name in names}


def roomy(least: int) -> int:
  """A number that is no less and at most an eighth more, of which there are few; 2 at least."""
  step = 1 << max((max(least, 2) - 1).bit_length() - 4, 0)
  return max(2, -(-least // step) * step)


def dealt_out(count: np.ndarray, num: int) -> list[np.ndarray]:
  """The domains of each of `num` workers, rising, about as many and as many minibatches for each.

  Raises:
    ValueError: there are fewer domains than workers.
  """
  if count.size < num:
    raise ValueError(f"workers={num} need as many domains, and there are {count.size}")
  turn, place = np.divmod(np.arange(count.size), num)
  owner = np.where(turn % 2, num - 1 - place, place)  # to and fro, from the largest on
  largest_first = np.argsort(-count, kind="stable")
  return [np.sort(largest_first[owner == w]) for w in range(num)]


def skeleton(data: HostBatches, domains: np.ndarray) -> tuple[DomainBatches, np.ndarray]:
  """As much of a worker's share as a plan looks at, and its minibatches' numbers in the split."""
  count = data.count[domains]
  start = (np.cumsum(count) - count).astype(np.int32)
  of = np.repeat(np.arange(domains.size, dtype=np.int32), count)
  numbers = np.arange(of.size, dtype=np.int32) - start[of] + data.start[domains][of]
  batch = Batch({}, {}, None, None, jnp.asarray(of))
  return DomainBatches(batch, jnp.asarray(start), jnp.asarray(count), {}, {}), numbers


def restricted(own: Mapping[str, Own], domains: np.ndarray) -> dict[str, Own]:
  """The rows of some domains, which keep their numbers under `HERE` alone; NumPy."""

  def of_some(of):
    ids, first = np.asarray(of.ids), np.asarray(of.first)
    counts = first[domains + 1] - first[domains]
    return Own(
      ids[ranges(first, domains)], np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    )

  return {field: of_some(of) for field, of in own.items()}


def minibatches(data: HostBatches, ids: np.ndarray, size: int, domain: np.ndarray) -> DomainBatches:
  """`cut`, given features looked up in it."""
  part = cut(data, ids, size, domain)
  batch, features = part.batch, data.frozen  # the data set of validation and test has none
  dense = {field: np.asarray(table)[batch.ids[field]] for field, table in features.items()}
  trained = {field: x for field, x in batch.ids.items() if field not in features}
  batch = batch._replace(ids=trained, dense=batch.dense | dense)
  return part._replace(batch=batch, frozen={}, own={})


def rows_of(batch: Batch, tables: Mapping) -> Rows:
  """What minibatches read of the fields in `tables`."""
  read = batch.ids | {"domain": batch.domain}
  return {field: np.unique(read[field]) for field in tables}


def numbered(batch: Batch, rows: Rows) -> Batch:
  """Minibatches whose ids are numbers among `rows`. A domain keeps its own, see `routes`."""
  ids = {
    field: number(rows[field], column) if field in rows else column
    for field, column in batch.ids.items()
  }
  return batch._replace(ids=ids)


def number(rows: np.ndarray, ids: np.ndarray) -> np.ndarray:
  """Which of `rows`, rising, each id is."""
  found = np.searchsorted(rows, ids).astype(np.int32)
  return np.minimum(found, max(rows.size - 1, 0))


def needs(rows: Rows, crew: Crew) -> dict[str, int]:
  """How many places, and how many from an owner, the `routes` of a worker take."""
  found = {}
  for field, of in rows.items():
    found |= {f"places {field}": of.size, f"from {field}": most_of_one(of, crew.num)}
  return found


def routes(rows: Rows, crew: Crew, sizes: Mapping[str, int], num_domains: int) -> dict[str, Route]:
  """The way of a worker's rows. Those of domains keep their numbers, since minibatches do too."""
  found = {}
  for field, of in rows.items():
    places, spots = sizes[f"places {field}"], None
    if field == "domain":
      places, spots = num_domains, of
    found[field] = route(of, crew.num, places, sizes[f"from {field}"], spots)
  return found


def longer(x: np.ndarray, size: int, value) -> np.ndarray:
  """`x` with as many more entries of a value as make up `size`."""
  if len(x) == size:
    return x
  room = np.full((size, *x.shape[1:]), value, x.dtype)
  room[: len(x)] = x
  return room


def side_by_side(pieces: list[Tree]) -> Tree:
  """[...] of each worker here -> [W', ...]."""
  return jax.tree.map(lambda *leaves: np.stack(leaves), *pieces)


def is_key(x: jax.Array) -> bool:
  return jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def raw(entries: Tree) -> Tree:
  """Keys as their data, all of it in NumPy."""
  return jax.tree.map(lambda x: np.asarray(jax.random.key_data(x) if is_key(x) else x), entries)
