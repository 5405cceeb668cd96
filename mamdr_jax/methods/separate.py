"""Separate: a model per domain, trained on that domain alone."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mamdr_jax import own, rounds, tree
from mamdr_jax.core import HERE, Loss, Method, Optimizer, Own, Params, Tree
from mamdr_jax.descent import descend
from mamdr_jax.rounds import Plan, Stage
from mamdr_jax.schedule import visit
from mamdr_jax.view import every_id, merge, one_for_all, view


class SeparateState(NamedTuple):
  begun: Tree  # what domains start from, which is what serves the rows that a domain lacks
  params: Params  # the models of all domains, kept as `own` says
  inner: Tree  # states of the optimizer, kept in the same way
  own: dict[str, Own]  # the rows that a domain trains


class Begun(NamedTuple):
  params: Params


def separate(
  *, loss: Loss, inner: Optimizer, base: Method | None = None, sparse: bool = True
) -> Method:
  """θᵢ ← θᵢ − α ∇L(θᵢ, batch) over all minibatches of domain i, for every domain i.

  All start from the same parameters. Domains are trained apart, so that `fit` stops each by its
  own validation AUC. One that has stopped is still computed, and counted in `passes`, until the
  last has. Of tables a domain has rows of its own where its training rows read them; others stay
  what they were at the start.

  Args:
    loss: what to descend on.
    inner: α -> the optimizer; its state lives through all epochs.
    base: a method whose best state domains start from, each from what it serves that domain.
    sparse: a step updates the table rows of its minibatch only; see `descend`. If False each step
      updates all rows of the domain.
  """
  serve = base.params if base else one_for_all

  def rest(key, params, train):
    del key, train
    return SeparateState(params if base else Begun(params), (), (), ())

  def rows(state, train):
    tables = serve(state.begun, 0).get("tables", {})
    return train.own if sparse else own.every_row(train.own, tables)

  def begin(key, state, kept_rows):
    del key
    like = tree.zeros_like(serve(state.begun, 0))

    def begin_one(kept, at):
      domain = kept_rows[HERE].ids[at]
      take = lambda kept, rows, places: merge(kept, serve(state.begun, domain, rows), places, at)
      return own.over_rows(own.fields(kept_rows, like), at, take, kept), None

    kept, _ = jax.lax.scan(begin_one, own.spread(like, kept_rows), own.entries(kept_rows))
    return {"params": kept, "inner": own.spread(inner(0.0).init(like), kept_rows)}

  def plan(key, data):
    domains = jnp.arange(data.start.size)
    keys = jax.vmap(jax.random.split)(jax.random.split(key, domains.size))
    visits = jax.vmap(visit, (0, None, 0))(keys[:, 0], data, domains)
    return Plan(visits, (keys[:, 1], domains), domains)

  def prepare(state, data):
    tables = state.params.get("tables", {})
    return own.renumbered(data, state.own, tables) if sparse else data

  def train(state, data, entry, hparams):
    order, (key, domain) = entry.visits, entry.rest
    at, rows = own.entry(state.own, domain), None
    if not sparse:  # a domain has all rows
      every = jax.eval_shape(lambda: every_id(serve(state.begun, 0)))
      rows = {f: state.own[f].first[at] + jnp.arange(x.size) for f, x in every.items()}
    kept = state.params, state.inner
    *end, mean_loss = descend(
      key, *(view(x, rows, at) for x in kept), data, order,
      loss=loss, tx=inner(hparams.alpha), length=order.length, sparse=sparse,
    )  # fmt: skip
    kept = (merge(x, new, rows, at) for x, new in zip(kept, end, strict=True))
    state = state._replace(**dict(zip(("params", "inner"), kept, strict=True)))
    return state, {"loss": mean_loss, "passes": jnp.float32(order.length)}

  def params(state, domain, rows=None):
    begun = serve(state.begun, domain, rows)
    at = own.entry(state.own, domain)
    places = own.places(state.own, at, every_id(begun) if rows is None else rows)
    return own.overlaid(begun, view(state.params, places, at), places, state.own)

  def served(state):
    return state._replace(begun=base.served(state.begun) if base else state.begun, inner=())

  def choose(condition, a, b):
    pick = lambda x, y: own.choose(a.own, condition, x, y)
    return a._replace(params=pick(a.params, b.params), inner=pick(a.inner, b.inner))

  end = lambda state, told, hparams: (state, rounds.weighed(told))
  stage = Stage(
    plan, lambda state, hparams: state, train, end, prepare,
    attach=lambda state, kept: state._replace(**kept), state_of=lambda state: state,
    info=rounds.weighed,
  )  # fmt: skip
  kept = own.Kept(("params", "inner"), rest, rows, begin)
  return rounds.method(
    kept.init, (stage,), params,
    served=served, choose=choose, base=base, own=True, kept=kept,
  )  # fmt: skip
