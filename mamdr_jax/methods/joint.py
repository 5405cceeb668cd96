"""Joint training: the minibatches of all domains in one shuffled order."""

import jax
import jax.numpy as jnp

from mamdr_jax.core import Loss, Method, Optimizer
from mamdr_jax.descent import descend
from mamdr_jax.methods.alternate import AlternateState, alternate


def joint(*, loss: Loss, inner: Optimizer, sparse: bool = True) -> Method:
  """θ ← θ − α ∇L(θ, batch) over all minibatches in a fully shuffled order.

  What most people mean by training on all the data at once, but for one thing: a minibatch here
  has rows of one domain only, as everywhere in this code, because what a model keeps per domain
  is then one row of a table and no mask over all. Over a few steps the mixture is the same.

  Args:
    loss: what to descend on.
    inner: α -> the optimizer; its state lives through all epochs.
    sparse: a step updates the table rows of its minibatch only; see `descend`.
  """
  other = alternate(loss=loss, inner=inner, sparse=sparse)

  def epoch(key, state, data, hparams):
    order_key, descent_key = jax.random.split(key)
    order = jax.random.permutation(order_key, data.batch.domain.size)
    tx = inner(hparams.alpha)
    params, opt_state, mean_loss = descend(
      descent_key, *state, data, order, loss=loss, tx=tx, sparse=sparse
    )
    return AlternateState(params, opt_state), {"loss": mean_loss, "passes": jnp.float32(order.size)}

  return other._replace(epoch=epoch)
