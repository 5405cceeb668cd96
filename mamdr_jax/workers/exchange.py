"""Tables spread over workers, and rows that go from their owners to those who read them and back.

Row i of a table is owned by worker i % W, and is its row i // W, so that neighbours, which often
are read together, have different owners. What a worker reads is fetched as a `view` (its
static-cache), moves there with nothing said to others (its dynamic-cache), and what comes of it is
given back to the owners, who take the outer step on those rows: Luo et al. 2023, §IV-E. Theirs is
asynchronous; here all workers of a round start from the same parameters, and an owner takes the
mean over those that read a row.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mamdr_jax.core import Array, Tree
from mamdr_jax.view import Rows, field_of
from mamdr_jax.workers.crew import Crew

NOWHERE = np.iinfo(np.int32).max  # a row that no table has


class Route(NamedTuple):
  """The rows of a field that workers read: where they are, and where they go."""

  row: Array  # [W, W, C] int32, of each worker from each owner, rows of the owner's; NOWHERE: none
  place: Array  # [W, V] int32, of each row of the view, owner · C + number from there; or NOWHERE


Routes = dict[str, Route]


def route(rows: np.ndarray, owners: int, places: int, capacity: int, spots=None) -> Route:
  """That of one worker, who reads `rows`, distinct and rising: leaves without the first axis.

  Args:
    rows: [n] global numbers.
    owners: W.
    places: V, rows of the view.
    capacity: C, no less than `most_of_one`.
    spots: [n], which rows of the view they are; by default the first n.
  """
  owner = rows % owners
  order = np.argsort(owner, kind="stable")
  counts = np.bincount(owner, minlength=owners)
  number = np.empty_like(rows)  # among those of its owner
  number[order] = np.arange(rows.size) - np.repeat(np.cumsum(counts) - counts, counts)
  wanted = np.full((owners, capacity), NOWHERE, np.int32)
  wanted[owner, number] = rows // owners
  place = np.full(places, NOWHERE, np.int32)
  place[np.arange(rows.size) if spots is None else spots] = owner * capacity + number
  return Route(wanted, place)


def most_of_one(rows: np.ndarray, owners: int) -> int:
  """How many of some rows the owner of most of them has."""
  return int(np.bincount(rows % owners, minlength=owners).max())


def spread(tree: Tree, num: int) -> Tree:
  """Tables as their owners have them, leaves [N, ...] -> [W, ⌈N / W⌉, ...]; the rest as it is."""

  def deal(path, leaf):
    if field_of(path) is None:
      return leaf
    short = -leaf.shape[0] % num
    padded = jnp.pad(leaf, ((0, short), *((0, 0) for _ in leaf.shape[1:])))
    return padded.reshape(-1, num, *leaf.shape[1:]).swapaxes(0, 1)

  return jax.tree_util.tree_map_with_path(deal, tree)


def whole(tree: Tree, like: Tree) -> Tree:
  """What was `spread`, put together; `like` has the shapes."""

  def join(path, leaf, shape):
    if field_of(path) is None:
      return leaf
    return leaf.swapaxes(0, 1).reshape(-1, *leaf.shape[2:])[: shape.shape[0]]

  return jax.tree_util.tree_map_with_path(join, tree, like)


def fetch(crew: Crew, tree: Tree, routes: Routes) -> Tree:
  """The view of each worker: tables [W, n, ...] -> [W, V, ...], the rest [...] -> [W, ...]."""
  given = lambda own, rows: own.at[rows].get(mode="fill", fill_value=0)
  put = lambda got, place: got.reshape(-1, *got.shape[2:]).at[place].get(mode="fill", fill_value=0)
  wanted = {field: crew.exchanged(of.row) for field, of in routes.items()}

  def get(path, leaf):
    field = field_of(path)
    if field is None:
      return crew.wide(leaf)
    got = crew.exchanged(crew.each(given)(leaf, wanted[field]))
    return crew.each(put)(got, routes[field].place)

  return jax.tree_util.tree_map_with_path(get, tree)


def give_back(crew: Crew, part: Tree, routes: Routes, took: Array) -> tuple[Rows, Tree]:
  """What workers have come to, as the owners see it: means over the workers that read a row.

  Args:
    crew: the workers.
    part: shaped as what they `fetch`ed.
    routes: by which that went.
    took: [W] bool, whether a worker had anything to do.

  Returns:
    For each owner the rows that somebody read, [W, U], and of tables the means there, [W, U, ...];
    of the rest the mean over those that had something to do, [...].
  """
  rows, inverse = {}, {}
  for field, of in routes.items():
    size = max(2, crew.num * of.row.shape[2])
    distinct = lambda asked, size=size: jnp.unique(
      asked, size=size, fill_value=NOWHERE, return_inverse=True
    )
    rows[field], inverse[field] = crew.each(distinct)(crew.exchanged(of.row))

  def sent(x, place, capacity):
    flat = jnp.zeros((crew.num * capacity, *x.shape[1:]), x.dtype)
    return flat.at[place].set(x, mode="drop").reshape(crew.num, capacity, *x.shape[1:])

  def mean(got, inverse, rows):
    to, flat = inverse.ravel(), got.reshape(-1, *got.shape[2:])
    count = jnp.maximum(jnp.zeros(rows.size).at[to].add(1.0), 1)
    total = jnp.zeros((rows.size, *flat.shape[1:]), flat.dtype).at[to].add(flat)
    return (total / count.reshape(-1, *[1] * (flat.ndim - 1)).astype(total.dtype)).astype(got.dtype)

  def back(path, leaf):
    field = field_of(path)
    if field is None:
      kept = jnp.where(took.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, 0)
      return (crew.total(kept) / crew.total(took.astype(jnp.float32))).astype(leaf.dtype)
    of = routes[field]
    send = lambda x, place: sent(x, place, of.row.shape[2])
    got = crew.exchanged(crew.each(send)(leaf, of.place))
    return crew.each(mean)(got, inverse[field], rows[field])

  return rows, jax.tree_util.tree_map_with_path(back, part)


def owned(crew: Crew, tree: Tree, rows: Rows) -> Tree:
  """The view of each owner on rows of its own: tables [W, n, ...] -> [W, U, ...]."""
  look = lambda own, rows: own.at[rows].get(mode="fill", fill_value=0)
  cut = lambda path, leaf: (
    leaf if field_of(path) is None else crew.each(look)(leaf, rows[field_of(path)])
  )
  return jax.tree_util.tree_map_with_path(cut, tree)


def put_back(crew: Crew, tree: Tree, part: Tree, rows: Rows) -> Tree:
  """`tree` with what `owned` gave, moved, in its place."""
  write = lambda own, rows, new: own.at[rows].set(new, mode="drop")

  def put(path, leaf, new):
    field = field_of(path)
    return new if field is None else crew.each(write)(leaf, rows[field], new)

  return jax.tree_util.tree_map_with_path(put, tree, part)


def stepped(
  crew: Crew,
  params: Tree,
  opt_state: Tree,
  gradient: Tree,
  rows: Rows,
  tx: optax.GradientTransformation,
) -> tuple[Tree, Tree]:
  """Parameters and optimizer's state after a step of the owners, on `rows` of theirs alone."""
  at, at_state = owned(crew, params, rows), owned(crew, opt_state, rows)
  updates, moved = tx.update(gradient, at_state, at)
  at = optax.apply_updates(at, updates)
  return put_back(crew, params, at, rows), put_back(crew, opt_state, moved, rows)
