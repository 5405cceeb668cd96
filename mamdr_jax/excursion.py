"""A descent over all the data of a domain, or two, and the outer step after it.

Where a visit is bounded, what it moves is a view (`view.py`) of as many rows as the bound allows.
All the data of a domain have no bound that would suit small and large domains alike. So tables of
full length stand ready, clear between two excursions: the rows that the domain has are put there,
the descent moves them, an outer step takes them back, and they are cleared. All of it costs what
the domain has, and the tables are there once, however many domains there are.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from mamdr_jax import tree
from mamdr_jax.core import Array, DomainBatches, Key, Loss, Own, Params, Tree
from mamdr_jax.descent import descend, pull
from mamdr_jax.own import fields, over_rows
from mamdr_jax.schedule import Order
from mamdr_jax.view import field_of, merge, view


class Spare(NamedTuple):
  """Where an excursion works; its tables are clear before and after."""

  params: Params
  inner: Tree  # state of the inner optimizer


def spare(params: Params, tx: optax.GradientTransformation) -> Spare:
  """Room for parameters of this shape."""
  clear = tree.zeros_like(params)
  return Spare(clear, tx.init(clear))


def excursion(
  key: Key,
  room: Spare,
  kept: Tree,
  outer_state: Tree,
  data: DomainBatches,
  order: Order,
  length: Array,
  *,
  own: Mapping[str, Own],
  target: Array,
  helper: Array | None = None,
  of_domains: bool = False,
  loss: Loss,
  tx: optax.GradientTransformation,
  outer_tx: optax.GradientTransformation,
  base: Params | None = None,
  carry: bool = False,
  sparse: bool = True,
) -> tuple[Spare, Tree, Tree, Array]:
  """θ̃ ← θ, descended along `order`, then an outer step of θ towards θ̃, in the rows of `target`.

  Args:
    key: consumed.
    room: see `Spare`.
    kept, outer_state: θ and the outer optimizer's state: parameters, or, if `of_domains`, what
      `own.spread` makes of them, of which the target's part is θ.
    data, order, length, loss, tx, base, sparse: see `descend`.
    own: the rows of θ that domains have.
    target: [] int32, the domain whose rows move; if `of_domains`, which entry of `own` it is.
    helper: [] int32, another domain whose minibatches are in `order`.
    outer_tx: the outer optimizer.
    carry: the inner optimizer's state stays in `room`; if False it starts afresh.

  Returns:
    The room, `kept` and `outer_state` after the step, and the mean loss of the descent.
  """
  own = fields(own, kept)
  entry = target if of_domains else None
  at = lambda rows, places: places if of_domains else rows

  def load(params, rows, places):
    return merge(params, view(kept, at(rows, places), entry), rows)

  start = over_rows(own, target, load, room.params)
  end, ended, mean_loss = descend(
    key, start, room.inner, data, order,
    loss=loss, tx=tx, length=length, base=base, sparse=sparse,
  )  # fmt: skip
  clear = spare(_shortest(room.params), tx)

  def wipe(room, rows, cleared=clear.params):
    params = merge(room.params, cleared, rows, only="tables")
    return Spare(params, room.inner if carry else merge(room.inner, clear.inner, rows))

  def step(room, trees, rows, places, only):
    where = at(rows, places)
    old, old_state = (view(x, where, entry) for x in trees)
    moved = pull(old, view(room.params, rows), old_state, outer_tx)
    return tuple(
      merge(x, new, where, entry, only=only) for x, new in zip(trees, moved, strict=True)
    )

  def take_back(carried, rows, places):
    room, trees = carried
    trees = step(room, trees, rows, places, "tables")
    if not sparse:
      return room, trees
    # A 0 that is made of what was there: else XLA, which knows no order between reading a table and
    # writing to it, would read a copy.
    zero = lambda x: jnp.where(jnp.isfinite(x), x - x, 0)
    return wipe(room, rows, jax.tree.map(zero, view(room.params, rows))), trees

  nothing = {field: jnp.zeros(0, jnp.int32) for field in own}
  room, trees = over_rows(own, target, take_back, (Spare(end, ended), (kept, outer_state)))
  kept, outer_state = step(room, trees, nothing, nothing, "others")
  if not sparse:
    afresh = spare(room.params, tx)
    room = Spare(afresh.params, room.inner if carry else afresh.inner)
  elif helper is not None:
    room = over_rows(fields(data.own, kept), helper, lambda room, rows, _: wipe(room, rows), room)
  return room, kept, outer_state, mean_loss


def _shortest(params: Params) -> Params:
  """The same with tables of one row."""
  one_row = lambda path, leaf: leaf if field_of(path) is None else leaf[:1]
  return jax.tree_util.tree_map_with_path(one_row, params)
