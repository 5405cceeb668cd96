"""Equal weighting: steps on the mean gradient of a minibatch of every domain."""

import jax.numpy as jnp

from mamdr_jax.core import Loss, Method, Optimizer
from mamdr_jax.methods.gramian import combining


def equal_weighting(
  *, loss: Loss, inner: Optimizer, domains_per_step: int | None = None, sparse: bool = True
) -> Method:
  """wᵢ = 1 / D: what every method of weights is to be compared with, at the same steps.

  Args:
    loss, inner: see `gramian.combining`.
    domains_per_step: how many domains a step looks at, others in every step; by default all.
    sparse: a step updates the table rows of its minibatches only.
  """

  def weigh(key, gram):
    del key
    return jnp.full(gram.shape[0], 1 / gram.shape[0])

  return combining(weigh, loss=loss, inner=inner, domains_per_step=domains_per_step, sparse=sparse)
