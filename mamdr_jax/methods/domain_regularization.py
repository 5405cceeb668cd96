"""Domain Regularization (DR): a domain's specific parameters learn with the help of others."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mamdr_jax import rounds
from mamdr_jax.core import Array, Key, Loss, Method, Optimizer
from mamdr_jax.methods.alternate import alternate
from mamdr_jax.methods.deltas import Deltas
from mamdr_jax.own import Kept
from mamdr_jax.rounds import Plan, Stage
from mamdr_jax.schedule import visit


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


def similar_helpers(
  key: Key, similarity: np.ndarray, k: int, temperature: float
) -> tuple[Array, Array]:
  """As `helpers`, but drawn for each target by itself, without replacement, ours.

  The first one is j with probability ∝ exp(similarity[i, j] / temperature), each further one
  likewise among those left.

  Args:
    key: consumed.
    similarity: [D, D], of target and helper.
    k: how many.
    temperature: above 0; the larger, the nearer to uniform.
  """
  num_domains = similarity.shape[0]
  order_key, draw_key = jax.random.split(key)
  chance = jnp.asarray(similarity, jnp.float32) / temperature
  chance += jax.random.gumbel(draw_key, chance.shape)  # the largest sums are such a draw
  _, found = jax.lax.top_k(jnp.where(jnp.eye(num_domains, dtype=bool), -jnp.inf, chance), k)
  order = jax.random.permutation(order_key, num_domains)
  return jnp.tile(order, k), found[order].T.ravel().astype(jnp.int32)


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
  specific_rate: float = 1.0,
  specific_scale: float = 0.0,
  specific_carry: bool = False,
  similarity: Sequence[Sequence[float]] = (),
  temperature: float = 0.1,
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
    specific_rate: the rate of the deltas' descents as a multiple of α.
    specific_scale: standard deviation of the normal noise that deltas start from.
    specific_carry: the deltas' inner optimizer state lives on from visit to visit; if False
      every θ̃ᵢ starts with a fresh one.
    similarity: [D][D], of target and helper: helpers are drawn by it, see `similar_helpers`; by
      default uniformly, as in the paper.
    temperature: of that draw.
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
  similarity = _square(similarity, temperature)
  inner_of_deltas = lambda alpha: (specific_inner or inner)(specific_rate * alpha)
  shared = shared or alternate(loss=loss, inner=inner, sparse=sparse)
  deltas = Deltas(
    loss, inner_of_deltas, outer, shared, tuple(specific),
    visit_steps, all_rows, specific_scale, specific_carry, sparse,
  )  # fmt: skip

  def pairs(key, num_domains):
    if similarity is None:
      targets, others = helpers(key, num_domains, k)
    else:
      targets, others = similar_helpers(key, similarity, k, temperature)
    if help_self:
      every = targets[:num_domains] if k else jnp.arange(num_domains)
      targets, others = (jnp.concatenate([x, every]) for x in (targets, others))
    return targets, others

  def rest(key, params, train):
    num_domains = train.start.size
    if k >= num_domains:
      raise ValueError(f"k={k} helpers need more than {k} domains, and there are {num_domains}")
    if similarity is not None and len(similarity) != num_domains:
      raise ValueError(
        f"similarity is of {len(similarity)} domains, and there are {num_domains}; expected a row "
        "and a column for each"
      )
    return deltas.rest(key, params, train)

  return regularized(deltas, paired(pairs, visit_steps), rest)


def _square(similarity: Sequence[Sequence[float]], temperature: float) -> np.ndarray | None:
  """It as an array, None if it is empty; ValueError if helpers cannot be drawn by it."""
  if not len(similarity):
    return None
  num = len(similarity)
  try:
    found = np.array(similarity, np.float32)
  except (TypeError, ValueError):
    found = np.zeros(0)
  if found.shape != (num, num) or not np.isfinite(found).all():
    raise ValueError(f"similarity: expected {num} rows of as many finite numbers")
  if not temperature > 0:
    raise ValueError(f"temperature={temperature}: expected a number above 0")
  return found


def regularized(deltas: Deltas, plan: Callable, rest: Callable) -> Method:
  """The method whose deltas learn in the visits of `plan`, from the state of `rest` on."""
  help_out = deltas.help_in_view if deltas.bounded else deltas.help_in_room
  shared = deltas.shared
  regularize = Stage(
    plan, deltas.begin, help_out, deltas.end,
    attach=lambda carried, kept: (carried[0]._replace(**kept), carried[1]),
    state_of=lambda carried: carried[0],
    info=deltas.info,
  )  # fmt: skip
  kept = Kept(("specific", "outer"), rest, deltas.rows, deltas.begun)
  stages = *(of_shared(stage) for stage in rounds.stages_of(shared)), regularize
  rates = *shared.rates, "gamma"
  return rounds.method(
    kept.init, stages, deltas.params, served=deltas.served, rates=rates, own=True, kept=kept
  )


def paired(pairs: Callable, visit_steps: int | None, num_targets: int | None = None) -> Callable:
  """`Stage.plan`: a round is a visit of a helper's data, and then of the target's.

  Args:
    pairs: (key, num_domains) -> (target, helper) of every round.
    visit_steps: at most so many minibatches of a visit; by default all.
    num_targets: the pairs have the same targets over and over, so many; by default all domains.
  """

  def plan(key, data):
    pair_key, visit_key = jax.random.split(key)
    targets, others = pairs(pair_key, data.start.size)
    num = num_targets or data.start.size
    keys = jax.vmap(jax.random.split)(jax.random.split(visit_key, targets.size))

    def pair(key, target, helper):
      keys, domains = jax.random.split(key), jnp.stack([helper, target])
      return jax.vmap(lambda key, domain: visit(key, data, domain, visit_steps))(keys, domains)

    entries = Plan(jax.vmap(pair)(keys[:, 0], targets, others), (targets, others, keys[:, 1]))
    # A target's helpers come one after the other.
    by_target = lambda x: x.reshape(-1, num, *x.shape[1:]).swapaxes(0, 1).reshape(x.shape)
    entries = jax.tree.map(by_target, entries)
    return entries._replace(domain=entries.rest[0])

  return plan


def of_shared(stage: Stage) -> Stage:
  """A stage of what trains θ_S, as one of the whole."""

  def end(state, carry, told, hparams):
    shared, info = stage.end(carry, told, hparams)
    return state._replace(shared=shared), info

  share = stage.share and stage.share._replace(within=("shared", *stage.share.within))
  return rounds.beside(stage, lambda state, hparams: stage.begin(state.shared, hparams), end, share)
