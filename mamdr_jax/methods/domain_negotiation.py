"""Domain Negotiation (DN): an outer step towards the end of one sequential pass over domains."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from mamdr_jax import rounds, tree
from mamdr_jax.core import Array, DomainBatches, Key, Loss, Method, Optimizer, Params, Tree
from mamdr_jax.descent import descend, gather, of_loss, pull
from mamdr_jax.methods.alternate import AlternateState
from mamdr_jax.rounds import Plan, Share, Stage, info
from mamdr_jax.schedule import each, full_pass, visits
from mamdr_jax.view import merge, one_for_all, params_alone, touched, view


class NegotiationState(NamedTuple):
  params: Params
  inner: Tree  # state of the inner optimizer
  outer: Tree  # state of the outer optimizer


def negotiate(
  key: Key,
  state: NegotiationState,
  data: DomainBatches,
  order: Array,
  *,
  loss: Loss,
  tx: optax.GradientTransformation,
  outer_tx: optax.GradientTransformation,
  carry: bool,
  sparse: bool,
  length: Array | None = None,
  viewed: bool = False,
) -> tuple[NegotiationState, Array]:
  """θ̃ ← θ, descended along `order`, then an outer step of θ towards θ̃.

  If `viewed` all of it works on the table rows that the minibatches of `order` read, and the
  outer step moves only those. The rest as for `descend` and `domain_negotiation`.

  Returns:
    The state, and the mean loss over steps.
  """
  rows = None
  if viewed:
    rows, data = touched(state.params.get("tables", {}), gather(data, order))
    order = jnp.arange(order.size)
  start, begin, outer_state = (view(x, rows) for x in state)
  begin = begin if carry else tx.init(start)
  end, inner_state, mean_loss = descend(
    key, start, begin, data, order, loss=loss, tx=tx, length=length, sparse=sparse
  )
  params, outer_state = pull(start, end, outer_state, outer_tx)
  moved = NegotiationState(params, inner_state, outer_state)
  merged = (merge(x, new, rows) for x, new in zip(state, moved, strict=True))
  return NegotiationState(*merged), mean_loss


def share(
  *, loss: Loss, inner: Optimizer, outer: Optimizer, carry: bool, sparse: bool, **rest
) -> Share:
  """`negotiate` of several workers, each along minibatches of its own domains, which give θ − θ̃."""

  def look(key, params, along, batches, length, hparams):
    tx, order = inner(hparams.alpha), jnp.arange(batches.domain.size)
    begin = along if carry else tx.init(params)
    end, ended, mean_loss = descend(
      key, params, begin, batches, order, loss=loss, tx=tx, length=length, sparse=sparse
    )
    return tree.sub(params, end), ended if carry else along, mean_loss

  along = "inner" if carry else ""
  return Share(look, lambda hparams: outer(hparams.beta), "outer", along, **rest)


def check_round(round_steps: int | None) -> None:
  """Raises a ValueError if a round would have no steps."""
  if round_steps is not None and round_steps < 1:
    raise ValueError(f"round_steps={round_steps}; choose 1 or more, or none for whole passes")


def domain_negotiation(
  *,
  loss: Loss,
  inner: Optimizer,
  outer: Optimizer = optax.sgd,
  carry: bool = True,
  round_steps: int | None = None,
  sparse: bool = True,
) -> Method:
  """Luo et al. 2023, Alg. 1: θ̃ ← θ, descended over all domains; θ ← θ + β (θ̃ − θ).

  With β = 1 and `optax.sgd` outside it is alternate training; with `round_steps=1`, one minibatch
  per domain and round, it is Fish (Shi et al. 2022); with one domain it is Reptile (Nichol et al.
  2018).

  Args:
    loss: what to descend on.
    inner: α -> the optimizer of the pass.
    outer: β -> the optimizer that takes θ − θ̃ as its gradient.
    carry: the inner optimizer's state lives on into the next epoch; if False every pass
      starts with a fresh one.
    round_steps: an outer step follows every so many minibatches of each domain, and an epoch has
      as many of these rounds as make up a pass, in which small domains come over again and large
      ones leave minibatches out (see `visits`). By default it follows one whole pass.
    sparse: a step updates the table rows of its minibatch only; see `descend`. With `round_steps`
      the outer optimizer, too, steps only the rows that the round reads.

  Raises:
    ValueError: `round_steps` is less than 1.

  >>> from mamdr_jax.core import Hparams
  >>> from mamdr_jax.data import pack, synthetic
  >>> train = pack(synthetic.load(sizes=(120, 90)), "train", batch_size=32)
  >>> loss = lambda params, key, batch: (params["net"]["w"] - batch.label.mean()) ** 2
  >>> method = domain_negotiation(loss=loss, inner=optax.sgd)
  >>> state = method.init(jax.random.key(0), {"net": {"w": jnp.ones(())}}, train)
  >>> state, info = method.epoch(jax.random.key(1), state, train, Hparams(0.1, 0.5, 0.5))
  >>> int(info["passes"]), bool(method.params(state, 0)["net"]["w"] < 1)
  (5, True)
  """
  check_round(round_steps)

  def init(key, params, train):
    del key, train
    return NegotiationState(params, inner(0.0).init(params), outer(0.0).init(params))

  def one_pass():
    """θ̃ is what is stepped; θ and the outer optimizer wait for its end."""
    pass_of = rounds.stepwise(
      full_pass, lambda hparams: of_loss(loss), lambda hparams: inner(hparams.alpha), sparse=sparse
    )

    def begin(state, hparams):
      opt_state = state.inner if carry else inner(hparams.alpha).init(state.params)
      return AlternateState(state.params, opt_state)

    def end(state, ahead, told, hparams):
      params, outer_state = pull(state.params, ahead.params, state.outer, outer(hparams.beta))
      return NegotiationState(params, ahead.inner, outer_state), info(told)

    return rounds.beside(pass_of, begin, end, shared(whole=True))

  def in_rounds():
    """θ itself moves, after every round."""

    def plan(key, data):
      order_key, descent_key = jax.random.split(key)
      order = visits(order_key, data, round_steps)
      order = order.reshape(order.shape[0], -1)
      return Plan(each(order), jax.random.split(descent_key, order.shape[0]))

    def take(state, data, entry, hparams):
      order = entry.visits.start
      state, mean_loss = negotiate(
        entry.rest, state, data, order,
        loss=loss, tx=inner(hparams.alpha), outer_tx=outer(hparams.beta),
        carry=carry, sparse=sparse, viewed=sparse,
      )  # fmt: skip
      return state, {"loss": mean_loss, "passes": jnp.float32(order.size)}

    begin, end = lambda state, hparams: state, lambda s, told, _: (s, info(told))
    return Stage(plan, begin, take, end, share=shared())

  shared = functools.partial(share, loss=loss, inner=inner, outer=outer, carry=carry, sparse=sparse)
  stage = one_pass() if round_steps is None else in_rounds()
  return rounds.method(init, (stage,), one_for_all, served=params_alone, rates=("alpha", "beta"))
