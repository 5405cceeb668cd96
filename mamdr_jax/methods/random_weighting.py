"""Random weighting: weights are drawn anew for every step."""

import jax

from mamdr_jax.core import Loss, Method, Optimizer
from mamdr_jax.methods.gramian import combining


def random_weighting(
  *, loss: Loss, inner: Optimizer, domains_per_step: int | None = None, sparse: bool = True
) -> Method:
  """Lin et al. 2022, RLW: w = softmax(z), z ~ N(0, I). A method of weights has to be above it.

  Args:
    loss, inner: see `gramian.combining`.
    domains_per_step: how many domains a step looks at, others in every step; by default all.
    sparse: a step updates the table rows of its minibatches only.
  """

  def weigh(key, gram):
    return jax.nn.softmax(jax.random.normal(key, gram.shape[:1]))

  return combining(weigh, loss=loss, inner=inner, domains_per_step=domains_per_step, sparse=sparse)
