"""Views: the same pytree with every table cut down to the rows that are in play.

A step on a table of a million rows should cost what it touches, not what the table is long.
So a step takes a view of the parameters and of everything shaped like them (optimizer moments,
deltas), works on that, and merges it back. Loss, model and optimizer never know: they see the
same tree with shorter tables. Any elementwise optax optimizer becomes row-sparse this way.

The paper's embedding cache (Luo et al. 2023, §IV-E) is the same idea one size up: a worker's
static-cache is a view, its dynamic-cache is that view after the inner loop.
"""

import jax
import jax.numpy as jnp

from mamdr_jax.core import Array, Batch, Tree

Rows = dict[str, Array]  # field -> [V] int32, rows of that field's tables; N or more is filler


def touched(tables: Tree, batch: Batch) -> tuple[Rows, Batch]:
  """The distinct rows that `batch` reads, and `batch` renumbered into them.

  A field has min(B, N) slots; those left over hold the index N, which `view` fills with zeros
  and `merge` drops. The field `domain` is indexed by the domain of the batch: one row.
  """
  rows, ids, domain = {}, dict(batch.ids), batch.domain
  for field, leaves in tables.items():
    num_rows = jax.tree.leaves(leaves)[0].shape[0]
    if field == "domain":
      rows[field], domain = batch.domain[None], jnp.zeros_like(batch.domain)
    else:
      column = batch.ids[field]
      size = min(column.size, num_rows)
      rows[field], ids[field] = jnp.unique(
        column, size=size, fill_value=num_rows, return_inverse=True
      )
  return rows, batch._replace(ids=ids, domain=domain)


def view(tree: Tree, rows: Rows) -> Tree:
  """`tree` with each leaf [N, ...] under tables[field] cut down to rows[field]: [V, ...]."""

  def cut(path, leaf):
    field = _field(path)
    return leaf if field is None else leaf.at[rows[field]].get(mode="fill", fill_value=0)

  return jax.tree_util.tree_map_with_path(cut, tree)


def merge(tree: Tree, part: Tree, rows: Rows) -> Tree:
  """`tree` with the rows of the view `part` put back; leaves outside tables are those of `part`."""

  def put(path, leaf, new):
    field = _field(path)
    return new if field is None else leaf.at[rows[field]].set(new, mode="drop")

  return jax.tree_util.tree_map_with_path(put, tree, part)


def _field(path) -> str | None:
  """The field whose table a leaf at `path` belongs to: the key that follows "tables"."""
  keys = [getattr(entry, "key", None) for entry in path]
  return keys[keys.index("tables") + 1] if "tables" in keys else None
