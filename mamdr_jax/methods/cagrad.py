"""CAGrad: the direction near the mean gradient along which the worst domain gains most."""

import jax.numpy as jnp
import optax

from mamdr_jax.core import Array, Method
from mamdr_jax.methods.arguments import takes_also
from mamdr_jax.methods.gramian import combining, scaled
from mamdr_jax.methods.quadratic import least, steepest


@takes_also(combining)
def cagrad(*, c: float = 0.5, **common) -> Method:
  """Liu et al. 2021, Eq. 3: max over d of minᵢ ⟨gᵢ, d⟩ where ‖d − g₀‖ ≤ c ‖g₀‖, g₀ = mean gᵢ.

  By duality d = g₀ + c ‖g₀‖ g_w / ‖g_w‖, g_w = Σ wᵢ gᵢ, with w on the simplex where
  ⟨g_w, g₀⟩ + c ‖g₀‖ ‖g_w‖ is least.

  Args:
    c: how far from the mean gradient, at least 0, which is equal weighting.
    common: what `gramian.combining` takes.

  Raises:
    ValueError: `c` is below 0.
  """
  if c < 0:
    raise ValueError(f"c={c}; choose 0 or more")
  return combining(lambda key, gram: weights(gram, c), **common)


def weights(gram: Array, c: float) -> Array:
  """[D, D] -> [D]."""
  gram, num = scaled(gram), gram.shape[0]
  along, steep = gram.mean(1), steepest(gram)  # ⟨gᵢ, g₀⟩
  reach = c * jnp.sqrt(jnp.maximum(along.mean(), 0.0))  # c ‖g₀‖
  length = lambda w: jnp.sqrt(jnp.maximum(w @ gram @ w, 1e-12))

  def slope(w):
    # ‖g_w‖ ≤ (‖g_w‖² / t + t) / 2 at any t, equal at t = ‖g_w‖: there this bounds the curvature
    return along + reach * (gram @ w) / length(w), reach * steep / length(w)

  w = least(slope, optax.projections.projection_simplex, jnp.full(num, 1 / num), 1000)
  return 1 / num + reach / length(w) * w
