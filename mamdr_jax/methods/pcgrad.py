"""PCGrad: gradients of domains that conflict are projected off each other, then added up."""

import jax
import jax.numpy as jnp

from mamdr_jax.core import Array, Key, Method
from mamdr_jax.methods.arguments import takes_also
from mamdr_jax.methods.gramian import combining


def orders(key: Key, num_domains: int) -> Array:
  """For each gradient the order in which it meets the others, itself among them: [D, D] int32."""
  return jax.vmap(lambda k: jax.random.permutation(k, num_domains))(
    jax.random.split(key, num_domains)
  )


def project(gram: Array, order: Array) -> Array:
  """The projected gradients as combinations of the original ones: g_PC = c @ g.

  A projected gradient stays in their span, so that products of the original ones say it all.

  Args:
    gram: [D, D], gram[i, j] = ⟨gᵢ, gⱼ⟩.
    order: [D, D] int32, row i the order in which gᵢ meets the others.

  Returns:
    c: [D, D].
  """

  def one(i, order):
    def meet(c, j):
      along = c @ gram[:, j]
      conflict = (along < 0) & (j != i)
      length = jnp.where(conflict, gram[j, j], 1.0)
      return c.at[j].add(jnp.where(conflict, -along / length, 0.0)), None

    return jax.lax.scan(meet, jax.nn.one_hot(i, gram.shape[0]), order)[0]

  return jax.vmap(one)(jnp.arange(gram.shape[0]), order)


@takes_also(combining)
def pcgrad(**common) -> Method:
  """Yu et al. 2020, Alg. 1: a step takes a minibatch of every domain, and its gradients gᵢ;

  g ← gᵢ;  for j ≠ i in random order: if ⟨g, gⱼ⟩ < 0: g ← g − ⟨g, gⱼ⟩ / ‖gⱼ‖² gⱼ;  θ ← θ − α Σ g.
  """

  def weigh(key, gram):
    return project(gram, orders(key, gram.shape[0])).sum(0)

  return combining(weigh, **common)
