"""Steps along a combination of the gradients of domains, weighed by how these lie to each other.

What combines them sees their Gramian, their losses and whose they are, and gives a weight each.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mamdr_jax import rounds
from mamdr_jax.core import Array, Key, Loss, Method, Optimizer, Params, Tree
from mamdr_jax.descent import gather, narrowed, step
from mamdr_jax.methods.alternate import stepping
from mamdr_jax.rounds import Stage
from mamdr_jax.schedule import check_domains, joint_steps
from mamdr_jax.view import one_for_all, params_alone


def combining(
  weigh: Callable[[Key, Array], Array],
  *,
  loss: Loss,
  inner: Optimizer,
  domains_per_step: int | None = None,
  sparse: bool = True,
) -> Method:
  """A step takes a minibatch of every domain and their gradients gᵢ: θ ← θ − α Σ wᵢ gᵢ.

  An epoch has ⌈T / D⌉ steps, as many gradients as a pass: small domains come over again, large
  ones leave minibatches out (see `schedule.rounds`). The D gradients of a step are spread over the
  rows of all its D minibatches: its memory is quadratic in D, and its D² inner products cost more.
  With thousands of domains let a step look at some of them, `domains_per_step`.

  Args:
    weigh: (key, G [D, D]) -> w [D], where G[i, j] = ⟨gᵢ, gⱼ⟩.
    loss: what to descend on.
    inner: α -> the optimizer that takes Σ wᵢ gᵢ as its gradient.
    domains_per_step: how many domains a step looks at, others in every step; by default all.
    sparse: a step updates the table rows of its minibatches only.

  Raises:
    ValueError: `domains_per_step` is less than 1.
  """
  look = looking(loss, sparse)

  def gradient(key, params, batches):
    losses, grads, gram, key = look(key, params, batches)
    return losses.mean(), combined(weigh(key, gram), grads)

  return stepping(gradient, schedule_of(domains_per_step), inner, sparse)


class Seen(NamedTuple):
  """What a step tells of the domains that it looks at."""

  gram: Array  # [D, D] float32, ⟨gᵢ, gⱼ⟩
  losses: Array  # [D] float32
  domains: Array  # [D] int32, which they are


class MindfulState(NamedTuple):
  params: Params
  inner: Tree  # optimizer state
  mind: Tree  # what is known of domains


def mindful(
  begin: Callable[[int], Tree],
  weigh: Callable[[Key, Tree, Seen], tuple[Array, Tree]],
  *,
  loss: Loss,
  inner: Optimizer,
  domains_per_step: int | None = None,
  sparse: bool = True,
) -> Method:
  """As `combining`, where weights depend on steps before.

  Args:
    begin: how many domains there are -> what is known of them at first.
    weigh: (key, what is known, `Seen`) -> (w, what is known then).
    loss: what to descend on.
    inner: α -> the optimizer that takes Σ wᵢ gᵢ as its gradient.
    domains_per_step: how many domains a step looks at, others in every step; by default all.
    sparse: a step updates the table rows of its minibatches only.
  """
  look = looking(loss, sparse)

  def gradient(mind, domains):
    def of_step(key, params, batches):
      losses, grads, gram, key = look(key, params, batches)
      weight, known = weigh(key, mind, Seen(gram, losses, domains))
      return (losses.mean(), known), combined(weight, grads)

    return of_step

  return remembering(begin, gradient, inner, domains_per_step, sparse)


def remembering(
  begin: Callable[[int], Tree],
  gradient: Callable[[Tree, Array], Callable],
  inner: Optimizer,
  domains_per_step: int | None,
  sparse: bool,
  after: Callable[..., Tree] = lambda key, mind, params, batches: mind,
) -> Method:
  """Steps of `inner` along gradients that depend on what is known of domains.

  Args:
    begin: how many domains there are -> what is known of them at first.
    gradient: (what is known, which domains [n]) -> that of `descent.step`, whose value is (loss,
      what is known then).
    inner: α -> the optimizer; its state lives through all epochs.
    domains_per_step, sparse: see `combining`.
    after: (key of the step, what is known, θ after the step, its minibatches) -> what is known.
  """

  def init(key, params, train):
    del key
    return MindfulState(params, inner(0.0).init(params), begin(train.start.size))

  def take(state, data, entry, hparams):
    batches = gather(data, entry.visits.start)
    step_key, after_key = jax.random.split(entry.rest)
    params, opt_state, (loss, mind) = step(
      step_key, state.params, state.inner, batches,
      gradient=gradient(state.mind, batches.domain), tx=inner(hparams.alpha), sparse=sparse,
    )  # fmt: skip
    mind = after(after_key, mind, params, batches)
    passes = jnp.float32(entry.visits.start.size)
    return MindfulState(params, opt_state, mind), {"loss": loss, "passes": passes}

  stage = Stage(
    rounds.steps_of(schedule_of(domains_per_step)),
    lambda state, hparams: state,
    take,
    lambda state, told, hparams: (state, rounds.info(told)),
  )
  return rounds.method(init, (stage,), one_for_all, served=params_alone)


def schedule_of(domains_per_step: int | None) -> Callable:
  """(key, data) -> [S, n] int32: a minibatch of each of n domains a step."""
  check_domains(domains_per_step)
  return lambda key, data: joint_steps(key, data, 1, domains_per_step)[:, 0]


def looking(loss: Loss, sparse: bool) -> Callable:
  """(key, params, batches) -> losses [D], gradients [D, ...], Gramian [D, D], and a key left."""
  value_and_grad = jax.vmap(jax.value_and_grad(narrowed(loss, sparse)), (None, 0, 0))

  def look(key, params, batches):
    loss_key, left = jax.random.split(key)
    num_domains = batches.domain.size
    losses, grads = value_and_grad(params, jax.random.split(loss_key, num_domains), batches)
    return losses, grads, gramian(grads), left

  return look


def gramian(grads: Tree) -> Array:
  """⟨gᵢ, gⱼ⟩ of leaves [D, ...]: [D, D]."""
  flat = [leaf.reshape(leaf.shape[0], -1) for leaf in jax.tree.leaves(grads)]
  return sum(leaf @ leaf.T for leaf in flat)


def combined(weight: Array, grads: Tree) -> Tree:
  """Σ wᵢ gᵢ of leaves [D, ...]."""
  return jax.tree.map(lambda leaf: jnp.tensordot(weight, leaf, 1), grads)


def scaled(gram: Array) -> Array:
  """A Gramian of mean squared length 1; of gradients that are all 0 it is 0."""
  mean = jnp.trace(gram) / gram.shape[0]
  return gram / jnp.where(mean > 0, mean, 1.0)
