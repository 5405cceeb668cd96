"""Random weighting: weights are drawn anew for every step."""

import jax

from mamdr_jax.core import Method
from mamdr_jax.methods.arguments import takes_also
from mamdr_jax.methods.gramian import combining


@takes_also(combining)
def random_weighting(**common) -> Method:
  """Lin et al. 2022, RLW: w = softmax(z), z ~ N(0, I). A method of weights has to be above it."""

  def weigh(key, gram):
    return jax.nn.softmax(jax.random.normal(key, gram.shape[:1]))

  return combining(weigh, **common)
