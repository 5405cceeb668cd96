"""The life of a run that workers train: as `train/run.py` has it, of a state that they hold."""

import functools
from collections.abc import Callable

import jax
import numpy as np

from mamdr_jax.core import HERE, Hparams, Key, Method, Tree
from mamdr_jax.data.batches import HostBatches, some
from mamdr_jax.metrics import figures
from mamdr_jax.own import Kept as Keeps
from mamdr_jax.schedule import Visit
from mamdr_jax.train import at_rest, shifts
from mamdr_jax.train import run as life
from mamdr_jax.train.at_rest import Kept
from mamdr_jax.train.parts import dealing
from mamdr_jax.train.run import Run, Setup
from mamdr_jax.view import field_of
from mamdr_jax.workers import hand
from mamdr_jax.workers.crew import Crew
from mamdr_jax.workers.epoch import epoch
from mamdr_jax.workers.exchange import fetch, spread
from mamdr_jax.workers.kept import Work, in_shifts, levels_of
from mamdr_jax.workers.team import Held, Team


def team_of(setup: Setup, crew: Crew, train: HostBatches) -> Team:
  """The workers of a run, each with its domains."""
  return Team(crew, setup, hand.dealt_out(train.count, crew.num))


def begin(team: Team, key: Key, train: HostBatches) -> Run:
  """`run.begin`: its states are `Held`, the rest is NumPy."""
  setup, seen = team.setup, some(train, np.zeros(1, np.int32))
  params = jax.jit(functools.partial(life.initial, setup))(key, seen)
  state_key = jax.random.fold_in(key, life.STATE)
  return _unproven(team, _first(team, state_key, params, seen, train, {}), train)


def tuned(
  team: Team, run: Run, key: Key, train: HostBatches, valid: HostBatches, measured: Callable
) -> Run:
  """`run.tuned` and `run.begun`: that of a method which tunes what its base has trained.

  `measured` is `epoch.tallied` of the team.
  """
  key, seen = jax.random.fold_in(key, life.TUNED), some(train, np.zeros(1, np.int32))
  others = [{("begun", *where): level for where, level in kept.items()} for kept in run.best.kept]
  held = _first(team, key, run.best.light, seen, train, others, spread_already=True)
  found = measured(held, train, valid)
  fresh = life.begun(team.setup, run._replace(state=(), best=()), (), found)
  return jax.tree.map(np.asarray, fresh)._replace(state=held, best=held)


def advance(team: Team, measured: Callable) -> Callable:
  """`run.advance`: (run, key, hparams, train, valid) -> (run, info), each ended epoch in NumPy.

  `measured` is `epoch.tallied` of the team.
  """
  trained, setup = epoch(team), team.setup
  decide = jax.jit(functools.partial(life.proven, setup))

  def advanced(run: Run, key: Key, hparams: Hparams, train: HostBatches, valid: HostBatches):
    deal_key, method_key, _ = life.epoch_keys(key, run.epochs + 1)
    deal = dealing(deal_key, train) if setup.reshuffled else None
    held, info = trained(method_key, run.state, train, hparams, deal)
    held = chosen(team, run.stopped, run.state, held) if setup.method.choose else held
    found = measured(held, train, valid)
    better, proven = jax.tree.map(np.asarray, decide(run._replace(state=(), best=()), found))
    best = chosen(team, better, held, run.best)
    info = jax.tree.map(np.asarray, info | {"valid": figures(found)})
    return proven._replace(state=held, best=best), info

  return advanced


def chosen(team: Team, condition: np.ndarray, a: Held, b: Held) -> Held:
  """`a` where the condition holds, [] or, of a method that trains domains apart, [D], else `b`."""
  if not team.setup.method.choose:
    return a if condition else b
  kept = [
    two | {(): at_rest.chosen(condition[domains], one[()], two[()], team.setup.rest)}
    for domains, one, two in zip(team.here, a.kept, b.kept, strict=True)
  ]
  return Held(a.light, kept)


def _unproven(team: Team, held: Held, train: HostBatches) -> Run:
  """A run whose state has not been measured."""
  run = life.unproven(team.setup, (), train.start.size)
  return jax.tree.map(np.asarray, run)._replace(state=held, best=held)


def _first(team, key, params, seen, train, others, spread_already=False) -> Held:
  """`Method.init`, as workers hold it."""
  method: Method = team.setup.method
  if method.kept is None:
    return Held(placed(team.crew, method.init(key, params, seen)), [{} for _ in team.here])
  rest_key, kept_key = jax.random.split(key)
  rest = method.kept.rest(rest_key, params, seen)
  light = rest if spread_already else placed(team.crew, rest)
  return Held(light, begun(team, method.kept, kept_key, light, others, train))


def placed(crew: Crew, light: Tree) -> Tree:
  """What every process has whole, as workers have it."""

  def put(path, leaf):
    return crew.alike(leaf) if field_of(path) is None else crew.put(np.asarray(leaf)[crew.here])

  return jax.tree_util.tree_map_with_path(put, spread(light, crew.num))


def begun(
  team: Team, keeps: Keeps, key: Key, light: Tree, others: list[Kept], train: HostBatches
) -> list[Kept]:
  """What a method keeps for the domains of each worker here, as it begins: see `own.Kept`.

  Of tables those are the rows that a domain's data have.
  """
  crew, setup = team.crew, team.setup
  sizes, raw_key = hand.Sizes(crew), jax.random.key_data(key)
  others = others or [{} for _ in team.here]
  levels = [{"own": hand.restricted(train.own, domains)} for domains in team.here]

  def of_worker(state, arrays, raw_key):
    kept = levels_of(arrays["kept"])
    rows = kept.pop(())["own"]
    return keeps.begin(jax.random.wrap_key_data(raw_key), at_rest.together(state, kept), rows)

  @jax.jit
  def make(light, arrays, raw_key):
    part = fetch(crew, light, arrays["routes"])
    return crew.each(of_worker)(part, arrays, crew.wide(raw_key))

  works = []
  for domains, level, rest in zip(team.here, levels, others, strict=True):
    nothing = np.zeros(domains.size, np.int32)
    visits, place = Visit(nothing, nothing + 1, nothing, nothing), np.arange(domains.size)
    works.append(Work(visits, domains, place, rest | {(): level}))
  most = max(1, int(shifts.BLOCK / bytes_of_domain(light, train)))
  made = None
  for some_, arrays in in_shifts(team, sizes, train, works, light, most=most):
    fields = crew.local(make(light, arrays, crew.alike(raw_key)))
    if made is None:
      made = [at_rest.empty(_shapes(fields, level["own"]), setup.rest) for level in levels]
    for w, (one, level) in enumerate(zip(some_, levels, strict=True)):
      of_worker_ = jax.tree.map(lambda x, w=w: x[w], fields)
      shifts.write(made[w] | level, of_worker_, one.domains)
  return [rest | {(): new | level} for rest, new, level in zip(others, made, levels, strict=True)]


def bytes_of_domain(light: Tree, train: HostBatches) -> float:
  """As much as a domain has in the mean if it has something of all that is shared."""
  found = 0.0
  for path, leaf in jax.tree_util.tree_leaves_with_path(light):
    field = field_of(path)
    rows = 1 if field is None else train.own[field].ids.size / train.count.size
    found += rows * leaf.dtype.itemsize * (leaf.size if field is None else np.prod(leaf.shape[2:]))
  return max(found, 1.0)


def _shapes(fields: Tree, own: dict) -> Tree:
  """Of what is kept for all domains of a worker, given that of some: leaves [W', n, ...]."""

  def full(path, leaf):
    size = own[field_of(path) or HERE].ids.size
    return jax.ShapeDtypeStruct((size, *leaf.shape[2:]), leaf.dtype)

  return jax.tree_util.tree_map_with_path(full, fields)
