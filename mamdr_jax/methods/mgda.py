"""MGDA: the shortest vector in the convex hull of the domains' gradients."""

import jax.numpy as jnp
import optax

from mamdr_jax.core import Array, Method
from mamdr_jax.methods.arguments import takes_also
from mamdr_jax.methods.gramian import combining, scaled
from mamdr_jax.methods.quadratic import least, steepest


@takes_also(combining)
def mgda(**common) -> Method:
  """Sener & Koltun 2018, Eq. 3: w = argmin ‖Σ wᵢ gᵢ‖² over w ≥ 0, Σ wᵢ = 1.

  No domain's loss rises along it, and where it is 0 none can fall without another's rising.
  """
  return combining(lambda key, gram: weights(gram), **common)


def weights(gram: Array) -> Array:
  """[D, D] -> [D]."""
  gram, num = scaled(gram), gram.shape[0]
  bound = steepest(gram)
  slope = lambda w: (gram @ w, bound)
  return least(slope, optax.projections.projection_simplex, jnp.full(num, 1 / num))
