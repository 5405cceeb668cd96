"""What is kept for every domain, at rest on the host or on disk.

It is NumPy arrays, in memory or mapped from files without a name, which go when nobody has them any
more, also where the process is killed. Nothing is changed in place: an epoch writes new arrays, so
that a state and the best one may share theirs.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mamdr_jax.core import Method, Tree
from mamdr_jax.view import field_of


class Rest(NamedTuple):
  """Where it rests."""

  folder: Path | None  # None: in memory
  dtype: str = "float32"  # of floats; what is at work is always float32


Where = tuple[str, ...]  # the fields that lead from a state to one that it holds
# A level of a state that keeps something: those fields, and "own"; and all levels.
Level = dict[str, Tree]
Kept = dict[Where, Level]


def levels(method: Method, path: Where = ()) -> list[tuple[Where, tuple[str, ...]]]:
  """Where in a method's state, and in that of the method it began with, which fields are kept."""
  here = [(path, method.kept.fields)] if method.kept else []
  return here + (levels(method.base, (*path, "begun")) if method.base else [])


def apart(state: Tree, method: Method) -> tuple[Tree, Kept]:
  """A state without what is kept, and that."""
  kept = {}
  for path, fields in levels(method):
    level = part_of(state, path)
    kept[path] = {name: getattr(level, name) for name in fields}
    on_host = lambda x: np.asarray(x) if hasattr(x, "__array__") else x  # a shape stays one
    kept[path]["own"] = jax.tree.map(on_host, level.own)
    state = with_part(state, path, dict.fromkeys(kept[path], ()))
  return state, kept


def together(state: Tree, kept: Kept) -> Tree:
  """The state of which the two are `apart`."""
  for path in sorted(kept, key=len):
    state = with_part(state, path, kept[path])
  return state


def empty(like: Tree, rest: Rest) -> Tree:
  """Arrays of these shapes at rest, to be filled."""

  def make(leaf):
    dtype = np.dtype(leaf.dtype)
    if np.issubdtype(dtype, np.floating) or dtype == jnp.bfloat16:
      dtype = jnp.dtype(rest.dtype)
    if rest.folder is None or not leaf.size:
      return np.zeros(leaf.shape, dtype)
    with tempfile.TemporaryFile(dir=rest.folder) as file:
      # A disk that is full is an error here; to write into a map without room ends the process.
      os.posix_fallocate(file.fileno(), 0, leaf.size * dtype.itemsize)
      return np.memmap(file, dtype, "r+", shape=leaf.shape)

  return jax.tree.map(make, like)


def laid(level: Level, rest: Rest) -> Level:
  """The same values at rest."""
  made = empty(fields_of(level), rest)
  pairs = zip(jax.tree.leaves(made), jax.tree.leaves(fields_of(level)), strict=True)
  for into, leaf in pairs:
    for rows in _blocks(leaf):
      into[rows] = leaf[rows]
  return with_own(level, made)


def chosen(condition: np.ndarray, a: Level, b: Level, rest: Rest) -> Level:
  """As `own.choose`, of what is at rest."""

  def pick(where, x, y):
    field, made = field_of(where), empty(x, rest)
    holds = condition
    if field is not None:
      holds = np.repeat(condition, np.diff(a["own"][field].first))
    for rows in _blocks(x):
      wide = holds[rows].reshape(-1, *[1] * (x.ndim - 1))
      made[rows] = np.where(wide, x[rows], y[rows])
    return made

  return with_own(a, jax.tree_util.tree_map_with_path(pick, fields_of(a), fields_of(b)))


def fields_of(level: Level) -> dict[str, Tree]:
  """A level without "own"."""
  return {name: tree for name, tree in level.items() if name != "own"}


def with_own(level: Level, fields: dict[str, Tree]) -> Level:
  """Other fields of the rows of a level."""
  return fields | {"own": level["own"]}


def _blocks(leaf) -> Iterator[slice]:
  step = max(1, 2**24 // max(1, leaf[:1].size))
  return (slice(i, i + step) for i in range(0, leaf.shape[0], step))


def part_of(state: Tree, path: Where) -> Tree:
  """What these fields lead to."""
  for name in path:
    state = getattr(state, name)
  return state


def with_part(state: Tree, path: Where, fields: Mapping[str, Tree]) -> Tree:
  """The state with other values of some fields there."""
  if not path:
    return state._replace(**fields)
  name, *rest = path
  return state._replace(**{name: with_part(getattr(state, name), tuple(rest), fields)})
