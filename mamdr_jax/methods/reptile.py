"""Reptile: after a descent on one domain, an outer step towards its end."""

import jax
import jax.numpy as jnp
import optax

from mamdr_jax.core import Loss, Method, Optimizer
from mamdr_jax.descent import visit, visits
from mamdr_jax.excursion import excursion, spare
from mamdr_jax.methods.domain_negotiation import check_round, domain_negotiation, negotiate


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

  def epoch(key, state, data, hparams):
    tx, outer_tx = inner(hparams.alpha), outer(hparams.beta)
    options = {"loss": loss, "tx": tx, "outer_tx": outer_tx, "carry": carry, "sparse": sparse}
    order_key, descent_key = jax.random.split(key)
    if round_steps is not None:
      orders = visits(order_key, data, round_steps).reshape(-1, round_steps)

      def turn(state, entry):
        return negotiate(entry[0], state, data, entry[1], viewed=sparse, **options)

      keys = jax.random.split(descent_key, orders.shape[0])
      state, losses = jax.lax.scan(turn, state, (keys, orders))
      return state, {"loss": losses.mean(), "passes": jnp.float32(orders.size)}

    def whole_turn(carried, entry):
      key, visit_key, domain = entry
      order, length = visit(visit_key, data, domain)
      if sparse:
        room, state = carried
        room, params, outer_state, mean_loss = excursion(
          key, room, state.params, state.outer, data, order, length,
          own=data.own, target=domain, **options,
        )  # fmt: skip
        carried = room, state._replace(params=params, outer=outer_state)
      else:
        carried, mean_loss = negotiate(key, carried, data, order, length=length, **options)
      return carried, mean_loss * length

    domains_key, visits_key = jax.random.split(order_key)
    domains = jax.random.permutation(domains_key, data.start.size)
    keys = jax.random.split(descent_key, domains.size), jax.random.split(visits_key, domains.size)
    if sparse:
      room = spare(state.params, tx)
      room = room._replace(inner=state.inner) if carry else room
      (room, state), totals = jax.lax.scan(whole_turn, (room, state), (*keys, domains))
      state = state._replace(inner=room.inner) if carry else state
    else:
      state, totals = jax.lax.scan(whole_turn, state, (*keys, domains))
    num_steps = data.batch.domain.size
    return state, {"loss": totals.sum() / num_steps, "passes": jnp.float32(num_steps)}

  return other._replace(epoch=epoch)
