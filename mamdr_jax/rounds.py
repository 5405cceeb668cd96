"""An epoch as rounds, so that what it will look at is known before it is looked at.

A stage of an epoch is planned first: which minibatches its rounds visit, in which order. Its rounds
are then taken one after the other, by a pure function of one. Data on the device are all there at
once, and an epoch is a scan of its rounds; of data that are not, those come that the next rounds
will visit (`train/streamed.py`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from mamdr_jax.core import Array, DomainBatches, Hparams, Key, Method, Tree
from mamdr_jax.descent import gather, minibatch, step
from mamdr_jax.schedule import Visit, each


class Plan(NamedTuple):
  """The rounds of a stage: leaves [S, ...]."""

  visits: Visit  # [S] or [S, V], which minibatches a round looks at
  rest: Any = ()  # what else it is told, such as its key
  # [S] int32, whose part of what is kept for every domain a round moves; a domain's rounds come
  # one after the other
  domain: Array | None = None


class Share(NamedTuple):
  """How workers take rounds of a stage side by side, on parameters that are spread over them.

  In a round each has minibatches of its own domains, looks at them from the same parameters, and
  the owners of what it read step on the mean of what workers give (`workers/exchange.py`).
  """

  # (key, params, what goes along, minibatches [V, ...], how many of them, hparams) ->
  # (what an optimizer takes as a gradient, what goes along, mean loss)
  look: Callable[..., tuple[Tree, Tree, Array]]
  optimizer: Callable[[Hparams], optax.GradientTransformation]  # that of the owners
  state: str  # the field of the method's state that has that optimizer's state
  along: str = ""  # the field that goes to workers and comes back as their mean, such as moments
  whole: bool = False  # all rounds of a worker's plan are one
  as_planned: bool = False  # minibatches without the axis V where a round of the plan visits one
  key: Callable[[Any], Key] = lambda rest: rest  # Plan.rest -> a key for every round
  passes: Callable[[Any], Any] = lambda num: num  # how many gradients so many minibatches take
  within: tuple[str, ...] = ()  # in which field of a state that of the method is


class Stage(NamedTuple):
  """Pure functions, of which an epoch is begin, plan, then round after round, and end."""

  # (key, data) -> Plan; of `data` only `start`, `count` and which domain a minibatch is of
  plan: Callable[[Key, DomainBatches], Plan]
  begin: Callable[[Tree, Hparams], Tree]  # (state, hparams) -> what rounds hand on
  # (carry, data, entry of the plan, hparams) -> (carry, a dict of scalars)
  round: Callable[[Tree, DomainBatches, Plan, Hparams], tuple[Tree, dict[str, Array]]]
  # (carry, what rounds told, [S] each, hparams) -> (state, info)
  end: Callable[[Tree, dict[str, Array], Hparams], tuple[Tree, dict[str, Array]]]
  # (carry, data) -> data: what is done once for all rounds on data that come together
  prepare: Callable[[Tree, DomainBatches], DomainBatches] = lambda carry, data: data
  # Where rounds move what is kept for every domain (`own.Kept`): (carry, those fields of the
  # state) -> the carry with them, and carry -> the state that has them.
  attach: Callable[[Tree, dict[str, Tree]], Tree] | None = None
  state_of: Callable[[Tree], Tree] | None = None
  share: Share | None = None  # of rounds that move what all domains share
  # Where rounds move what is kept for every domain: what rounds told -> the info of `end`.
  info: Callable[[dict[str, Array]], dict[str, Array]] | None = None


def method(init: Callable, stages: tuple[Stage, ...], params: Callable, **rest) -> Method:
  """A `Method` whose epoch is made of `stages`; `rest` are further fields of it."""

  def epoch(key, state, data, hparams):
    info = {}
    for stage, stage_key in zip(stages, keys_of(key, len(stages)), strict=True):
      plan = stage.plan(stage_key, data)
      state, told = scan(stage, plan, state, data, hparams)
      info = joined(info, told)
    return state, info

  return Method(init, epoch, params, stages=stages, **rest)


def keys_of(key: Key, num_stages: int) -> Key:
  """Those of the stages of an epoch: [num_stages]."""
  return jax.random.split(key, num_stages) if num_stages > 1 else key[None]


def stages_of(method: Method) -> tuple[Stage, ...]:
  """Those of a method; of one that is not made of stages, its epoch as one round of one stage."""
  if method.stages:
    return method.stages

  def plan(key, data):
    num = jnp.full((1,), data.batch.domain.size)
    return Plan(Visit(jnp.zeros_like(num), num, jnp.zeros_like(num), num), key[None])

  take = lambda state, data, entry, hparams: method.epoch(entry.rest, state, data, hparams)
  end = lambda state, told, hparams: (state, jax.tree.map(lambda x: x[0], told))
  return (Stage(plan, lambda state, hparams: state, take, end),)


def scan(
  stage: Stage, plan: Plan, state: Tree, data: DomainBatches, hparams: Hparams
) -> tuple[Tree, dict[str, Array]]:
  """(state, info) after all rounds of a stage, whose data are all there."""
  carry = stage.begin(state, hparams)
  data = stage.prepare(carry, data)
  take = lambda carry, entry: stage.round(carry, data, entry, hparams)
  carry, told = jax.lax.scan(take, carry, plan)
  return stage.end(carry, told, hparams)


def some(
  stage: Stage,
  carry: Tree,
  data: DomainBatches,
  entry: Callable[[Array], Plan],
  num: Array,
  most: int,
  hparams: Hparams,
) -> tuple[Tree, dict[str, Array]]:
  """(carry, what they told) after `num` rounds, the i-th of which is told `entry(i)`.

  Of what they told there is room for `most`: [most] each, of which the first `num` are theirs.
  """
  one = lambda carry, i: stage.round(carry, data, entry(i), hparams)
  room = jax.tree.map(lambda x: jnp.zeros(most, x.dtype), jax.eval_shape(one, carry, 0)[1])

  def step(i, carried):
    carry, room = carried
    carry, told = one(carry, i)
    return carry, jax.tree.map(lambda x, new: x.at[i].set(new), room, told)

  return jax.lax.fori_loop(0, num, step, (carry, room))


def joined(info: dict, more: dict) -> dict:
  """What two stages told, as the epoch's info: the gradients that both took add up."""
  return info | more | {"passes": info.get("passes", 0.0) + more["passes"]}


def beside(
  stage: Stage,
  begin: Callable[[Tree, Hparams], Tree],
  end: Callable[..., tuple[Tree, dict]],
  share: Share | None = None,
) -> Stage:
  """`stage` on something of a state, which waits beside it as it was.

  Args:
    stage: what moves.
    begin: (state, hparams) -> what its rounds begin with.
    end: (state, what its rounds hand on, what they told, hparams) -> (state, info).
    share: that of the whole.
  """

  def take(carried, data, entry, hparams):
    state, carry = carried
    carry, told = stage.round(carry, data, entry, hparams)
    return (state, carry), told

  return Stage(
    stage.plan,
    lambda state, hparams: (state, begin(state, hparams)),
    take,
    lambda carried, told, hparams: end(*carried, told, hparams),
    lambda carried, data: stage.prepare(carried[1], data),
    share=share,
  )


def info(told: dict[str, Array]) -> dict[str, Array]:
  """The info of a stage: the mean loss over its rounds, and the gradients that they took."""
  return {"loss": told["loss"].mean(), "passes": told["passes"].sum()}


def weighed(told: dict[str, Array]) -> dict[str, Array]:
  """As `info`, the mean loss over steps: that of a round counts as often as it has steps."""
  passes = told["passes"].sum()
  return {"loss": (told["loss"] * told["passes"]).sum() / passes, "passes": passes}


def steps_of(schedule: Callable[[Key, DomainBatches], Array]) -> Callable:
  """`Stage.plan` of rounds of one step each, along `schedule`; see `stepwise`."""

  def plan(key, data):
    order_key, steps_key = jax.random.split(key)
    order = schedule(order_key, data)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(steps_key, jnp.arange(order.shape[0]))
    return Plan(each(order), keys)

  return plan


def stepwise(
  schedule: Callable[[Key, DomainBatches], Array],
  gradient: Callable[[Hparams], Callable],
  optimizer: Callable[[Hparams], optax.GradientTransformation],
  *,
  sparse: bool,
  passes: Callable[[int], int] = lambda num_minibatches: num_minibatches,
  state: str = "inner",
) -> Stage:
  """A stage whose every round is one step, of a state of two fields: params, optimizer's state.

  Args:
    schedule: -> [S] int32, the minibatch of each step, or [S, n], several.
    gradient: hparams -> that of `descent.step`.
    optimizer: hparams -> what takes the steps.
    sparse: see `descent.step`.
    passes: how many gradients a step takes that looks at so many minibatches.
    state: the name of the second field.
  """

  def take(state, data, entry, hparams):
    looked_up = gather if entry.visits.start.ndim else minibatch
    batch = looked_up(data, entry.visits.start)
    *moved, loss = step(
      entry.rest, *state, batch,
      gradient=gradient(hparams), tx=optimizer(hparams), sparse=sparse,
    )  # fmt: skip
    taken = jnp.float32(passes(entry.visits.start.size))
    return type(state)(*moved), {"loss": loss, "passes": taken}

  def look(key, params, along, batch, length, hparams):
    del length
    loss, grads = gradient(hparams)(key, params, batch)
    return grads, along, loss

  begin = lambda state, hparams: state
  end = lambda state, told, hparams: (state, info(told))
  return Stage(
    steps_of(schedule),
    begin,
    take,
    end,
    share=Share(look, optimizer, state, as_planned=True, passes=passes),
  )
