"""UPGrad: every gradient is projected to where it harms no domain, then the mean is taken."""

import jax
import jax.numpy as jnp

from mamdr_jax.core import Array, Method
from mamdr_jax.methods.arguments import takes_also
from mamdr_jax.methods.gramian import combining, scaled
from mamdr_jax.methods.quadratic import least, steepest

RIDGE = 1e-4  # of the mean squared length, so that the projection is one


@takes_also(combining)
def upgrad(**common) -> Method:
  """Quinton & Rey 2024, Sec. 3: gᵢ goes to the nearest d with ⟨d, gⱼ⟩ ≥ 0 for all j.

  That is Σ vⱼ gⱼ, v = argmin vᵀ G v over v ≥ eᵢ; w is the mean of the D vectors v.
  """
  return combining(lambda key, gram: weights(gram), **common)


def weights(gram: Array) -> Array:
  """[D, D] -> [D]."""
  num = gram.shape[0]
  gram = scaled(gram) + RIDGE * jnp.eye(num)
  bound = steepest(gram)

  def projected(own):
    return least(lambda v: (gram @ v, bound), lambda v: jnp.maximum(v, own), own)

  return jax.vmap(projected)(jnp.eye(num)).mean(0)
