"""Of what is kept for every domain and rests elsewhere, the part of a few domains at work.

Shift after shift it is taken to the device, with the rows of tables that those domains have, and is
put back when their rounds are over.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mamdr_jax import own
from mamdr_jax.core import HERE, DomainBatches, Key, Own, Tree
from mamdr_jax.own import NOWHERE
from mamdr_jax.train.at_rest import (
  Kept,
  Level,
  Rest,
  Where,
  empty,
  fields_of,
  laid,
  together,
  with_own,
)
from mamdr_jax.train.parts import power_of_two
from mamdr_jax.view import field_of

BLOCK = 2**28  # bytes that the part at work may take, at least one domain


class Room(NamedTuple):
  """So many domains' part at most is at work at a time; arrays have room for all of it."""

  domains: int
  rows: dict[str, int]  # field -> of its tables


def room(own: Mapping[str, Own], groups: list[np.ndarray]) -> Room:
  """Enough for each of some groups of domains; powers of two, so that few sizes occur."""
  most = lambda counts: power_of_two(max(counts))
  rows = {
    field: most([int((of.first[d + 1] - of.first[d]).sum()) for d in groups])
    for field, of in own.items()
    if field != HERE
  }
  return Room(most([d.size for d in groups]), rows)


def own_of(own: Mapping[str, Own], domains: np.ndarray, room: Room) -> dict[str, Own]:
  """The rows of some domains, rising, filled up to `room`; NumPy."""
  held = np.full(room.domains, NOWHERE, np.int32)
  held[: domains.size] = own[HERE].ids[domains]
  found = {HERE: Own(held, np.arange(room.domains + 1, dtype=np.int32))}
  for field, of in own.items():
    if field != HERE:
      ids = np.full(room.rows[field], NOWHERE, np.int32)
      taken = of.ids[ranges(of.first, domains)]
      ids[: taken.size] = taken
      first = np.full(room.domains + 1, taken.size, np.int32)
      counts = _counts(of.first, domains)
      first[: domains.size] = np.cumsum(counts) - counts
      found[field] = Own(ids, first)
  return found


def taken(kept: Kept, domains: np.ndarray, rooms: Mapping[Where, Room]) -> Kept:
  """The part of some domains, on the device."""
  return jax.tree.map(jnp.asarray, cut(kept, domains, rooms))


def cut(kept: Kept, domains: np.ndarray, rooms: Mapping[Where, Room]) -> Kept:
  """The part of some domains, NumPy."""
  found = {}
  for path, level in kept.items():
    own, sizes = level["own"], rooms[path]

    def take(where, leaf, own=own, sizes=sizes):
      rows, size = _rows(where, own, domains, sizes)
      part = np.zeros((size, *leaf.shape[1:]), _working(leaf.dtype))
      part[: rows.size] = leaf[rows]
      return part

    fields = jax.tree_util.tree_map_with_path(take, fields_of(level))
    found[path] = fields | {"own": own_of(own, domains, sizes)}
  return found


def put(into: Level, state: Tree, domains: np.ndarray) -> None:
  """Writes what a state has for some domains into arrays of all."""
  write(into, {name: getattr(state, name) for name in fields_of(into)}, domains)


def begun(
  keeps: own.Kept, key: Key, state: Tree, others: Kept, train: DomainBatches, rest: Rest
) -> Level:
  """What a method keeps as it begins, some domains after the other.

  Args:
    keeps: what the method says of it.
    key: for `Kept.begin`.
    state: of `Kept.rest`, in which what is kept at `others` lacks, too.
    others: what is kept at other levels of the state.
    train: the split.
    rest: where it is to be.
  """
  every = np.arange(train.start.size)
  shifts = Shifts(others, every, [(0, 1)])
  whole = together(state, shifts.part((0, 1)))
  rows = jax.tree.map(np.asarray, keeps.rows(whole, train))
  one = own_of(rows, every[:1], room(rows, [every[:1]]))
  shapes = jax.eval_shape(keeps.begin, key, whole, one)

  def full(where, leaf):
    size = rows[field_of(where) or HERE].ids.size
    return jax.ShapeDtypeStruct((size, *leaf.shape[1:]), leaf.dtype)

  made = empty(jax.tree_util.tree_map_with_path(full, shapes), rest) | {"own": rows}
  step = most_domains(others | {(): made})
  bounds = [(i, min(i + step, every.size)) for i in range(0, every.size, step)]
  shifts, mine = Shifts(others, every, bounds), Shifts({(): made}, every, bounds)
  begin = jax.jit(keeps.begin)
  for each in bounds:
    domains = mine.domains(each)
    part = own_of(rows, domains, mine.rooms[()])
    fields = begin(key, together(state, shifts.part(each)), jax.tree.map(jnp.asarray, part))
    write(made, fields, domains)
  return made


class Shifts:
  """The domains whose part is at work, one slice of the rounds after the other."""

  def __init__(self, kept: Kept, domain: np.ndarray | None, bounds: list[tuple[int, int]]):
    """`domain: [S]` says for whom a round is, and `bounds` which rounds come together."""
    self.kept, self.domain = kept, domain
    groups = [self.domains(each) for each in bounds] if kept else []
    self.rooms = {where: room(level["own"], groups) for where, level in kept.items()}

  def domains(self, bounds: tuple[int, int]) -> np.ndarray:
    """Of the rounds between two numbers, rising."""
    return np.unique(self.domain[slice(*bounds)])

  def part(self, bounds: tuple[int, int]) -> Kept:
    """What is kept of them, on the device."""
    if not self.kept:
      return {}
    return taken(self.kept, self.domains(bounds), self.rooms)


def fresh(kept: Kept, domain: np.ndarray | None, rest: Rest) -> Kept:
  """Where the moved parts of the domains in `domain` are to rest."""
  made = {}
  for where, level in kept.items():
    every = np.unique(domain).size == level["own"][HERE].ids.size
    made[where] = with_own(level, empty(fields_of(level), rest)) if every else laid(level, rest)
  return made


def most_domains(kept: Kept) -> int | None:
  """Of so many domains the parts take no more than `BLOCK`, in the mean; 1 at least."""
  each = 0
  for level in kept.values():
    num_domains = level["own"][HERE].ids.size
    each += sum(x.size * 4 for x in jax.tree.leaves(fields_of(level))) / num_domains
  return max(1, int(BLOCK / each)) if each else None


def write(into: Level, part: dict[str, Tree], domains: np.ndarray) -> None:
  """Writes the fields of some domains into arrays of all."""

  def put_rows(where, leaf, new):
    rows, _ = _rows(where, into["own"], domains, None)
    leaf[rows] = np.asarray(new)[: rows.size].astype(leaf.dtype)

  jax.tree_util.tree_map_with_path(put_rows, fields_of(into), part)


def _working(dtype) -> np.dtype:
  return np.dtype(np.float32) if dtype == jnp.bfloat16 else np.dtype(dtype)


def _rows(where, own, domains: np.ndarray, room: Room | None) -> tuple[np.ndarray, int]:
  """Which rows of a leaf some domains have, and how many there is room for."""
  field = field_of(where)
  if field is None:
    return domains, room.domains if room else 0
  return ranges(own[field].first, domains), room.rows[field] if room else 0


def _counts(first: np.ndarray, domains: np.ndarray) -> np.ndarray:
  return np.asarray(first[domains + 1] - first[domains], np.int64)


def ranges(first: np.ndarray, domains: np.ndarray) -> np.ndarray:
  """first[d], ..., first[d + 1] − 1 of each domain, end to end."""
  counts = _counts(first, domains)
  offset = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
  return np.repeat(np.asarray(first)[domains].astype(np.int64), counts) + offset
