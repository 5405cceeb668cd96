"""Domain Regularization (DR): a domain's specific parameters learn with the help of others."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from mamdr_jax import rounds, tree
from mamdr_jax.core import Array, Key, Loss, Method, Optimizer, Own, Params, Tree
from mamdr_jax.descent import descend, gather, pull
from mamdr_jax.excursion import excursion, spare
from mamdr_jax.methods.alternate import alternate
from mamdr_jax.own import Kept, every_row, noise, places, spread
from mamdr_jax.own import entry as entry_of
from mamdr_jax.rounds import Plan, Stage
from mamdr_jax.schedule import Visit, follow, visit
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
  bounded = visit_steps is not None and sparse

  def rest(key, params, train):
    num_domains = train.start.size
    if k >= num_domains:
      raise ValueError(f"k={k} helpers need more than {k} domains, and there are {num_domains}")
    delta = of_one(params)
    if not tree.size(delta):
      there = [name for name, branch in params.items() if tree.size(branch)]
      raise ValueError(
        f"specific={tuple(specific)!r}: nothing would have a delta; the model has parameters in "
        f"{', '.join(map(repr, there))}"
      )
    inner_state = inner(0.0).init(delta) if specific_carry else ()
    return MamdrState(shared.init(key, params, train), (), inner_state, (), ())

  def of_one(params):
    return tree.zeros_like(tree.branches(params, specific))

  def rows(state, train):
    tables = of_one(shared.params(state.shared, 0)).get("tables", {})
    return every_row(train.own, tables) if all_rows else train.own

  def begin_kept(key, state, own):
    delta = of_one(shared.params(state.shared, 0))
    deltas = spread(delta, own)
    if specific_scale:
      deltas = noise(key, deltas, own, specific_scale)
    return {"specific": deltas, "outer": spread(outer(0.0).init(delta), own)}

  def plan(key, data):
    pair_key, visit_key = jax.random.split(key)
    num_domains = data.start.size
    targets, others = helpers(pair_key, num_domains, k)
    if help_self:
      every = targets[:num_domains] if k else jnp.arange(num_domains)
      targets, others = (jnp.concatenate([x, every]) for x in (targets, others))
    keys = jax.vmap(jax.random.split)(jax.random.split(visit_key, targets.size))

    def pair(key, target, helper):
      keys = jax.random.split(key)
      domains = jnp.stack([helper, target])
      return jax.vmap(lambda key, domain: visit(key, data, domain, visit_steps))(keys, domains)

    entries = Plan(jax.vmap(pair)(keys[:, 0], targets, others), (targets, others, keys[:, 1]))
    # A target's helpers come one after the other.
    by_target = lambda x: x.reshape(-1, num_domains, *x.shape[1:]).swapaxes(0, 1).reshape(x.shape)
    entries = jax.tree.map(by_target, entries)
    return entries._replace(domain=entries.rest[0])

  def begin(state, hparams):
    if bounded:
      return state, state.inner
    room = spare(tree.branches(shared.params(state.shared, 0), specific), inner(hparams.alpha))
    return state, room._replace(inner=state.inner) if specific_carry else room

  def help_in_view(carried, data, entry, hparams):
    """A bounded visit: all of it works on the rows that its minibatches read."""
    state, inner_state = carried
    target, _, key = entry.rest
    tx, outer_tx = inner(hparams.alpha), outer(hparams.gamma)
    order, length = follow(*visits_of(entry))
    read = gather(data, order(jnp.arange(2 * visit_steps)))
    rows, read = touched(shared.params(state.shared, target).get("tables", {}), read)
    at = entry_of(state.own, target)
    kept = places(state.own, at, rows)
    start = view(state.specific, kept, at)
    opt_state = view(inner_state, rows) if specific_carry else tx.init(start)
    end, ended, mean_loss = descend(
      key, start, opt_state, read, jnp.arange(2 * visit_steps),
      loss=loss, tx=tx, length=length, base=shared.params(state.shared, target, rows),
    )  # fmt: skip
    delta, pulled = pull(start, end, view(state.outer, kept, at), outer_tx)
    state = state._replace(
      specific=merge(state.specific, delta, kept, at),
      outer=merge(state.outer, pulled, kept, at),
    )
    inner_state = merge(inner_state, ended, rows) if specific_carry else ()
    return (state, inner_state), {"loss": mean_loss, "passes": jnp.float32(length)}

  def help_in_room(carried, data, entry, hparams):
    state, room = carried
    target, helper, key = entry.rest
    order, length = follow(*visits_of(entry))
    room, deltas, outer_state, mean_loss = excursion(
      key, room, state.specific, state.outer, data, order, length,
      own=state.own, target=entry_of(state.own, target), helper=helper, of_domains=True, loss=loss,
      tx=inner(hparams.alpha), outer_tx=outer(hparams.gamma),
      base=shared.params(state.shared, target), carry=specific_carry, sparse=sparse,
    )  # fmt: skip
    state = state._replace(specific=deltas, outer=outer_state)
    return (state, room), {"loss": mean_loss, "passes": jnp.float32(length)}

  def end(carried, told, hparams):
    state, left = carried
    told = rounds.info(told)
    told = {"specific_loss": told["loss"], "passes": told["passes"]}
    if not specific_carry:
      return state, told
    return state._replace(inner=left if bounded else left.inner), told

  def params(state, domain, rows=None):
    base = shared.params(state.shared, domain, rows)
    at = entry_of(state.own, domain)
    kept = places(state.own, at, every_id(base) if rows is None else rows)
    return tree.add(base, view(state.specific, kept, at))

  help = help_in_view if bounded else help_in_room
  regularize = Stage(
    plan, begin, help, end,
    attach=lambda carried, kept: (carried[0]._replace(**kept), carried[1]),
    state_of=lambda carried: carried[0],
  )  # fmt: skip
  kept = Kept(("specific", "outer"), rest, rows, begin_kept)
  stages = *(of_shared(stage) for stage in rounds.stages_of(shared)), regularize
  return rounds.method(
    kept.init, stages, params, rates=(*shared.rates, "gamma"), own=True, kept=kept
  )


def visits_of(entry: Plan) -> tuple[Visit, Visit]:
  """That of the helper, and that of the target."""
  return tree.take(entry.visits, 0), tree.take(entry.visits, 1)


def of_shared(stage: Stage) -> Stage:
  """A stage of what trains θ_S, as one of the whole."""

  def begin(state, hparams):
    return state, stage.begin(state.shared, hparams)

  def take(carried, data, entry, hparams):
    state, carry = carried
    carry, told = stage.round(carry, data, entry, hparams)
    return (state, carry), told

  def end(carried, told, hparams):
    state, carry = carried
    shared, info = stage.end(carry, told, hparams)
    return state._replace(shared=shared), info

  prepare = lambda carried, data: stage.prepare(carried[1], data)
  return Stage(stage.plan, begin, take, end, prepare)
