"""IMTL-G: the direction that is equally far along each domain's gradient."""

import jax.numpy as jnp

from mamdr_jax.core import Array, Method
from mamdr_jax.methods.arguments import takes_also
from mamdr_jax.methods.gramian import combining


@takes_also(combining)
def imtl_g(**common) -> Method:
  """Liu et al. 2021, IMTL, Eq. 3: ⟨Σ wⱼ gⱼ, gᵢ / ‖gᵢ‖⟩ is the same for all i, and Σ wⱼ = 1.

  Weights may be negative. A step in which no weights do that stands still.
  """
  return combining(lambda key, gram: weights(gram), **common)


def weights(gram: Array) -> Array:
  """[D, D] -> [D]."""
  length = jnp.sqrt(jnp.diagonal(gram))
  inverse = jnp.where(length > 0, 1 / jnp.where(length > 0, length, 1.0), 0.0)
  cosines = gram * inverse[:, None] * inverse
  found = inverse * jnp.linalg.pinv(cosines, hermitian=True).sum(1)
  total = found.sum()
  there = jnp.abs(total) > 1e-6 * jnp.abs(found).sum()
  return jnp.where(there, found / jnp.where(there, total, 1.0), 0.0)
