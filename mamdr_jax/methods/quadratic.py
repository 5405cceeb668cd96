"""Least values of small convex quadratic functions on convex sets, inside a compiled program."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from mamdr_jax.core import Array

STEPS = 400


def least(
  slope: Callable[[Array], tuple[Array, Array]],
  project: Callable[[Array], Array],
  start: Array,
  steps: int = STEPS,
) -> Array:
  """Where a convex function is least on a convex set.

  Nesterov's accelerated projected gradient, begun anew whenever it goes uphill (O'Donoghue & Candès
  2015, Eq. 13).

  Args:
    slope: w -> its gradient there, [D], and a bound of how fast that changes, [].
    project: onto the set.
    start: [D], in the set.
    steps: how many are taken.

  Returns:
    [D], in the set.
  """

  def take(_, carry):
    w, ahead, momentum = carry
    gradient, bound = slope(ahead)
    new = project(ahead - gradient / jnp.maximum(bound, 1e-6))
    uphill = (ahead - new) @ (new - w) > 0
    following = jnp.where(uphill, 1.0, (1 + jnp.sqrt(1 + 4 * momentum**2)) / 2)
    ahead = new + jnp.where(uphill, 0.0, (momentum - 1) / following) * (new - w)
    return new, ahead, following

  return jax.lax.fori_loop(0, steps, take, (start, start, jnp.ones(())))[0]


def steepest(gram: Array) -> Array:
  """A bound of the largest eigenvalue of a positive matrix: []."""
  return jnp.minimum(jnp.abs(gram).sum(1).max(), jnp.linalg.norm(gram))
