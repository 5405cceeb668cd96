"""Domain Negotiation (DN): an outer step towards the end of one sequential pass over domains."""

from typing import NamedTuple

import jax
import optax

from mamdr_jax.core import Loss, Method, Optimizer, Params, Tree
from mamdr_jax.descent import descend, full_pass, pull


class NegotiationState(NamedTuple):
  params: Params
  inner: Tree  # state of the inner optimizer
  outer: Tree  # state of the outer optimizer


def domain_negotiation(
  *,
  loss: Loss,
  inner: Optimizer,
  outer: Optimizer = optax.sgd,
  carry: bool = True,
  sparse: bool = True,
) -> Method:
  """Luo et al. 2023, Alg. 1: θ̃ ← θ, descended over all domains; θ ← θ + β (θ̃ − θ).

  With β = 1 and `optax.sgd` outside it is alternate training; with one minibatch per domain it
  is Fish (Shi et al. 2022); with one domain it is Reptile (Nichol et al. 2018).

  Args:
    loss: what to descend on.
    inner: α -> the optimizer of the pass.
    outer: β -> the optimizer that takes θ − θ̃ as its gradient.
    carry: the inner optimizer's state lives on into the next epoch; if False every pass
      starts with a fresh one.
    sparse: see `descend`.
  """

  def init(params, num_domains):
    del num_domains
    return NegotiationState(params, inner(0.0).init(params), outer(0.0).init(params))

  def epoch(key, state, data, hparams):
    order_key, descent_key = jax.random.split(key)
    order = full_pass(order_key, data)
    tx = inner(hparams.alpha)
    begin = state.inner if carry else tx.init(state.params)
    end, inner_state, mean_loss = descend(
      descent_key, state.params, begin, data, order, loss=loss, tx=tx, sparse=sparse
    )
    params, outer_state = pull(state.params, end, state.outer, outer(hparams.beta))
    return NegotiationState(params, inner_state, outer_state), {"loss": mean_loss}

  def params(state, domain):
    del domain
    return state.params

  return Method(init, epoch, params)
