"""Nash-MTL: the weights that domains would settle for in bargaining."""

import jax
import jax.numpy as jnp

from mamdr_jax.core import Array, Method
from mamdr_jax.methods.arguments import takes_also
from mamdr_jax.methods.gramian import combining

RIDGE, STEPS = 1e-4, 40


@takes_also(combining)
def nash_mtl(*, max_norm: float = 1.0, **common) -> Method:
  """Navon et al. 2022, Eq. 2: G w = 1 / w, elementwise, w > 0.

  Each domain's gain, weighed, is then the same. As the authors' code has it, G is divided by its
  norm, so that a step is as long as gradients are, and a direction longer than `max_norm` is cut.

  Args:
    max_norm: at most so long is the direction; 0 for no limit.
    common: what `gramian.combining` takes.

  Raises:
    ValueError: `max_norm` is below 0.
  """
  if max_norm < 0:
    raise ValueError(f"max_norm={max_norm}; choose 0 or more")
  return combining(lambda key, gram: weights(gram, max_norm), **common)


def weights(gram: Array, max_norm: float) -> Array:
  """[D, D] -> [D]."""
  length = jnp.sqrt(jnp.diagonal(gram))
  inverse = jnp.where(length > 0, 1 / jnp.where(length > 0, length, 1.0), 0.0)
  cosines = gram * inverse[:, None] * inverse
  w = jnp.sqrt(jnp.linalg.norm(gram)) * inverse * bargained(cosines)
  norm = jnp.sqrt(jnp.maximum(w @ gram @ w, 0.0))
  too_long = (max_norm > 0) & (norm > max_norm)
  return w * jnp.where(too_long, max_norm / jnp.where(norm > 0, norm, 1.0), 1.0)


def bargained(gram: Array) -> Array:
  """x > 0 with G x = 1 / x: where ½ xᵀ G x − Σ log x is least, which damped Newton steps find."""
  gram = gram + RIDGE * jnp.eye(gram.shape[0])

  def take(_, x):
    slope = gram @ x - 1 / x
    step = jnp.linalg.solve(gram + jnp.diag(1 / x**2), slope)
    decrement = jnp.sqrt(jnp.maximum(slope @ step, 0.0))
    return x - step * jnp.where(decrement > 0.25, 1 / (1 + decrement), 1.0)

  return jax.lax.fori_loop(0, STEPS, take, jnp.ones(gram.shape[0]))
