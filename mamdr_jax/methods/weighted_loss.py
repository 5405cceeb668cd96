"""Weighted Loss: a learned uncertainty per domain weighs its loss."""

from collections.abc import Callable

import jax.numpy as jnp

from mamdr_jax.core import Array, Loss, Method, Optimizer, Params
from mamdr_jax.methods.alternate import alternate
from mamdr_jax.view import view

LOG_VARIANCE = "log_variance"  # sᵢ = log σᵢ², a row per domain, like other tables of the domain


def weighted_loss(
  *,
  loss: Loss,
  inner: Optimizer,
  penalty: Callable[[Params], Array] | None = None,
  sparse: bool = True,
) -> Method:
  """Kendall, Gal & Cipolla 2018, Eq. 10: L_d / σ_d² + log σ_d, a term of classification each.

    (θ, s) ← (θ, s) − α ∇ (exp(−s_d) L_d(θ, batch) + s_d / 2),  s = log σ², from 0.

  L is the likelihood alone: a penalty on θ is added as it is, so that it neither weakens as s
  grows nor moves s. The paper's step sums the terms of all tasks; a minibatch here has one
  domain, so that the sum is over the steps of a pass, domains in a shuffled order. The info's
  `loss` is the weighted one.

  Args:
    loss: L, and the penalty if there is one.
    penalty: what of `loss` is no likelihood, `Objective.penalty`.
    inner: α -> the optimizer, of θ and s alike; its state lives through all epochs.
    sparse: a step updates the table rows of its minibatch only; see `descent.step`.
  """

  def weighted(params, key, batch):
    log_variance = params["tables"]["domain"][LOG_VARIANCE][batch.domain]
    own = without(params)
    weigh = lambda likelihood: jnp.exp(-log_variance) * likelihood + log_variance / 2
    if penalty is None:
      return weigh(loss(own, key, batch))
    added = penalty(own)
    return weigh(loss(own, key, batch) - added) + added

  base = alternate(loss=weighted, inner=inner, sparse=sparse)

  def init(key, params, train):
    tables = params.get("tables", {})
    domain = tables.get("domain", {}) | {LOG_VARIANCE: jnp.zeros(train.start.size)}
    return base.init(key, params | {"tables": tables | {"domain": domain}}, train)

  def params(state, domain, rows=None):
    return view(without(base.params(state, domain)), rows)

  return base._replace(init=init, params=params)


def without(params):
  """The parameters of the model alone; a field "domain" that had no other table goes too."""
  tables = dict(params["tables"])
  domain = {name: leaf for name, leaf in tables.pop("domain").items() if name != LOG_VARIANCE}
  return params | {"tables": tables | ({"domain": domain} if domain else {})}
