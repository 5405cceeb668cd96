"""Reptile: after a descent on one domain, an outer step towards its end."""

import functools

import jax
import jax.numpy as jnp
import optax

from mamdr_jax import rounds
from mamdr_jax.core import Loss, Method, Optimizer
from mamdr_jax.excursion import excursion, spare
from mamdr_jax.methods.domain_negotiation import check_round, domain_negotiation, negotiate, share
from mamdr_jax.rounds import Plan, Stage, info
from mamdr_jax.schedule import each, visit, visits


def reptile(
  *,
  loss: Loss,
  inner: Optimizer,
  outer: Optimizer = optax.sgd,
  carry: bool = True,
  round_steps: int | None = None,
  sparse: bool = True,
) -> Method:
  """Nichol et al. 2018, Alg. 1, for every domain i in a shuffled order:

    θ̃ ← θ, descended over Tⁱ;  θ ← θ + β (θ̃ − θ).

  What `domain_negotiation` does once for all domains, this does for each.

  Args:
    loss: what to descend on.
    inner: α -> the optimizer of the descent.
    outer: β -> the optimizer that takes θ − θ̃ as its gradient.
    carry: the inner optimizer's state lives on from domain to domain; if False every descent
      starts with a fresh one.
    round_steps: the paper's k, minibatches of a domain before it is another's turn; an epoch has as
      many rounds over the domains as make up a pass, in which small domains come over again and
      large ones leave minibatches out (see `visits`). By default all of Tⁱ.
    sparse: a step updates the table rows of its minibatch only; see `descend`. The outer optimizer,
      too, steps only the rows that the descent reads.

  Raises:
    ValueError: `round_steps` is less than 1.
  """
  check_round(round_steps)
  other = domain_negotiation(loss=loss, inner=inner, outer=outer)

  def options(hparams):
    txs = {"tx": inner(hparams.alpha), "outer_tx": outer(hparams.beta)}
    return txs | {"loss": loss, "carry": carry, "sparse": sparse}

  def in_turns():
    """A round is a turn of `round_steps` minibatches of one domain."""

    def plan(key, data):
      order_key, descent_key = jax.random.split(key)
      orders = visits(order_key, data, round_steps).reshape(-1, round_steps)
      return Plan(each(orders), jax.random.split(descent_key, orders.shape[0]))

    def take(state, data, entry, hparams):
      order = entry.visits.start
      state, mean_loss = negotiate(
        entry.rest, state, data, order, viewed=sparse, **options(hparams)
      )
      return state, {"loss": mean_loss, "passes": jnp.float32(order.size)}

    begin, end = lambda state, hparams: state, lambda s, told, _: (s, info(told))
    return Stage(plan, begin, take, end, share=shared())

  def whole():
    """A round is all the data of one domain."""

    def plan(key, data):
      order_key, descent_key = jax.random.split(key)
      domains_key, visits_key = jax.random.split(order_key)
      domains = jax.random.permutation(domains_key, data.start.size)
      keys, visit_keys = (jax.random.split(k, domains.size) for k in (descent_key, visits_key))
      taken = jax.vmap(visit, (0, None, 0))(visit_keys, data, domains)
      return Plan(taken, (keys, domains))

    def begin(state, hparams):
      if not sparse:
        return (), state
      room = spare(state.params, inner(hparams.alpha))
      return room._replace(inner=state.inner) if carry else room, state

    def take(carried, data, entry, hparams):
      room, state = carried
      order, (key, domain) = entry.visits, entry.rest
      if sparse:
        room, params, outer_state, mean_loss = excursion(
          key, room, state.params, state.outer, data, order, order.length,
          own=data.own, target=domain, **options(hparams),
        )  # fmt: skip
        state = state._replace(params=params, outer=outer_state)
      else:
        state, mean_loss = negotiate(
          key, state, data, order, length=order.length, **options(hparams)
        )
      return (room, state), {"loss": mean_loss, "passes": jnp.float32(order.length)}

    def end(carried, told, hparams):
      room, state = carried
      state = state._replace(inner=room.inner) if carry and sparse else state
      return state, rounds.weighed(told)

    return Stage(plan, begin, take, end, share=shared(key=lambda rest: rest[0]))

  shared = functools.partial(share, loss=loss, inner=inner, outer=outer, carry=carry, sparse=sparse)
  stage = whole() if round_steps is None else in_turns()
  return rounds.method(
    other.init,
    (stage,),
    other.params,
    served=other.served,
    rates=other.rates,
    own=round_steps is None,
  )
