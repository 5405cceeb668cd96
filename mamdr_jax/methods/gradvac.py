"""GradVac: gradients are turned until they are as similar as they have been in the mean."""

import jax
import jax.numpy as jnp

from mamdr_jax.core import Array, Method
from mamdr_jax.methods.arguments import takes_also
from mamdr_jax.methods.gramian import mindful
from mamdr_jax.methods.pcgrad import orders

NEAR = 0.999  # cosines beyond which turning would divide by nothing


@takes_also(mindful)
def gradvac(*, decay: float = 0.01, **common) -> Method:
  """Wang et al. 2021, Alg. 1 and Eqs. 3-4: as PCGrad, with a goal for every pair in place of 0.

    φ = cos(g, gⱼ);  if φ < φ̂ᵢⱼ: g ← g + ‖g‖ (φ̂ √(1 − φ²) − φ √(1 − φ̂²)) / (‖gⱼ‖ √(1 − φ̂²)) gⱼ;
    φ̂ᵢⱼ ← (1 − decay) φ̂ᵢⱼ + decay φ,

  from g = gᵢ, for j ≠ i in random order, φ̂ from 0. The direction is the sum.

  Args:
    decay: how fast the goals move, above 0 and at most 1.
    common: what `gramian.mindful` takes.

  Raises:
    ValueError: `decay` is none.
  """
  if not 0 < decay <= 1:
    raise ValueError(f"decay={decay}; choose more than 0 and at most 1")

  def weigh(key, goals, seen):
    pairs = jnp.ix_(seen.domains, seen.domains)
    order = orders(key, seen.domains.size)
    weight, moved = turned(seen.gram, goals[pairs], order, decay)
    return weight.sum(0), goals.at[pairs].set(moved)

  return mindful(lambda num: jnp.zeros((num, num)), weigh, **common)


def turned(gram: Array, goals: Array, order: Array, decay: float) -> tuple[Array, Array]:
  """The turned gradients as combinations of the original ones, and the goals then: [D, D] each.

  Args:
    gram: [D, D].
    goals: [D, D], φ̂.
    order: [D, D] int32, row i the order in which gᵢ meets the others.
    decay: how fast goals move.
  """
  length = jnp.sqrt(jnp.diagonal(gram))

  def one(i, goal, order):
    def meet(carry, j):
      c, goal = carry
      own = jnp.sqrt(jnp.maximum(c @ gram @ c, 0.0))
      there = (own > 0) & (length[j] > 0) & (j != i)
      size = jnp.where(there, own * length[j], 1.0)
      cosine = jnp.clip(c @ gram[:, j] / size, -NEAR, NEAR)
      aim = jnp.clip(goal[j], -NEAR, NEAR)
      sine = lambda x: jnp.sqrt(1 - x**2)
      share = own * (aim * sine(cosine) - cosine * sine(aim)) / sine(aim)
      add = jnp.where(there & (cosine < aim), share / jnp.where(there, length[j], 1.0), 0.0)
      new = jnp.where(there, (1 - decay) * goal[j] + decay * cosine, goal[j])
      return (c.at[j].add(add), goal.at[j].set(new)), None

    return jax.lax.scan(meet, (jax.nn.one_hot(i, gram.shape[0]), goal), order)[0]

  return jax.vmap(one)(jnp.arange(gram.shape[0]), goals, order)
