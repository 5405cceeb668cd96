"""What is kept for every domain: of the tables the rows that the domain's own data have, no more.

A tree shaped like the parameters for each of D domains would have D · N rows of every table, nearly
all of which never serve anybody. Kept end to end, as `Own` says, the rows of all domains together
are no more than the data have: a leaf [N, ...] of a table becomes [M, ...], and any other leaf
[...] becomes [D, ...]. A row that a domain lacks has no place there; it reads as 0.

`view` and `merge` take a domain out of such a tree and put it back, given its `places` as rows and
the domain as entry.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mamdr_jax import tree
from mamdr_jax.core import HERE, Array, DomainBatches, Key, Own, Params, Tree
from mamdr_jax.view import Rows, field_of


class Kept(NamedTuple):
  """The part of a method's state that is kept for every domain, and how it begins.

  `init` makes a state of the two functions; where not all domains are at hand at a time, they are
  begun some at a time, `own` having the rows of those.
  """

  fields: tuple[str, ...]  # of the state, trees as above; beside them is its field `own`
  rest: Callable[[Key, Params, DomainBatches], Tree]  # -> the state with () in those, and in `own`
  rows: Callable[[Tree, DomainBatches], dict[str, Own]]  # (rest, train) -> the rows of all domains
  begin: Callable[[Key, Tree, Mapping[str, Own]], dict[str, Tree]]  # (key, rest, own) -> fields

  def init(self, key: Key, params: Params, train: DomainBatches) -> Tree:
    """As `Method.init`, of all domains."""
    rest_key, kept_key = jax.random.split(key)
    state = self.rest(rest_key, params, train)
    own = self.rows(state, train)
    return state._replace(own=own, **self.begin(kept_key, state, own))


CHUNK = 1024  # at most so many rows of a domain are held at a time
NOWHERE = jnp.iinfo(jnp.int32).max  # an id that no table has


def every_row(own: Mapping[str, Own], tables: Tree) -> dict[str, Own]:
  """As if the data of each domain had all rows of `tables`."""

  def whole(field, old):
    if field not in tables:
      return old
    num_domains, num_rows = old.first.size - 1, jax.tree.leaves(tables[field])[0].shape[0]
    first = num_rows * jnp.arange(num_domains + 1, dtype=jnp.int32)
    return Own(jnp.tile(jnp.arange(num_rows, dtype=jnp.int32), num_domains), first)

  return {field: whole(field, old) for field, old in own.items()}


def fields(own: Mapping[str, Own], params: Params) -> dict[str, Own]:
  """Of the fields that `params` have tables of."""
  return {field: own[field] for field in params.get("tables", {})}


def entry(own: Mapping[str, Own], domain: Array) -> Array:
  """Which of the domains that are at hand a domain is, where `own` is of some only: see `Kept`."""
  return jnp.searchsorted(own[HERE].ids, domain).astype(jnp.int32)


def entries(own: Mapping[str, Own]) -> Array:
  """One after the other those that are at hand."""
  return jnp.arange(own[HERE].ids.size)


def noise(key: Key, kept: Tree, own: Mapping[str, Own], scale: float) -> Tree:
  """Normal noise of standard deviation `scale`, shaped like what is kept.

  A number depends on its domain, and in a table on its row, whoever else is at hand.
  """
  leaves, structure = jax.tree_util.tree_flatten_with_path(kept)
  drawn = []
  for of_leaf, (path, leaf) in zip(jax.random.split(key, len(leaves)), leaves, strict=True):
    field = field_of(path)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(of_leaf, own[HERE].ids)
    if field is not None:
      of = own[field]
      keys = jax.vmap(jax.random.fold_in)(keys[domain_of_place(of)], of.ids)
    draw = lambda key, x=leaf: scale * jax.random.normal(key, x.shape[1:], x.dtype)
    drawn.append(jax.vmap(draw)(keys))
  return jax.tree.unflatten(structure, drawn)


def spread(one: Tree, own: Mapping[str, Own]) -> Tree:
  """The same for every domain: leaves [N, ...] of tables become [M, ...], others [D, ...]."""
  num_domains = next(iter(own.values())).first.size - 1

  def wide(path, leaf):
    field = field_of(path)
    return tree.tile(leaf, num_domains) if field is None else leaf[own[field].ids]

  return jax.tree_util.tree_map_with_path(wide, one)


def places(own: Mapping[str, Own], domain: Array, rows: Rows) -> Rows:
  """Where the `rows` of a domain, an `entry`, are kept, field by field; M for those that it lacks.

  Each is found by halving the domain's own rows, whose number it costs the logarithm of.
  """

  def find(of, wanted):
    begin, end = of.first[domain], of.first[domain + 1]

    def halve(_, bounds):
      low, high = bounds
      middle = low + (high - low) // 2
      below = (low < high) & (of.ids.at[middle].get(mode="clip") < wanted)
      return jnp.where(below, middle + 1, low), jnp.where(below, high, middle)

    bounds = jnp.full(wanted.shape, begin), jnp.full(wanted.shape, end)
    found, _ = jax.lax.fori_loop(0, 32 - jax.lax.clz(end - begin), halve, bounds)
    there = (found < end) & (of.ids.at[found].get(mode="clip") == wanted)
    return jnp.where(there, found, of.ids.size)

  return {field: find(own[field], wanted) for field, wanted in rows.items()}


def renumbered(data: DomainBatches, own: Mapping[str, Own], tables: Tree) -> DomainBatches:
  """The same minibatches, whose ids are the places of their rows among those of all domains."""

  def place(domain, ids):
    return places(own, entry(own, domain), ids)

  batch = data.batch
  trained = {field: ids for field, ids in batch.ids.items() if field in tables}
  if "domain" in tables:
    trained["domain"] = batch.domain
  found = jax.vmap(place)(batch.domain, trained)
  domain = found.pop("domain", batch.domain)
  return data._replace(batch=batch._replace(ids=batch.ids | found, domain=domain))


def over_rows(
  own: Mapping[str, Own],
  domain: Array,
  visit: Callable[[Tree, Rows, Rows], Tree],
  carry: Tree,
) -> Tree:
  """`carry` after `visit(carry, rows, places)` of all rows that a domain has, some at a time.

  `own` are the fields to visit; without any there is one visit of no rows.

  Fields with fewer rows than others come with `NOWHERE` and M for those that they lack.
  """
  if not own:
    return visit(carry, {}, {})
  size, count = {}, {}
  for field, of in own.items():
    # Domains have so many rows in the mean, so that all of them take at most two visits each.
    mean = -(-of.ids.size // (of.first.size - 1))
    size[field] = max(2, min(CHUNK, mean))
    count[field] = of.first[domain + 1] - of.first[domain]
  visits = [-(-count[field] // size[field]) for field in own]

  def step(s, carry):
    rows, kept = {}, {}
    for field, of in own.items():
      offset = s * size[field] + jnp.arange(size[field])
      kept[field] = jnp.where(offset < count[field], of.first[domain] + offset, of.ids.size)
      rows[field] = of.ids.at[kept[field]].get(mode="fill", fill_value=NOWHERE)
    return visit(carry, rows, kept)

  return jax.lax.fori_loop(0, jnp.stack(visits).max(), step, carry)


def overlaid(common: Tree, part: Tree, places: Rows, own: Mapping[str, Own]) -> Tree:
  """`part`, a view of what is kept at `places`; for rows that have no place, `common`'s."""

  def lay(path, x, y):
    field = field_of(path)
    if field is None:
      return y
    return tree.where(places[field] < own[field].ids.size, y, x)

  return jax.tree_util.tree_map_with_path(lay, common, part)


def choose(own: Mapping[str, Own], condition: Array, a: Tree, b: Tree) -> Tree:
  """Of each domain what `a` has of it where `condition: [D]` holds, else what `b` has."""

  def pick(path, x, y):
    field = field_of(path)
    holds = condition if field is None else condition[domain_of_place(own[field])]
    return tree.where(holds, x, y)

  return jax.tree_util.tree_map_with_path(pick, a, b)


def domain_of_place(own: Own) -> Array:
  """[M] int32."""
  begins = jnp.zeros(own.ids.size, jnp.int32).at[own.first[1:-1]].add(1, mode="drop")
  return jnp.cumsum(begins)
