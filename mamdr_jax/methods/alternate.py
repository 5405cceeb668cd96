"""Alternate training: one domain after the other, in a shuffled order every epoch."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mamdr_jax.core import Loss, Method, Optimizer, Params, Tree
from mamdr_jax.descent import descend, full_pass
from mamdr_jax.view import one_for_all


class AlternateState(NamedTuple):
  params: Params
  inner: Tree  # optimizer state


def alternate(*, loss: Loss, inner: Optimizer, sparse: bool = True) -> Method:
  """θ ← θ − α ∇L(θ, batch) over a whole pass of every domain (Luo et al. 2023, §V-B).

  Args:
    loss: what to descend on.
    inner: α -> the optimizer; its state lives through all epochs.
    sparse: a step updates the table rows of its minibatch only; see `descend`.
  """

  def init(key, params, train):
    del key, train
    return AlternateState(params, inner(0.0).init(params))

  def epoch(key, state, data, hparams):
    order_key, descent_key = jax.random.split(key)
    order = full_pass(order_key, data)
    tx = inner(hparams.alpha)
    params, opt_state, mean_loss = descend(
      descent_key, *state, data, order, loss=loss, tx=tx, sparse=sparse
    )
    return AlternateState(params, opt_state), {"loss": mean_loss, "passes": jnp.float32(order.size)}

  return Method(init, epoch, one_for_all)
