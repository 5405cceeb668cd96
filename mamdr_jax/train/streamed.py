"""A run on data that are never on the device whole, and whose deltas or models may rest elsewhere.

Rounds, keys and minibatches are those of data that are all there, so that for the same deal of rows
into minibatches the result is the same. What is kept for every domain (`own.Kept`) rests where
`Setup.rest` says, and the part of a few domains is at work (`at_rest.py`, `shifts.py`).
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from mamdr_jax import tree
from mamdr_jax.core import DomainBatches, Hparams, Key, Tree
from mamdr_jax.data.batches import HostBatches
from mamdr_jax.data.dataset import bytes_of_row
from mamdr_jax.metrics import Tally, figures
from mamdr_jax.rounds import Stage, joined, keys_of, some, stages_of
from mamdr_jax.train import at_rest, shifts
from mamdr_jax.train import run as life
from mamdr_jax.train.at_rest import Kept
from mamdr_jax.train.parts import dealing, parts, slices, without_rows
from mamdr_jax.train.run import Run, Setup
from mamdr_jax.train.scores import split, tallied

COMPILING = 400 * 2**20  # bytes that programs and their compiler take, about


def begin(setup: Setup) -> Callable:
  """`life.begin`: (key, train) -> Run."""
  if not rests(setup):
    return jax.jit(functools.partial(life.begin, setup))
  params_of = jax.jit(functools.partial(life.initial, setup))

  def begun(key: Key, train: DomainBatches) -> Run:
    params = params_of(key, train)
    state, kept = started(setup, jax.random.fold_in(key, life.STATE), params, {}, train)
    return with_kept(life.unproven(setup, state, train.start.size), kept, kept)

  return begun


def tuned(setup: Setup) -> Callable:
  """`life.tuned`: (run, key, train) -> state."""
  if not rests(setup):
    return jax.jit(functools.partial(life.tuned, setup))

  def state_of(run: Run, key: Key, train: DomainBatches) -> Tree:
    base, others = at_rest.apart(run.best, setup.method.base)
    others = {("begun", *where): level for where, level in others.items()}
    key = jax.random.fold_in(key, life.TUNED)
    return at_rest.together(*started(setup, key, base, others, train))

  return state_of


def rests(setup: Setup) -> bool:
  """Whether something of a state is at rest elsewhere."""
  return setup.rest is not None and setup.method.kept is not None


def started(setup: Setup, key: Key, params: Tree, others: Kept, train: DomainBatches):
  """(state without what is kept, what is kept), before the first epoch; `others` is kept below."""
  rest_key, kept_key = jax.random.split(key)
  state = jax.jit(setup.method.kept.rest)(rest_key, params, train)
  own = shifts.begun(setup.method.kept, kept_key, state, others, train, setup.rest)
  return state, others | {(): own}


def begun(setup: Setup) -> Callable:
  """`life.begun`: (run, state, tally) -> Run."""
  decide = jax.jit(functools.partial(life.begun, setup))

  def decided(run: Run, state: Tree, measured: Tally) -> Run:
    state, kept = split(setup, state)
    return with_kept(decide(run, state, measured), kept, kept)

  return decided


def with_kept(run: Run, kept: Kept, best: Kept) -> Run:
  """A run whose state and best state lack what is kept, with it."""
  return run._replace(
    state=at_rest.together(run.state, kept), best=at_rest.together(run.best, best)
  )


def advance(setup: Setup, size: int) -> Callable:
  """`life.advance` of one run whose splits are on the host, `size` minibatches at a time."""
  trained, measured = epoch(setup, size), tallied(setup, size)
  settle = jax.jit(
    lambda run, state, tally: life.judged(setup, run._replace(state=state), tally),
    donate_argnums=(0, 1),
  )
  keep = jax.jit(functools.partial(life.but_stopped, setup))

  def advanced(
    run: Run, key: Key, hparams: Hparams, train: HostBatches, valid: HostBatches
  ) -> tuple[Run, dict]:
    deal_key, method_key, _ = life.epoch_keys(key, run.epochs + 1)
    deal = dealing(deal_key, train) if setup.reshuffled else None
    after, info = trained(method_key, run.state, train, hparams, deal)
    (state, kept), (before, kept_before) = (split(setup, x) for x in (after, run.state))
    best, kept_best = split(setup, run.best)
    run = run._replace(state=before, best=best)
    state, kept = keep(run, state), chosen(setup, run.stopped, kept_before, kept)
    found = measured(at_rest.together(state, kept), train, valid)
    run = settle(run, state, found)
    kept_best = chosen(setup, run.best_epoch == run.epochs, kept, kept_best)
    return with_kept(run, kept, kept_best), info | {"valid": figures(found)}

  return advanced


def chosen(setup: Setup, condition: jax.Array, a: Kept, b: Kept) -> Kept:
  """What is kept of `a` where the condition holds, [] or domain by domain, else of `b`."""
  condition = np.asarray(condition)
  if setup.method.choose and a and condition.any() and not condition.all():
    return b | {(): at_rest.chosen(condition, a[()], b[()], setup.rest)}
  return a if condition.all() else b


def epoch(setup: Setup, size: int) -> Callable:
  """`Method.epoch`: (key, state, train on the host, hparams, deal) -> (state, info)."""
  stages = [(stage, *programs_of(stage)) for stage in stages_of(setup.method)]

  def trained(key, state, train, hparams, deal):
    info, skeleton = {}, without_rows(train)
    state, kept = split(setup, state)
    keys = keys_of(key, len(stages))
    for (stage, plan_of, begin, take, end), stage_key in zip(stages, keys, strict=True):
      plan, carry, heard = plan_of(stage_key, skeleton), begin(state, hparams), []
      visits, domain = jax.tree.map(np.asarray, (plan.visits, plan.domain))
      moving = {(): kept[()]} if kept and stage.attach else {}
      of = slices(visits, size, domain, shifts.most_domains(moving))
      turns = shifts.Shifts(moving, domain, of.bounds)
      moved = shifts.fresh(moving, domain, setup.rest)
      for bounds, part in zip(of.bounds, parts(train, visits, of, deal), strict=True):
        for level in turns.part(bounds).values():
          carry = stage.attach(carry, level)
        carry, told = take(carry, part, plan, *bounds, hparams, of.most)
        told = jax.block_until_ready(told)  # else parts would pile up on the device
        for level in moved.values():
          shifts.put(level, stage.state_of(carry), turns.domains(bounds))
          carry = stage.attach(carry, dict.fromkeys(level, ()))
        heard.append(jax.tree.map(lambda x, n=bounds[1] - bounds[0]: x[:n], told))
      kept = kept | moved
      told = jax.tree.map(lambda *xs: jnp.concatenate(xs), *heard)
      state, more = end(carry, told, hparams)
      info = joined(info, more)
    return at_rest.together(state, kept), info

  return trained


def programs_of(stage: Stage) -> tuple[Callable, ...]:
  """The functions of a stage compiled, its rounds in a loop over some of the plan."""

  def take(carry, part, plan, first, last, hparams, most):
    part = stage.prepare(carry, part)
    entry = lambda i: tree.take(plan, first + i)
    return some(stage, carry, part, entry, last - first, most, hparams)

  # Copied, since what is the same array twice cannot be donated.
  begin = lambda state, hparams: tree.copy(stage.begin(state, hparams))
  return (
    jax.jit(stage.plan),
    jax.jit(begin),
    jax.jit(take, static_argnums=6, donate_argnums=0),
    jax.jit(stage.end),
  )


def memory(setup: Setup, runs: Run, keys: Key, train: HostBatches, valid: HostBatches) -> int:
  """About how many bytes an epoch takes beside the runs: copies of a state, parts, programs."""
  del keys
  light, kept = split(setup, runs.state)
  slots = setup.stream * train.batch_size
  parts_bytes = slots * (4 * bytes_of_row(train.dataset) + 40)  # four parts, and rows being cut
  deal = train.rows.nbytes if setup.reshuffled else 0
  at_work = 2 * shifts.BLOCK if kept else 0
  return 2 * tree.num_bytes(light) + parts_bytes + deal + at_work + COMPILING


def settled(setup: Setup, run: Run) -> Run:
  """A run in NumPy, as it was written to disk, where it trains."""
  on_device = functools.partial(jax.tree.map, jnp.asarray)
  (state, kept), (best, kept_best) = (split(setup, x) for x in (run.state, run.best))
  run = on_device(run._replace(state=state, best=best))
  lay = lambda kept: {where: at_rest.laid(level, setup.rest) for where, level in kept.items()}
  return with_kept(run, lay(kept), lay(kept_best))
