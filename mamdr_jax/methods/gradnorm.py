"""GradNorm: weights are moved until domains that learn slower have longer gradients."""

import jax.numpy as jnp
import optax

from mamdr_jax.core import Method
from mamdr_jax.methods.arguments import takes_also
from mamdr_jax.methods.gramian import mindful
from mamdr_jax.view import merge, view


@takes_also(mindful)
def gradnorm(*, asymmetry: float = 1.5, weight_rate: float = 0.025, **common) -> Method:
  """Chen et al. 2018, Alg. 1: w moves by Adam along the gradient of Σ | wᵢ ‖gᵢ‖ − Ḡ rᵢ^a |.

  Ḡ is the mean of wᵢ ‖gᵢ‖, rᵢ the loss by what it was at the domain's first step, divided by the
  mean of that; both count as constants. Weights begin at 1, and keep their sum. The paper has the
  gradients of the last layer that tasks share; here they are those of all parameters.

  Args:
    asymmetry: a, at least 0.
    weight_rate: that of the weights.
    common: what `gramian.mindful` takes.
  """
  tx = optax.adam(weight_rate)

  def begin(num):
    weights = {"tables": {"domain": {"weight": jnp.ones(num), "first": jnp.zeros(num)}}}
    return weights, tx.init(weights)

  def weigh(key, mind, seen):
    del key
    rows = {"domain": seen.domains}
    known, state = view(mind, rows)
    weight, first = (known["tables"]["domain"][name] for name in ("weight", "first"))
    first = jnp.where(first > 0, first, seen.losses)
    length = jnp.sqrt(jnp.diagonal(seen.gram))
    behind = seen.losses / first
    goal = (weight * length).mean() * (behind / behind.mean()) ** asymmetry
    slope = jnp.sign(weight * length - goal) * length
    of = lambda weight, first: {"tables": {"domain": {"weight": weight, "first": first}}}
    updates, state = tx.update(of(slope, jnp.zeros_like(slope)), state)
    moved = jnp.maximum(weight + updates["tables"]["domain"]["weight"], 1e-6)
    moved = moved * weight.sum() / moved.sum()
    return weight, merge(mind, (of(moved, first), state), rows)

  return mindful(begin, weigh, **common)
