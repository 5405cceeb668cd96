"""MGDA: the shortest vector in the convex hull of the domains' gradients."""

import jax.numpy as jnp
import optax

from mamdr_jax.core import Array, Loss, Method, Optimizer
from mamdr_jax.methods.gramian import combining, scaled
from mamdr_jax.methods.quadratic import least, steepest


def mgda(
  *, loss: Loss, inner: Optimizer, domains_per_step: int | None = None, sparse: bool = True
) -> Method:
  """Sener & Koltun 2018, Eq. 3: w = argmin ‖Σ wᵢ gᵢ‖² over w ≥ 0, Σ wᵢ = 1.

  No domain's loss rises along it, and where it is 0 none can fall without another's rising.

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
  gram, num = scaled(gram), gram.shape[0]
  bound = steepest(gram)
  slope = lambda w: (gram @ w, bound)
  return least(slope, optax.projections.projection_simplex, jnp.full(num, 1 / num))
