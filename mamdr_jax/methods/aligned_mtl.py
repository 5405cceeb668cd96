"""Aligned-MTL: gradients are made orthogonal and equally long, as near to themselves as may be."""

import jax.numpy as jnp

from mamdr_jax.core import Array, Method
from mamdr_jax.methods.arguments import takes_also
from mamdr_jax.methods.gramian import combining


@takes_also(combining)
def aligned_mtl(**common) -> Method:
  """Senushkin et al. 2023, Alg. 1: w = √λ_min V Λ^(−1/2) Vᵀ (1/D), where G = V Λ Vᵀ.

  Directions in which the gradients do not differ from 0 are left out, and λ_min is the least of the
  others: then no gradient is made longer.
  """
  return combining(lambda key, gram: weights(gram), **common)


def weights(gram: Array) -> Array:
  """[D, D] -> [D]."""
  num = gram.shape[0]
  values, vectors = jnp.linalg.eigh(gram)
  there = values > values.max() * num * jnp.finfo(gram.dtype).eps
  smallest = jnp.where(there, values, jnp.inf).min()
  ratio = jnp.where(there, jnp.sqrt(smallest / jnp.where(there, values, 1.0)), 0.0)
  return vectors @ (ratio * vectors.sum(0)) / num
