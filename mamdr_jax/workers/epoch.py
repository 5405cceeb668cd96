"""An epoch of workers, and what its outcome is worth.

A stage that moves what is kept for every domain has the same rounds, keys and minibatches as in one
process, so that its outcome does not depend on how many workers there are. A stage that moves what
all domains share is another algorithm with more workers; with one it is the method's own.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from mamdr_jax.core import Hparams, Key
from mamdr_jax.data.batches import HostBatches
from mamdr_jax.evaluate import moments_of, score
from mamdr_jax.metrics import Tally, tally
from mamdr_jax.metrics import together as both
from mamdr_jax.rounds import joined, keys_of, stages_of
from mamdr_jax.train.at_rest import together
from mamdr_jax.train.parts import by_domain
from mamdr_jax.train.scores import serves
from mamdr_jax.workers import hand
from mamdr_jax.workers.exchange import fetch
from mamdr_jax.workers.kept import Work, in_shifts, keeping, levels_of
from mamdr_jax.workers.shared import sharing
from mamdr_jax.workers.team import Held, Team


def epoch(team: Team) -> Callable:
  """`Method.epoch` of a team: (key, held, train, hparams, deal) -> (held, info)."""
  stages = [
    keeping(team, stage) if stage.attach else sharing(team, stage)
    for stage in stages_of(team.setup.method)
  ]

  def trained(key: Key, held: Held, train: HostBatches, hparams: Hparams, deal: Callable | None):
    info = {}
    for stage, stage_key in zip(stages, keys_of(key, len(stages)), strict=True):
      held, told = stage(stage_key, held, train, hparams, deal)
      info = joined(info, told)
    return held, info

  return trained


def tallied(team: Team) -> Callable:
  """`evaluate.tallied` of a team: (held, train, data) -> Tally, each worker scoring its domains."""
  crew, setup = team.crew, team.setup
  sizes = {"train": hand.Sizes(crew), "data": hand.Sizes(crew)}

  def walk(name: str, f: Callable, carry, held: Held, data: HostBatches):
    """`carry` after `f(carry, light, arrays)` of all shifts."""
    light, every = setup.method.served(held.light), by_domain(data)
    works = [
      Work(type(every)(*(x[domains] for x in every)), domains, np.arange(domains.size), kept)
      for domains, kept in zip(team.here, held.kept, strict=True)
    ]
    for _, arrays in in_shifts(team, sizes[name], data, works, light):
      carry = jax.block_until_ready(f(carry, light, arrays))
    return carry

  def of_shift(carry, state, moments, arrays):
    state = together(state, levels_of(arrays["kept"]))
    found = tally(score(serves(setup, state, moments).predict, arrays["part"]), arrays["part"])
    return both(carry, found)

  def with_moments(carry, state, arrays):
    state = together(state, levels_of(arrays["kept"]))
    domains, part = arrays["entries"], arrays["part"]

    def put(i, moments):
      one = moments_of(serves(setup, state), part, domains[i])
      return jax.tree.map(lambda x, new: x.at[domains[i]].set(new), moments, one)

    if carry is None:
      like = jax.eval_shape(lambda: moments_of(serves(setup, state), part, 0))
      carry = jax.tree.map(lambda x: jnp.zeros((part.start.size, *x.shape), x.dtype), like)
    return jax.lax.fori_loop(0, arrays["length"], put, carry)

  @jax.jit
  def look(moments, light, arrays):
    return crew.each(with_moments)(moments, fetch(crew, light, arrays["routes"]), arrays)

  @jax.jit
  def scored(carried, light, arrays):
    found, moments = carried
    part = fetch(crew, light, arrays["routes"])
    return crew.each(of_shift)(found, part, moments, arrays), moments

  def measured(held: Held, train: HostBatches, data: HostBatches) -> Tally:
    num, moments = data.count.size, None
    zeros = lambda *shape: crew.put(np.zeros((crew.here.size, *shape), np.float32))
    if setup.objective.moments is not None:
      moments = walk("train", look, None, held, train)
    nothing = Tally(zeros(num), zeros(num), zeros(num) > 0, zeros())
    found, _ = walk("data", scored, (nothing, moments), held, data)
    alone = lambda tree: [jax.tree.map(lambda x, w=w: x[w], tree) for w in range(crew.here.size)]
    here = functools.reduce(both, alone(crew.local(found)))
    every = crew.gathered(jax.tree.map(np.asarray, here))
    return jax.tree.map(jnp.asarray, functools.reduce(both, every))

  return measured
