"""DN and DR with one state of the inner optimizer through all that they do, as in released code.

Whole tables and whole passes, for as many domains as their deltas fit memory: for following runs of
that code, not for training well.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mamdr_jax import tree
from mamdr_jax.core import Loss, Method, Optimizer, Params, Tree
from mamdr_jax.descent import descend, pull
from mamdr_jax.methods.domain_regularization import helpers
from mamdr_jax.schedule import follow, full_pass, visit
from mamdr_jax.view import view


class OneState(NamedTuple):
  params: Params  # θ_S
  specific: Params  # θᵢ: leaves [D, ...]
  inner: Tree  # that of all descents
  outer: Tree
  outer_specific: Tree  # leaves [D, ...]


def one_state(
  *, loss: Loss, inner: Optimizer, outer: Optimizer, k: int, help_self: bool, specific_scale: float
) -> Method:
  """Luo et al. 2023, Alg. 3: a descent of DN, then two for each helper of each target.

  The optimizer's moments go from the end of each descent to the beginning of the next. Targets come
  in a shuffled order; the arguments are those of `mamdr`.
  """

  def init(key, params, train):
    num = train.start.size
    if k >= num:
      raise ValueError(f"k={k} helpers need more than {k} domains, and there are {num}")
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    noise = [
      specific_scale * jax.random.normal(key, (num, *leaf.shape), leaf.dtype)
      for key, leaf in zip(keys, leaves, strict=True)
    ]
    specific = structure.unflatten(noise)
    each = jax.vmap(outer(0.0).init)(specific)
    return OneState(params, specific, inner(0.0).init(params), outer(0.0).init(params), each)

  def epoch(key, state, data, hparams):
    order_key, pass_key, pair_key, visit_key = jax.random.split(key, 4)
    tx, params = inner(hparams.alpha), state.params
    common = {"loss": loss, "tx": tx, "sparse": False}
    end, moments, mean_loss = descend(
      pass_key, params, state.inner, data, full_pass(order_key, data), **common
    )
    params, outer_state = pull(params, end, state.outer, outer(hparams.beta))
    num = data.start.size
    targets, others = helpers(pair_key, num, k)
    if help_self:
      targets, others = (jnp.concatenate([x, targets[:num]]) for x in (targets, others))
    by_target = lambda x: x.reshape(-1, num).swapaxes(0, 1).ravel()
    targets, others = by_target(targets), by_target(others)

    def help_out(carry, entry):
      specific, each, moments = carry
      target, helper, key = entry
      helper_key, target_key, descent_key = jax.random.split(key, 3)
      visits = visit(helper_key, data, helper), visit(target_key, data, target)
      order, length = follow(*visits)
      theta, mine = tree.take(specific, target), tree.take(each, target)
      end, moments, loss_of_visit = descend(
        descent_key, theta, moments, data, order, length=length, base=params, **common
      )
      theta, mine = pull(theta, end, mine, outer(hparams.gamma))
      put = lambda x, new: x.at[target].set(new)
      carry = jax.tree.map(put, specific, theta), jax.tree.map(put, each, mine), moments
      return carry, (loss_of_visit, length)

    keys = jax.random.split(visit_key, targets.size)
    carry = state.specific, state.outer_specific, moments
    carry, (losses, lengths) = jax.lax.scan(help_out, carry, (targets, others, keys))
    specific, each, moments = carry
    info = {
      "loss": mean_loss,
      "specific_loss": losses.mean(),
      "passes": jnp.float32(data.batch.domain.size) + lengths.sum(),
    }
    return OneState(params, specific, moments, outer_state, each), info

  def params(state, domain, rows=None):
    own = tree.take(state.specific, domain)
    return tree.add(view(state.params, rows), view(own, rows))

  served = lambda state: state._replace(inner=(), outer=(), outer_specific=())
  return Method(init, epoch, params, rates=("alpha", "beta", "gamma"), served=served)
