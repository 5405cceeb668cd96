"""IMTL-G: the direction that is equally far along each domain's gradient."""

import jax.numpy as jnp

from mamdr_jax.core import Array, Loss, Method, Optimizer
from mamdr_jax.methods.gramian import combining


def imtl_g(
  *, loss: Loss, inner: Optimizer, domains_per_step: int | None = None, sparse: bool = True
) -> Method:
  """Liu et al. 2021, IMTL, Eq. 3: ⟨Σ wⱼ gⱼ, gᵢ / ‖gᵢ‖⟩ is the same for all i, and Σ wⱼ = 1.

  Weights may be negative. A step in which no weights do that stands still.

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
  length = jnp.sqrt(jnp.diagonal(gram))
  inverse = jnp.where(length > 0, 1 / jnp.where(length > 0, length, 1.0), 0.0)
  cosines = gram * inverse[:, None] * inverse
  found = inverse * jnp.linalg.pinv(cosines, hermitian=True).sum(1)
  total = found.sum()
  there = jnp.abs(total) > 1e-6 * jnp.abs(found).sum()
  return jnp.where(there, found / jnp.where(there, total, 1.0), 0.0)
