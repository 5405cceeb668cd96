"""Views: the same pytree with every table cut down to the rows that are in play.

A step on a table of a million rows should cost what it touches, not what the table is long.
So a step takes a view of the parameters and of everything shaped like them (optimizer moments,
deltas), works on that, and merges it back. Loss, model and optimizer never know: they see the
same tree with shorter tables. Any elementwise optax optimizer becomes row-sparse this way.

The paper's embedding cache (Luo et al. 2023, §IV-E) is the same idea one size up: a worker's
static-cache is a view of what a round touches, its dynamic-cache is that view after the inner loop.
"""

import jax
import jax.numpy as jnp

from mamdr_jax.core import Array, Batch, Tree

Rows = dict[str, Array]  # field -> [V] int32, rows of that field's tables; N or more is filler


def touched(tables: Tree, batch: Batch) -> tuple[Rows, Batch]:
  """The distinct rows that `batch` reads, and `batch` renumbered into them.

  `batch` is one minibatch or several: a field's ids are [B] or [S, B], and domains, which index the
  tables of the field `domain`, [] or [S]. A field has a slot for each id, though two at least and N
  at most; those left over hold the index N, which `view` fills with zeros and `merge` drops.
  """
  rows, ids = {}, batch.ids | {"domain": batch.domain}
  for field, leaves in tables.items():
    column = ids[field]
    num_rows = jax.tree.leaves(leaves)[0].shape[0]
    # XLA turns a scatter of one row into a slice update that copies the table.
    size = min(max(column.size, 2), num_rows)
    rows[field], inverse = jnp.unique(column, size=size, fill_value=num_rows, return_inverse=True)
    ids[field] = inverse.reshape(column.shape).astype(column.dtype)
  domain = ids.pop("domain")
  return rows, batch._replace(ids=ids, domain=domain)


def view(tree: Tree, rows: Rows | None, entry: Array | None = None) -> Tree:
  """`tree` with each leaf [N, ...] under tables[field] cut down to rows[field]: [V, ...].

  If `rows` is None nothing is cut. With `entry` the leaves of `tree` have one more axis in front,
  and only that entry is taken.

  >>> params = {"tables": {"user": {"bias": jnp.arange(4.0)}}, "net": {"w": jnp.ones(2)}}
  >>> part = view(params, {"user": jnp.array([1, 3])})
  >>> part["tables"]["user"]["bias"].tolist(), part["net"]["w"].tolist()
  ([1.0, 3.0], [1.0, 1.0])
  """
  front = () if entry is None else (entry,)

  def cut(path, leaf):
    field = _field(path)
    if field is None or rows is None:
      return leaf[front] if front else leaf
    return leaf.at[(*front, rows[field])].get(mode="fill", fill_value=0)

  return jax.tree_util.tree_map_with_path(cut, tree)


def merge(tree: Tree, part: Tree, rows: Rows | None, entry: Array | None = None) -> Tree:
  """`tree` with the view `part` put back: its rows of the tables, all of the other leaves.

  >>> params = {"tables": {"user": {"bias": jnp.zeros(4)}}}
  >>> part = {"tables": {"user": {"bias": jnp.array([5.0, 7.0])}}}
  >>> merge(params, part, {"user": jnp.array([1, 3])})["tables"]["user"]["bias"].tolist()
  [0.0, 5.0, 0.0, 7.0]
  """
  front = () if entry is None else (entry,)

  def put(path, leaf, new):
    field = _field(path)
    if field is None or rows is None:
      return leaf.at[front].set(new) if front else new
    return leaf.at[(*front, rows[field])].set(new, mode="drop")

  return jax.tree_util.tree_map_with_path(put, tree, part)


def _field(path) -> str | None:
  """The field whose table a leaf at `path` belongs to: the key that follows "tables"."""
  keys = [getattr(entry, "key", None) for entry in path]
  return keys[keys.index("tables") + 1] if "tables" in keys else None
