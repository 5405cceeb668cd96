"""An experiment that begins from a stored model: what is known there keeps what it has learnt.

Users, items and domains are matched by their raw ids. Rows of tables, and deltas of domains, that
the model lacks begin as in any other run; so do optimizers.
"""

import functools
import sys
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from mamdr_jax import own, tree
from mamdr_jax.assembly import Experiment
from mamdr_jax.core import HERE, Array, Method, Own, Params, Tree
from mamdr_jax.data.dataset import scaled
from mamdr_jax.data.lookup import places
from mamdr_jax.objective import Objective
from mamdr_jax.stored import Stored, shared_state
from mamdr_jax.view import field_of

SPECIFIC = "specific"  # what is kept for every domain that a model with deltas and a run have both
OWN = "params"  # what a model has that has been fine-tuned: all of the domain's own


def warm(experiment: Experiment, stored: Stored) -> Experiment:
  """The experiment, to begin from a model; says on stderr how much of the data that knows.

  θ_S is that of the model, and where both have deltas, of the same branches, so are they. Of a
  model that was fine-tuned, θ_S is what it was before, and deltas are what each domain has beyond
  that. Numbers of rows are in the units of the model.

  Args:
    experiment: of a method, of any kind, and of the model's structure.
    stored: a model of a method that shares parameters.

  Raises:
    ValueError: the two do not fit.
  """
  dataset, goal, method = experiment
  if stored.method.choose is not None and stored.method.base is None:
    raise ValueError(
      f"warm_start={stored.path}: it has a model for each domain and none that they share"
    )
  if set(dataset.vocab) != set(stored.vocab) or set(dataset.frozen) != set(stored.given):
    raise ValueError(
      f"warm_start={stored.path} has {', '.join(stored.vocab)}, with features of "
      f"{', '.join(stored.given) or 'none'}; the data have {', '.join(dataset.vocab)}, with "
      f"features of {', '.join(dataset.frozen) or 'none'}"
    )
  known = {field: places(raw, stored.vocab[field]) for field, raw in dataset.vocab.items()}
  known["domain"] = places(np.array(dataset.domains), np.array(stored.domains))
  print(told(stored, known), file=sys.stderr)
  goal = goal._replace(init=initial(goal, stored, known))
  dataset = scaled(dataset, stored.units)
  return Experiment(dataset, goal, with_deltas(method, stored, known))


def told(stored: Stored, known: Mapping[str, np.ndarray]) -> str:
  """How much of the data the model knows."""
  parts = (f"{(at >= 0).sum():,} of {at.size:,} {field}s" for field, at in known.items())
  return f"begun from {stored.path}, which knows {', '.join(parts)}"


def initial(goal: Objective, stored: Stored, known: Mapping[str, np.ndarray]):
  """`Objective.init` that has the model's rows where they are known, and all of its net."""
  shared = shared_of(stored)

  def init(key, batch) -> Params:
    fresh = goal.init(key, batch)
    rows = {field: jnp.asarray(np.maximum(known[field], 0)) for field in fresh["tables"]}
    there = shared(rows)
    if jax.tree.map(jnp.shape, there) != jax.tree.map(jnp.shape, fresh):
      raise ValueError(f"warm_start={stored.path}: its model has other layers or embeddings")

    def choose(where, new, old):
      field = field_of(where)
      return old if field is None else tree.where(known[field] >= 0, old, new)

    return jax.tree_util.tree_map_with_path(choose, fresh, there)

  return init


def shared_of(stored: Stored):
  """A function rows=None -> θ_S of a model, or the view of it."""
  state, method = shared_state(stored), stored.method
  if method.base is not None:
    state, method = state.begun, method.base
  return functools.partial(method.params, state, jnp.int32(len(stored.domains)))


def beyond(params: Tree, rows: Mapping[str, Own], stored: Stored) -> Tree:
  """What the parameters of all domains of a fine-tuned model have beyond θ_S."""

  def less(where, own, shared):
    field = field_of(where)
    return own - (shared if field is None else shared[jnp.asarray(np.asarray(rows[field].ids))])

  return jax.tree_util.tree_map_with_path(less, params, shared_of(stored)())


def with_deltas(method: Method, stored: Stored, known: Mapping[str, np.ndarray]) -> Method:
  """The method whose domains begin with the deltas that they have in the model."""
  level, kept = stored.kept.get((), {}), method.kept
  if method.base is not None:
    return method._replace(base=with_deltas(method.base, stored, known))
  if kept is None or SPECIFIC not in kept.fields or not {SPECIFIC, OWN} & level.keys():
    return method
  tuned = SPECIFIC not in level
  there = jax.tree.map(lambda x: jnp.asarray(np.asarray(x)), level[OWN if tuned else SPECIFIC])
  if tuned:
    there = beyond(there, level["own"], stored)
  rows = jax.tree.map(lambda x: jnp.asarray(np.asarray(x)), level["own"])

  def begin(key, state, mine):
    fields = kept.begin(key, state, mine)
    found = {field: _found(rows, mine, known, field) for field in rows if field in known}
    mine_of = tree.within(there, fields[SPECIFIC]) if tuned else there
    like = jax.tree.structure(fields[SPECIFIC])
    if like != jax.tree.structure(mine_of):
      raise ValueError(f"warm_start={stored.path} has deltas of other branches")
    domain = jnp.asarray(known["domain"])[mine[HERE].ids]

    def choose(where, new, old):
      field = field_of(where)
      at = domain if field is None else found[field]
      inside = (at >= 0) & (at < old.shape[0])
      return tree.where(inside, old[jnp.clip(at, 0, old.shape[0] - 1)], new)

    moved = jax.tree_util.tree_map_with_path(choose, fields[SPECIFIC], mine_of)
    return fields | {SPECIFIC: moved}

  warmed = kept._replace(begin=begin)
  return method._replace(kept=warmed, init=warmed.init)


def _found(
  rows: Mapping[str, Own], mine: Mapping[str, Own], known: Mapping[str, np.ndarray], field: str
) -> Array:
  """Where the model keeps each row that the domains here keep of a field, or M: [M'] int32."""
  of, number = mine[field], jnp.asarray(known[field])
  domain = jnp.asarray(known["domain"])[mine[HERE].ids][own.domain_of_place(of)]
  ident = number.at[of.ids].get(mode="fill", fill_value=-1)
  each = lambda d, i: own.places(rows, jnp.maximum(d, 0), {field: i[None]})[field][0]
  place = jax.vmap(each)(domain, ident)
  return jnp.where((domain >= 0) & (ident >= 0), place, rows[field].ids.size)
