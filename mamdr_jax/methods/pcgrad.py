"""PCGrad: gradients of domains that conflict are projected off each other, then added up."""

import jax
import jax.numpy as jnp

from mamdr_jax.core import Array, Key, Loss, Method, Optimizer
from mamdr_jax.descent import narrowed
from mamdr_jax.methods.alternate import stepping
from mamdr_jax.schedule import check_domains, joint_steps


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


def pcgrad(
  *, loss: Loss, inner: Optimizer, domains_per_step: int | None = None, sparse: bool = True
) -> Method:
  """Yu et al. 2020, Alg. 1: a step takes a minibatch of every domain, and its gradients gᵢ;

    g ← gᵢ;  for j ≠ i in random order: if ⟨g, gⱼ⟩ < 0: g ← g − ⟨g, gⱼ⟩ / ‖gⱼ‖² gⱼ;  θ ← θ − α Σ g.

  An epoch has ⌈T / D⌉ steps, as many gradients as a pass: small domains come over again, large
  ones leave minibatches out (see `rounds`). The D gradients of a step are spread over the rows of
  all its D minibatches: its memory is quadratic in D, and its D² inner products cost more. With
  thousands of domains let a step look at some of them, `domains_per_step`.

  Args:
    loss: what to descend on.
    inner: α -> the optimizer that takes Σ g as its gradient; its state lives through all epochs.
    domains_per_step: how many domains a step looks at, others in every step; by default all. Time
      and memory of a step grow with it.
    sparse: a step updates the table rows of its minibatches only.

  Raises:
    ValueError: `domains_per_step` is less than 1.
  """
  check_domains(domains_per_step)
  value_and_grad = jax.vmap(jax.value_and_grad(narrowed(loss, sparse)), (None, 0, 0))

  def gradient(key, params, batches):
    loss_key, order_key = jax.random.split(key)
    num_domains = batches.domain.size
    values, grads = value_and_grad(params, jax.random.split(loss_key, num_domains), batches)
    flat = [leaf.reshape(num_domains, -1) for leaf in jax.tree.leaves(grads)]
    gram = sum(leaf @ leaf.T for leaf in flat)
    weight = project(gram, orders(order_key, num_domains)).sum(0)
    return values.mean(), jax.tree.map(lambda leaf: jnp.tensordot(weight, leaf, 1), grads)

  schedule = lambda key, data: joint_steps(key, data, 1, domains_per_step)[:, 0]
  return stepping(gradient, schedule, inner, sparse)
