"""MAML: parameters from which a few steps on a domain lead to a low loss there."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from mamdr_jax import rounds, tree
from mamdr_jax.core import Loss, Method, Optimizer, Params, Tree
from mamdr_jax.descent import narrowed
from mamdr_jax.schedule import check_domains, joint_steps
from mamdr_jax.view import one_for_all, params_alone


class MetaState(NamedTuple):
  params: Params
  outer: Tree  # state of the outer optimizer


def virtual_step(params, opt_state, grads, tx, first_order):
  """A step of `tx` to differentiate through; if `first_order`, as if it were a constant shift."""
  if first_order:
    grads = jax.lax.stop_gradient(grads)
  updates, opt_state = tx.update(grads, opt_state, params)
  return optax.apply_updates(params, updates), opt_state


def check_smooth(inner: Optimizer) -> None:
  """Raises a ValueError if the steps of `inner` have no derivative at a gradient of 0."""
  tx, theta = inner(0.1), jnp.zeros(())
  slope = jax.grad(lambda g: tx.update(g, tx.init(theta), theta)[0])(theta)
  if not jnp.isfinite(slope):
    raise ValueError(
      "first_order=False needs an inner optimizer with a derivative where the gradient is 0; "
      "choose sgd, or adam with eps_root=1e-8"
    )


def maml(
  *,
  loss: Loss,
  inner: Optimizer,
  outer: Optimizer = optax.sgd,
  inner_steps: int = 1,
  first_order: bool = True,
  domains_per_step: int | None = None,
  sparse: bool = True,
) -> Method:
  """Finn et al. 2017, Alg. 1, the meta-batch being all domains:

    θᵢ ← θ;  inner_steps times θᵢ ← θᵢ − α ∇L(θᵢ, supportᵢ);  θ ← θ − β ∇_θ Σᵢ L(θᵢ, queryᵢ).

  Support and query of a domain are two minibatches, drawn anew for every step of θ; they are the
  same one if it has no other. An epoch has ⌈T / 2D⌉ steps of θ, small domains coming over again
  (see `rounds`). θ itself serves every domain; for what a few steps make of it, fine-tune it.
  `passes` counts each gradient, and second order each product with a Hessian as one more: a domain
  takes inner_steps + 1 of them a step, or 2 · inner_steps + 1.

  Args:
    loss: what to descend on.
    inner: α -> the optimizer of the steps on the support; begun afresh for every one of them.
    outer: β -> the optimizer of θ, which takes the gradient summed over domains.
    inner_steps: how many steps on the support.
    first_order: take ∇_θ as if θᵢ − θ were constant. Exact second order needs an `inner` that can
      be differentiated, like sgd.
    domains_per_step: how many domains a step looks at, others in every step; by default all. Time
      and memory of a step grow with it.
    sparse: a step updates the table rows of its minibatches only.

  Raises:
    ValueError: `inner_steps` or `domains_per_step` is less than 1, or `inner` has no derivative.
  """
  check_domains(domains_per_step)
  if inner_steps < 1:
    raise ValueError(f"inner_steps={inner_steps}; choose 1 or more")
  if not first_order:
    check_smooth(inner)

  def init(key, params, train):
    del key, train
    return MetaState(params, outer(0.0).init(params))

  def gradient(hparams):
    tx = inner(hparams.alpha)

    def adapted(params, key, pair):
      """The loss on the query after the steps on the support."""
      support, query = tree.take(pair, 0), tree.take(pair, 1)
      keys = jax.random.split(key, inner_steps + 1)
      opt_state = tx.init(params)
      for step in range(inner_steps):
        grads = jax.grad(loss)(params, keys[step], support)
        params, opt_state = virtual_step(params, opt_state, grads, tx, first_order)
      return loss(params, keys[-1], query)

    def total(params, key, pairs):
      keys = jax.random.split(key, pairs.domain.shape[1])
      return jax.vmap(narrowed(adapted, sparse), (None, 0, 1))(params, keys, pairs).sum()

    def of_step(key, params, batches):
      pairs = jax.tree.map(lambda x: x.reshape((2, -1) + x.shape[1:]), batches)
      value, grads = jax.value_and_grad(total)(params, key, pairs)
      return value / pairs.domain.shape[1], grads

    return of_step

  def schedule(key, data):
    pairs = joint_steps(key, data, 2, domains_per_step)
    return pairs.reshape(pairs.shape[0], -1)

  per_domain = (1 if first_order else 2) * inner_steps + 1
  stage = rounds.stepwise(
    schedule, gradient, lambda hparams: outer(hparams.beta),
    sparse=sparse, state="outer", passes=lambda num_minibatches: num_minibatches // 2 * per_domain,
  )  # fmt: skip
  return rounds.method(init, (stage,), one_for_all, served=params_alone, rates=("alpha", "beta"))
