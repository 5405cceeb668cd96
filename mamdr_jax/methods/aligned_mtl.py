"""Aligned-MTL: gradients are made orthogonal and equally long, as near to themselves as may be."""

import jax.numpy as jnp

from mamdr_jax.core import Array, Loss, Method, Optimizer
from mamdr_jax.methods.gramian import combining


def aligned_mtl(
  *, loss: Loss, inner: Optimizer, domains_per_step: int | None = None, sparse: bool = True
) -> Method:
  """Senushkin et al. 2023, Alg. 1: w = √λ_min V Λ^(−1/2) Vᵀ (1/D), where G = V Λ Vᵀ.

  Directions in which the gradients do not differ from 0 are left out, and λ_min is the least of the
  others: then no gradient is made longer.

  Args:
    loss, inner: see `gramian.combining`.
    domains_per_step: how many domains a step looks at, others in every step; by default all.
    sparse: a step updates the table rows of its minibatches only.
  """
  return combining(
    lambda key, gram: weights(gram),
    loss=loss, inner=inner, domains_per_step=domains_per_step, sparse=sparse,
  )  # fmt: skip


def weights(gram: Array) -> Array:
  """[D, D] -> [D]."""
  num = gram.shape[0]
  values, vectors = jnp.linalg.eigh(gram)
  there = values > values.max() * num * jnp.finfo(gram.dtype).eps
  smallest = jnp.where(there, values, jnp.inf).min()
  ratio = jnp.where(there, jnp.sqrt(smallest / jnp.where(there, values, 1.0)), 0.0)
  return vectors @ (ratio * vectors.sum(0)) / num
