"""Separate: a model per domain, trained on that domain alone."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mamdr_jax import own, tree
from mamdr_jax.core import Loss, Method, Optimizer, Own, Params, Tree
from mamdr_jax.descent import descend, visit
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

  def init(key, params, train):
    del key
    begun = params if base else Begun(params)
    like = tree.zeros_like(serve(begun, 0))
    kept_rows = train.own if sparse else own.every_row(train.own, like.get("tables", {}))

    def begin(kept, domain):
      take = lambda kept, rows, places: merge(kept, serve(begun, domain, rows), places, domain)
      return own.over_rows(own.fields(kept_rows, like), domain, take, kept), None

    kept, _ = jax.lax.scan(begin, own.spread(like, kept_rows), jnp.arange(train.start.size))
    return SeparateState(begun, kept, own.spread(inner(0.0).init(like), kept_rows), kept_rows)

  def epoch(key, state, data, hparams):
    tx, tables = inner(hparams.alpha), state.params.get("tables", {})
    if sparse:
      data = own.renumbered(data, tables)
    # Where every row takes every step, a domain has all rows, the d-th block of them.
    size = {field: of.ids.size // data.start.size for field, of in state.own.items()}
    every = lambda domain: {f: domain * n + jnp.arange(n) for f, n in size.items()}

    def train(kept, entry):
      key, domain = entry
      order_key, descent_key = jax.random.split(key)
      order, length = visit(order_key, data, domain)
      rows = None if sparse else every(domain)
      start = [view(x, rows, domain) for x in kept]
      *end, mean_loss = descend(
        descent_key, *start, data, order, loss=loss, tx=tx, length=length, sparse=sparse
      )
      kept = tuple(merge(x, new, rows, domain) for x, new in zip(kept, end, strict=True))
      return kept, mean_loss * length

    keys = jax.random.split(key, data.start.size)
    kept = state.params, state.inner
    kept, totals = jax.lax.scan(train, kept, (keys, jnp.arange(data.start.size)))
    num_steps = data.batch.domain.size
    info = {"loss": totals.sum() / num_steps, "passes": jnp.float32(num_steps)}
    return state._replace(params=kept[0], inner=kept[1]), info

  def params(state, domain, rows=None):
    begun = serve(state.begun, domain, rows)
    places = own.places(state.own, domain, every_id(begun) if rows is None else rows)
    return own.overlaid(begun, view(state.params, places, domain), places, state.own)

  def choose(condition, a, b):
    pick = lambda x, y: own.choose(a.own, condition, x, y)
    return a._replace(params=pick(a.params, b.params), inner=pick(a.inner, b.inner))

  return Method(init, epoch, params, choose=choose, base=base)
