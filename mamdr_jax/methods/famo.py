"""FAMO: weights by which the losses of all domains fall at the same rate, without their gradients.

Its time and memory are linear in the domains that a step looks at.
"""

import jax
import jax.numpy as jnp
import optax

from mamdr_jax.core import Loss, Method, Optimizer
from mamdr_jax.descent import narrowed
from mamdr_jax.methods.gramian import remembering
from mamdr_jax.view import merge, view


def famo(
  *,
  loss: Loss,
  inner: Optimizer,
  weight_rate: float = 0.025,
  weight_decay: float = 0.001,
  domains_per_step: int | None = None,
  sparse: bool = True,
) -> Method:
  """Liu et al. 2023, Alg. 1: θ ← θ − α Σ c zᵢ ∇ log ℓᵢ, z = softmax(ξ), c = 1 / Σ (zᵢ / ℓᵢ);

    ξ ← ξ − weight_rate · (∇_ξ Σ zᵢ (log ℓᵢ(θ before) − log ℓᵢ(θ after)) + weight_decay · ξ),

  that step by Adam, as the authors' code has it. A step looks at a minibatch of every domain, and
  after it at their losses again, on the same rows and with the same dropout; `passes` counts the
  gradients alone.

  Args:
    weight_rate: that of ξ.
    weight_decay: that of ξ.
    loss, inner: see `gramian.combining`.
    domains_per_step: how many domains a step looks at, others in every step; by default all.
    sparse: a step updates the table rows of its minibatches only.
  """
  tx = optax.chain(optax.add_decayed_weights(weight_decay), optax.adam(weight_rate))
  losses_of = jax.vmap(narrowed(loss, sparse), (None, 0, 0))
  of_domains = lambda logit: {"tables": {"domain": {"logit": logit}}}

  def begin(num):
    known = of_domains(jnp.zeros(num))
    return {"known": known, "moments": tx.init(known), "before": ()}

  def at(params, key, batches):
    return losses_of(params, jax.random.split(key, batches.domain.size), batches)

  def gradient(mind, domains):
    def of_step(key, params, batches):
      keys = jax.random.key_data(key)
      logit = mind["known"]["tables"]["domain"]["logit"][domains]
      share = jax.nn.softmax(logit)

      def total(params):
        losses = at(params, key, batches)
        weight = jax.lax.stop_gradient(share / jnp.maximum(losses, 1e-8))
        return (weight / weight.sum()) @ losses, losses

      grads, losses = jax.grad(total, has_aux=True)(params)
      return (losses.mean(), mind | {"before": (losses, keys)}), grads

    return of_step

  def after(key, mind, params, batches):
    del key
    losses, keys = mind["before"]
    then = at(params, jax.random.wrap_key_data(keys), batches)
    fell = jnp.log(jnp.maximum(losses, 1e-8)) - jnp.log(jnp.maximum(then, 1e-8))
    rows = {"domain": batches.domain}
    known, moments = view((mind["known"], mind["moments"]), rows)
    logit = known["tables"]["domain"]["logit"]
    slope = jax.vjp(jax.nn.softmax, logit)[1](fell)[0]
    updates, moments = tx.update(of_domains(slope), moments, known)
    known = optax.apply_updates(known, updates)
    known, moments = merge((mind["known"], mind["moments"]), (known, moments), rows)
    return {"known": known, "moments": moments, "before": ()}

  return remembering(begin, gradient, inner, domains_per_step, sparse, after)
