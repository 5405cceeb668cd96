"""Domain Regularization (DR): a domain's specific parameters learn with the help of others."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from mamdr_jax import tree
from mamdr_jax.core import Array, Key, Loss, Method, Optimizer, Params, Tree
from mamdr_jax.descent import descend, follow, gather, pull, visit
from mamdr_jax.methods.alternate import alternate
from mamdr_jax.view import merge, touched, view


class MamdrState(NamedTuple):
  shared: Tree  # state of the method that trains the shared parameters θ_S
  specific: Params  # the deltas θᵢ, leaves [D, ...]; shared + specific[i] serves domain i
  inner: Tree  # state of the inner optimizer
  outer: Tree  # states of the outer optimizer, leaves [D, ...]


def helpers(key: Key, num_domains: int, k: int) -> tuple[Array, Array]:
  """k helpers for every target: (target, helper), each [k · D] int32.

  The helpers of π[p] are π[p + s], for a random permutation π and k distinct random shifts s.
  For a target that is a uniform draw of k others without replacement, and every domain helps
  exactly k times, so that an epoch has the same number of steps whatever is drawn.
  """
  order_key, shift_key = jax.random.split(key)
  order = jax.random.permutation(order_key, num_domains)
  shifts = 1 + jax.random.permutation(shift_key, num_domains - 1)[:k]
  helper = order[(jnp.arange(num_domains) + shifts[:, None]) % num_domains]
  return jnp.tile(order, k), helper.ravel()


def domain_regularization(
  *,
  loss: Loss,
  inner: Optimizer,
  outer: Optimizer = optax.sgd,
  shared: Method | None = None,
  k: int = 3,
  visit_steps: int | None = None,
  help_self: bool = False,
  specific: Sequence[str] = ("tables", "net"),
  specific_inner: Optimizer | None = None,
  specific_scale: float = 0.0,
  specific_carry: bool = False,
  sparse: bool = True,
) -> Method:
  """Luo et al. 2023, Alg. 2, for every target domain i and each of its k helpers j:

    θ̃ᵢ ← θᵢ;  θ̃ᵢ descended over Tʲ, then over Tⁱ, the loss taken at θ_S + θ̃ᵢ;
    θᵢ ← θᵢ + γ (θ̃ᵢ − θᵢ).

  θ_S does not move meanwhile. It is trained by another method, before, in the same epoch.

  Args:
    loss: what to descend on.
    inner: α -> the inner optimizer of the shared parameters, and by default of the deltas.
    outer: γ -> the optimizer that takes θᵢ − θ̃ᵢ as its gradient.
    shared: the method that trains θ_S; by default `alternate`, the paper's "w/o DN".
    k: how many helpers a target has.
    visit_steps: at most so many minibatches of Tʲ and so many of Tⁱ; by default all.
    help_self: the target is one more helper of itself, after the others.
    specific: the branches of the parameters that have deltas.
    specific_inner: α -> the inner optimizer of the deltas.
    specific_scale: standard deviation of the normal noise that deltas start from.
    specific_carry: the deltas' inner optimizer state lives on from visit to visit; if False
      every θ̃ᵢ starts with a fresh one.
    sparse: a step updates the table rows of its minibatch only; see `descend`. With `visit_steps`
      the outer optimizer, too, steps only the rows that the visits read.

  Raises:
    ValueError: there is nobody to help, or nothing to have a delta.
  """
  if k < 0 or (k == 0 and not help_self):
    raise ValueError(f"k={k} leaves no helper; choose k >= 1, or k = 0 with help_self=True")
  if not specific or not set(specific) <= {"tables", "net"}:
    raise ValueError(f"specific={tuple(specific)!r}; choose one or both of 'tables', 'net'")
  shared = shared or alternate(loss=loss, inner=inner, sparse=sparse)
  inner = specific_inner or inner

  def init(key, params, num_domains):
    if k >= num_domains:
      raise ValueError(f"k={k} helpers need more than {k} domains, and there are {num_domains}")
    shared_key, noise_key = jax.random.split(key)
    delta = tree.zeros_like({name: params.get(name, {}) for name in specific})
    if not tree.size(delta):
      there = [name for name, branch in params.items() if tree.size(branch)]
      raise ValueError(
        f"specific={tuple(specific)!r}: nothing would have a delta; the model has parameters in "
        f"{', '.join(map(repr, there))}"
      )
    deltas = tree.tile(delta, num_domains)
    if specific_scale:
      deltas = tree.noise(noise_key, deltas, specific_scale)
    outer_state = jax.vmap(outer(0.0).init)(deltas)
    inner_state = inner(0.0).init(delta) if specific_carry else ()
    return MamdrState(
      shared.init(shared_key, params, num_domains), deltas, inner_state, outer_state
    )

  def epoch(key, state, data, hparams):
    shared_key, specific_key = jax.random.split(key)
    shared_state, info = shared.epoch(shared_key, state.shared, data, hparams)
    regularized, own = regularize(specific_key, shared_state, state[1:], data, hparams)
    info = info | {"specific_loss": own["loss"], "passes": info["passes"] + own["passes"]}
    return MamdrState(shared_state, *regularized), info

  def regularize(key, shared_state, state, data, hparams):
    num_domains = data.start.size
    pair_key, visit_key = jax.random.split(key)
    targets, others = helpers(pair_key, num_domains, k)
    if help_self:
      every = jnp.arange(num_domains)
      targets, others = (jnp.concatenate([x, every]) for x in (targets, others))
    tx, outer_tx = inner(hparams.alpha), outer(hparams.gamma)

    def help_target(state, pair):
      deltas, inner_state, outer_state = state
      target, helper, key = pair
      helper_key, target_key, descent_key = jax.random.split(key, 3)
      order, length = follow(
        visit(helper_key, data, helper, visit_steps), visit(target_key, data, target, visit_steps)
      )
      base = shared.params(shared_state, target)
      if visit_steps is None or not sparse:  # whole passes touch most rows
        rows, visited = None, data
      else:
        rows, visited = touched(base.get("tables", {}), gather(data, order))
        order = jnp.arange(order.size)
      start = view(deltas, rows, target)
      begin = view(inner_state, rows) if specific_carry else tx.init(start)
      end, ended, mean_loss = descend(
        descent_key,
        start,
        begin,
        visited,
        order,
        loss=loss,
        tx=tx,
        length=length,
        base=view(base, rows),
        sparse=sparse,
      )
      delta, pulled = pull(start, end, view(outer_state, rows, target), outer_tx)
      deltas = merge(deltas, delta, rows, target)
      outer_state = merge(outer_state, pulled, rows, target)
      inner_state = merge(inner_state, ended, rows) if specific_carry else ()
      return (deltas, inner_state, outer_state), (mean_loss, length)

    pairs = targets, others, jax.random.split(visit_key, targets.size)
    state, (losses, lengths) = jax.lax.scan(help_target, tuple(state), pairs)
    return state, {"loss": losses.mean(), "passes": jnp.float32(lengths.sum())}

  def params(state, domain):
    return tree.add(shared.params(state.shared, domain), tree.take(state.specific, domain))

  return Method(init, epoch, params, rates=(*shared.rates, "gamma"))
