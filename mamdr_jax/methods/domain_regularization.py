"""Domain Regularization (DR): a domain's specific parameters learn with the help of others."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from mamdr_jax import tree
from mamdr_jax.core import Array, Key, Loss, Method, Optimizer, Own, Params, Tree
from mamdr_jax.descent import descend, follow, gather, pull, visit
from mamdr_jax.excursion import excursion, spare
from mamdr_jax.methods.alternate import alternate
from mamdr_jax.own import every_row, places, spread
from mamdr_jax.view import every_id, merge, touched, view


class MamdrState(NamedTuple):
  shared: Tree  # state of the method that trains the shared parameters θ_S
  specific: Params  # the deltas θᵢ of all domains, kept as `own` says; θ_S + θᵢ serves domain i
  inner: Tree  # state of the inner optimizer
  outer: Tree  # states of the outer optimizer, kept in the same way
  own: dict[str, Own]  # which rows of tables have a delta


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
  all_rows: bool = False,
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
    specific: the branches of the parameters that have deltas, dotted: "tables", "net.Dense_0", ...
    all_rows: a domain has deltas of all rows of tables, as in the paper; by default of those that
      its own training rows have. Others start from 0 in every visit of a helper that reads them.
    specific_inner: α -> the inner optimizer of the deltas.
    specific_scale: standard deviation of the normal noise that deltas start from.
    specific_carry: the deltas' inner optimizer state lives on from visit to visit; if False
      every θ̃ᵢ starts with a fresh one.
    sparse: a step updates the table rows of its minibatch only; see `descend`. The outer optimizer
      steps the rows that the visits read, or where they are not bounded that the target has.

  Raises:
    ValueError: there is nobody to help, or nothing to have a delta.
  """
  if k < 0 or (k == 0 and not help_self):
    raise ValueError(f"k={k} leaves no helper; choose k >= 1, or k = 0 with help_self=True")
  if not specific or not {name.split(".")[0] for name in specific} <= {"tables", "net"}:
    raise ValueError(
      f"specific={tuple(specific)!r}; choose 'tables', 'net', or branches like 'tables.user'"
    )
  shared = shared or alternate(loss=loss, inner=inner, sparse=sparse)
  inner = specific_inner or inner

  def init(key, params, train):
    num_domains = train.start.size
    if k >= num_domains:
      raise ValueError(f"k={k} helpers need more than {k} domains, and there are {num_domains}")
    shared_key, noise_key = jax.random.split(key)
    delta = tree.zeros_like(tree.branches(params, specific))
    if not tree.size(delta):
      there = [name for name, branch in params.items() if tree.size(branch)]
      raise ValueError(
        f"specific={tuple(specific)!r}: nothing would have a delta; the model has parameters in "
        f"{', '.join(map(repr, there))}"
      )
    own = every_row(train.own, delta.get("tables", {})) if all_rows else train.own
    deltas = spread(delta, own)
    if specific_scale:
      deltas = tree.noise(noise_key, deltas, specific_scale)
    outer_state = spread(outer(0.0).init(delta), own)
    inner_state = inner(0.0).init(delta) if specific_carry else ()
    return MamdrState(shared.init(shared_key, params, train), deltas, inner_state, outer_state, own)

  def epoch(key, state, data, hparams):
    shared_key, specific_key = jax.random.split(key)
    shared_state, info = shared.epoch(shared_key, state.shared, data, hparams)
    state, own = regularize(specific_key, state._replace(shared=shared_state), data, hparams)
    info = info | {"specific_loss": own["loss"], "passes": info["passes"] + own["passes"]}
    return state, info

  def regularize(key, state, data, hparams):
    num_domains = data.start.size
    pair_key, visit_key = jax.random.split(key)
    targets, others = helpers(pair_key, num_domains, k)
    if help_self:
      every = jnp.arange(num_domains)
      targets, others = (jnp.concatenate([x, every]) for x in (targets, others))
    own, tx, outer_tx = state.own, inner(hparams.alpha), outer(hparams.gamma)

    def schedule(key, target, helper):
      helper_key, target_key = jax.random.split(key)
      return follow(
        visit(helper_key, data, helper, visit_steps), visit(target_key, data, target, visit_steps)
      )

    def help_in_view(carried, entry):
      """A bounded visit: all of it works on the rows that its minibatches read."""
      deltas, outer_state, inner_state = carried
      target, helper, key = entry
      order_key, descent_key = jax.random.split(key)
      order, length = schedule(order_key, target, helper)
      read = gather(data, order(jnp.arange(2 * visit_steps)))
      rows, read = touched(shared.params(state.shared, target).get("tables", {}), read)
      kept = places(own, target, rows)
      start = view(deltas, kept, target)
      begin = view(inner_state, rows) if specific_carry else tx.init(start)
      end, ended, mean_loss = descend(
        descent_key, start, begin, read, jnp.arange(2 * visit_steps),
        loss=loss, tx=tx, length=length, base=shared.params(state.shared, target, rows),
      )  # fmt: skip
      delta, pulled = pull(start, end, view(outer_state, kept, target), outer_tx)
      deltas = merge(deltas, delta, kept, target)
      outer_state = merge(outer_state, pulled, kept, target)
      inner_state = merge(inner_state, ended, rows) if specific_carry else ()
      return (deltas, outer_state, inner_state), (mean_loss, length)

    def help_in_room(carried, entry):
      deltas, outer_state, room = carried
      target, helper, key = entry
      order_key, descent_key = jax.random.split(key)
      order, length = schedule(order_key, target, helper)
      room, deltas, outer_state, mean_loss = excursion(
        descent_key, room, deltas, outer_state, data, order, length,
        own=own, target=target, helper=helper, of_domains=True, loss=loss, tx=tx, outer_tx=outer_tx,
        base=shared.params(state.shared, target), carry=specific_carry, sparse=sparse,
      )  # fmt: skip
      return (deltas, outer_state, room), (mean_loss, length)

    entries = targets, others, jax.random.split(visit_key, targets.size)
    kept = state.specific, state.outer
    if visit_steps is not None and sparse:
      (*kept, inner_state), told = jax.lax.scan(help_in_view, (*kept, state.inner), entries)
    else:
      room = spare(tree.branches(shared.params(state.shared, 0), specific), tx)
      room = room._replace(inner=state.inner) if specific_carry else room
      (*kept, room), told = jax.lax.scan(help_in_room, (*kept, room), entries)
      inner_state = room.inner if specific_carry else ()
    losses, lengths = told
    state = state._replace(specific=kept[0], outer=kept[1], inner=inner_state)
    return state, {"loss": losses.mean(), "passes": jnp.float32(lengths.sum())}

  def params(state, domain, rows=None):
    base = shared.params(state.shared, domain, rows)
    kept = places(state.own, domain, every_id(base) if rows is None else rows)
    return tree.add(base, view(state.specific, kept, domain))

  return Method(init, epoch, params, rates=(*shared.rates, "gamma"))
