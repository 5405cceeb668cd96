"""The life of a run, compiled: dealt out over the runs of a group, donated, or part by part."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mamdr_jax.core import Hparams, Key
from mamdr_jax.evaluate import score, serving, tallied
from mamdr_jax.measures import rows_of
from mamdr_jax.train import run as life
from mamdr_jax.train import scores, streamed
from mamdr_jax.train.devices import Dealt, Devices, alone, deal, num_used
from mamdr_jax.train.memory import beyond
from mamdr_jax.train.run import Setup


class Probe(NamedTuple):
  """Something to measure while training."""

  # (key, what serves a domain, as `Method.params` without its state) -> scalars
  measure: Callable[[Key, Callable], dict]
  every: int  # epochs


class Programs(NamedTuple):
  """The life of a run in one phase, compiled for a group: leaves [C, ...]."""

  begin: Callable  # (keys, train) -> runs; of `train` one minibatch will do
  tune: Callable  # (runs, keys, train) -> states; likewise
  tally: Callable  # (states, train, valid) -> what they are worth
  begun: Callable  # (runs, states, tallies) -> runs
  advance: Callable  # (runs, keys, hparams, train, valid); `runs` are donated
  probe: Callable  # (runs, keys)
  settle: Callable  # runs in NumPy -> where they train
  memory: Callable  # (runs, keys, train, valid) -> bytes that `advance` takes beyond these


def measuring(setup: Setup, in_parts: bool) -> Callable:
  """`evaluate.tallied` of one run, compiled: (state, train, data) -> Tally.

  Of data that come `in_parts`, `HostBatches`, or that are there.
  """
  if in_parts:
    return scores.tallied(setup, setup.stream)
  return jax.jit(functools.partial(tallied, setup.objective, setup.method))


def scoring(setup: Setup, in_parts: bool) -> Callable:
  """The rows of a split as one run scores them: (state, train, data) -> `measures.Scored`."""
  if in_parts:
    return scores.scored(setup, setup.stream)
  goal, method = setup.objective, setup.method
  logits = jax.jit(
    lambda state, train, data: score(serving(goal, method, state, train).predict, data)
  )
  return lambda state, train, data: rows_of(logits(state, train, data), data)


def compiled(
  setup: Setup, abreast: bool, probe: Probe | None, in_parts: bool, devices: Devices = ()
) -> Programs:
  """The functions of `life` for a phase, over a leading axis of runs, dealt out over `devices`.

  Groups have many runs `abreast`, or one.
  """
  over = functools.partial(Dealt, devices=devices)
  of = lambda f, *axes: over(functools.partial(f, setup), axes)
  worth = lambda state, train, valid: tallied(setup.objective, setup.method, state, train, valid)
  advance = functools.partial(life.advance, setup)
  if abreast:  # runs that have stopped wait for the others
    advance = life.unless_stopped(advance)
  advance = over(advance, (0, 0, 0, None, None), donate_argnums=0)

  def memory(runs, keys, train, valid):
    rates = Hparams(*jnp.zeros((3, keys.size)))
    of_each = beyond(advance, runs, keys, rates, train, valid)
    return num_used(devices, keys.size) * of_each

  programs = Programs(
    begin=of(life.begin, 0, None),
    tune=of(life.tuned, 0, 0, None),
    tally=over(worth, (0, None, None)),
    begun=of(life.begun, 0, 0, 0),
    advance=advance,
    probe=probe and over(functools.partial(life.look, setup, probe.measure), (0, 0)),
    settle=functools.partial(deal, devices),
    memory=memory,
  )
  if in_parts:
    return programs._replace(
      begin=alone(streamed.begin(setup), (0, None)),
      tune=alone(streamed.tuned(setup), (0, 0, None)),
      tally=alone(measuring(setup, in_parts), (0, None, None)),
      begun=alone(streamed.begun(setup), (0, 0, 0)),
      advance=alone(streamed.advance(setup, setup.stream), (0, 0, 0, None, None)),
      settle=alone(functools.partial(streamed.settled, setup), (0,)),
      memory=functools.partial(streamed.memory, setup),
    )
  return programs
