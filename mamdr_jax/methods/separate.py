"""Separate: a model per domain, trained on that domain alone."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mamdr_jax import tree
from mamdr_jax.core import Loss, Method, Optimizer, Params, Tree
from mamdr_jax.descent import descend, visit


class SeparateState(NamedTuple):
  params: Params  # leaves [D, ...]
  inner: Tree  # states of the optimizer, leaves [D, ...]


def separate(*, loss: Loss, inner: Optimizer, sparse: bool = True) -> Method:
  """θᵢ ← θᵢ − α ∇L(θᵢ, batch) over all minibatches of domain i, for every domain i.

  All start from the same parameters. Domains are trained apart, so that `fit` stops each by its
  own validation AUC. One that has stopped is still computed, and counted in `passes`, until the
  last has.

  Args:
    loss: what to descend on.
    inner: α -> the optimizer; its state lives through all epochs.
    sparse: a step updates the table rows of its minibatch only; see `descend`.
  """

  def init(key, params, num_domains):
    del key
    return tree.tile(SeparateState(params, inner(0.0).init(params)), num_domains)

  def epoch(key, state, data, hparams):
    tx = inner(hparams.alpha)

    def train(_, entry):
      key, domain, (params, opt_state) = entry
      order_key, descent_key = jax.random.split(key)
      order, length = visit(order_key, data, domain)
      params, opt_state, mean_loss = descend(
        descent_key, params, opt_state, data, order, loss=loss, tx=tx, length=length, sparse=sparse
      )
      return None, (SeparateState(params, opt_state), mean_loss * length)

    domains = jnp.arange(data.start.size)
    keys = jax.random.split(key, data.start.size)
    _, (state, totals) = jax.lax.scan(train, None, (keys, domains, state))
    num_steps = data.batch.domain.size
    return state, {"loss": totals.sum() / num_steps, "passes": jnp.float32(num_steps)}

  def params(state, domain):
    return tree.take(state.params, domain)

  return Method(init, epoch, params, apart=True)
