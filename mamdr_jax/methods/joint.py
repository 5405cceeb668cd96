"""Joint training: the minibatches of all domains in one shuffled order."""

import jax

from mamdr_jax.core import Loss, Method, Optimizer
from mamdr_jax.descent import of_loss
from mamdr_jax.methods.alternate import stepping


def joint(*, loss: Loss, inner: Optimizer, sparse: bool = True) -> Method:
  """θ ← θ − α ∇L(θ, batch) over all minibatches in a fully shuffled order.

  What most people mean by training on all the data at once, but for one thing: a minibatch here
  has rows of one domain only, as everywhere in this code, because what a model keeps per domain
  is then one row of a table and no mask over all. Over a few steps the mixture is the same.

  Args:
    loss: what to descend on.
    inner: α -> the optimizer; its state lives through all epochs.
    sparse: a step updates the table rows of its minibatch only; see `descent.step`.
  """
  shuffled = lambda key, data: jax.random.permutation(key, data.batch.domain.size)
  return stepping(of_loss(loss), shuffled, inner, sparse)
