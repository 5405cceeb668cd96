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

from mamdr_jax.core import Array, Batch, Params, Tree

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


def read(tables: Tree, batch: Batch) -> tuple[Rows, Batch]:
  """As `touched` for one minibatch that is only read: a row for each id, repeated as ids are."""
  ids = batch.ids | {"domain": batch.domain[None]}
  rows = {field: ids[field] for field in tables}
  numbered = {f: jnp.arange(x.size, dtype=x.dtype) if f in rows else x for f, x in ids.items()}
  domain = numbered.pop("domain")[0]
  return rows, batch._replace(ids=numbered, domain=domain)


def view(tree: Tree, rows: Rows | None, entry: Array | None = None) -> Tree:
  """`tree` with each leaf [N, ...] under tables[field] cut down to rows[field]: [V, ...].

  If `rows` is None no table is cut. With `entry` the other leaves have one more axis in front, of
  which that entry is taken: so it is in what is kept for all domains together, see `own.py`.

  >>> params = {"tables": {"user": {"bias": jnp.arange(4.0)}}, "net": {"w": jnp.ones(2)}}
  >>> part = view(params, {"user": jnp.array([1, 3])})
  >>> part["tables"]["user"]["bias"].tolist(), part["net"]["w"].tolist()
  ([1.0, 3.0], [1.0, 1.0])
  """

  def cut(path, leaf):
    field = field_of(path)
    if field is None:
      return leaf if entry is None else leaf[entry]
    return leaf if rows is None else leaf.at[rows[field]].get(mode="fill", fill_value=0)

  return jax.tree_util.tree_map_with_path(cut, tree)


def merge(
  tree: Tree,
  part: Tree,
  rows: Rows | None,
  entry: Array | None = None,
  *,
  only: str | None = None,
) -> Tree:
  """`tree` with the view `part` put back: its rows of the tables, all of the other leaves.

  With `only` "tables" or "others" the rest stays as it is.

  >>> params = {"tables": {"user": {"bias": jnp.zeros(4)}}}
  >>> part = {"tables": {"user": {"bias": jnp.array([5.0, 7.0])}}}
  >>> merge(params, part, {"user": jnp.array([1, 3])})["tables"]["user"]["bias"].tolist()
  [0.0, 5.0, 0.0, 7.0]
  """

  def put(path, leaf, new):
    field = field_of(path)
    if only == ("others" if field else "tables"):
      return leaf
    if field is None:
      return new if entry is None else leaf.at[entry].set(new)
    return new if rows is None else leaf.at[rows[field]].set(new, mode="drop")

  return jax.tree_util.tree_map_with_path(put, tree, part)


def every_id(tree: Tree) -> Rows:
  """All rows of the tables of a tree."""
  rows = lambda leaves: jnp.arange(jax.tree.leaves(leaves)[0].shape[0])
  return {field: rows(leaves) for field, leaves in tree.get("tables", {}).items()}


def field_of(path) -> str | None:
  """The field whose table a leaf at `path` belongs to: the key that follows "tables"."""
  keys = [getattr(entry, "key", None) for entry in path]
  return keys[keys.index("tables") + 1] if "tables" in keys else None


def one_for_all(state: Tree, domain: Array, rows: Rows | None = None) -> Params:
  """`Method.params` where all domains are served alike, by `state.params`."""
  del domain
  return view(state.params, rows)


def params_alone(state: Tree) -> Tree:
  """`Method.served` of the same."""
  return state._replace(**{name: () for name in state._fields if name != "params"})
