"""Equal weighting: steps on the mean gradient of a minibatch of every domain."""

import jax.numpy as jnp

from mamdr_jax.core import Method
from mamdr_jax.methods.arguments import takes_also
from mamdr_jax.methods.gramian import combining


@takes_also(combining)
def equal_weighting(**common) -> Method:
  """wᵢ = 1 / D: what every method of weights is to be compared with, at the same steps."""

  def weigh(key, gram):
    del key
    return jnp.full(gram.shape[0], 1 / gram.shape[0])

  return combining(weigh, **common)
