"""`fit` of workers: runs one after the other, each trained by all of them."""

import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from mamdr_jax.core import Hparams, Key
from mamdr_jax.data.batches import HostBatches, some
from mamdr_jax.train.fit import Epoch, Group
from mamdr_jax.train.run import Run, Setup, shapes
from mamdr_jax.workdir import shards as marks
from mamdr_jax.workdir.shards import Mark
from mamdr_jax.workers import life, shards
from mamdr_jax.workers.crew import Crew, Stopped
from mamdr_jax.workers.epoch import tallied
from mamdr_jax.workers.team import Team


class Course(NamedTuple):
  """What is the same for all runs."""

  teams: list[Team]  # of every phase
  tallies: list[Callable]  # `epoch.tallied` of each
  advances: list[Callable]  # `life.advance`; both are compiled once for all runs
  train: HostBatches
  valid: HostBatches
  workdir: Path
  seconds: float  # between checkpoints, at least


def fit(
  setup: Setup,
  crew: Crew,
  keys: Key,
  hparams: Hparams,
  train: HostBatches,
  valid: HostBatches,
  test: HostBatches,
  *,
  epochs: int,
  workdir: Path,
  seconds: float,
  on_epoch: Callable[[Epoch], None] = lambda epoch: None,
  ended: Collection[int] = (),
  resumes: bool = False,
) -> Iterator[Group]:
  """As `train.fit`, of R runs that workers train; all processes call it, and process 0 decides.

  Args:
    setup: what is trained.
    crew: who trains.
    keys, hparams, train, valid, epochs, on_epoch, ended: as there.
    test: of which the tallies of a run are taken once it has ended.
    workdir: gets `shards/`, which all processes read and write.
    seconds: checkpoints are no oftener than that, but for one when a run ends.
    resumes: whether to go on from what is there.

  Yields:
    Each run as a group of one, in NumPy, with the tallies of its best state on the validation and
    the test split; in other processes than the first without the run.

  Raises:
    Stopped: the processes were asked to stop, and have what the same command goes on from.
  """
  methods = [m for m in (setup.method.base, setup.method) if m is not None]
  teams = [life.team_of(setup._replace(method=m), crew, train) for m in methods]
  tallies = [tallied(team) for team in teams]
  advances = [life.advance(*of) for of in zip(teams, tallies, strict=True)]
  course = Course(teams, tallies, advances, train, valid, workdir, seconds)
  done = crew.told(np.array([run in ended for run in range(keys.shape[0])]))
  mark = marks.newest(workdir) if resumes and crew.first else None
  going = crew.told(np.array(mark[1:] if mark else (-1, 0, 0, 0))).tolist()
  for number in np.flatnonzero(~done).tolist():
    rates = Hparams(*(np.asarray(rate[number]) for rate in hparams))
    begun = marks.of(workdir, *going) if going[0] == number else None
    mark, run = _trained(course, number, keys[number], rates, epochs, on_epoch, begun)
    splits, best = {"valid": valid, "test": test}, tallies[mark.phase]
    worth = {name: best(run.best, train, split) for name, split in splits.items()}
    told, runs = (np.array([number]), mark.phase, mark.epoch, mark.last), None
    if crew.first:
      like = shapes(setup, mark.phase, keys[number][None], some(train, np.zeros(1, np.int32)))
      like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), like)
      whole = shards.whole(mark.path, teams[mark.phase], like, train)
      runs = jax.tree.map(lambda x: x[None], whole)
    yield Group(*told, runs, worth)


def _trained(
  course: Course, number: int, key: Key, rates: Hparams, epochs: int, on_epoch, begun: Mark | None
) -> tuple[Mark, Run]:
  """A run after its last epoch, and its checkpoint; from `begun` on, if it was begun before."""
  run, last = life.begin(course.teams[0], key, course.train), epochs
  for phase, team in enumerate(course.teams):
    if begun and begun.phase < phase:
      begun = None  # that phase has been gone on with
    if phase:
      last = int(run.epochs) + epochs
      run = life.tuned(team, run, key, course.train, course.valid, course.tallies[phase])
    if begun and begun.phase == phase:
      run, last = shards.load(begun.path, team, run), begun.last
    if begun is None or begun.phase == phase:
      mark, run = _phase(course, number, phase, run, key, rates, last, on_epoch)
  return mark, run


def _phase(course: Course, number: int, phase: int, run: Run, key: Key, rates: Hparams, last, told):
  """The run after epoch `last` of a phase, or that in which it has stopped; and its checkpoint."""
  team = course.teams[phase]
  crew, advance, saved = team.crew, course.advances[phase], time.monotonic()
  here = lambda: marks.of(course.workdir, number, phase, int(run.epochs), last)
  while not run.stopped.all() and run.epochs < last:
    try:
      run, info = advance(run, key, rates, course.train, course.valid)
      every = {"run": np.array([number])} | jax.tree.map(lambda x: np.asarray(x)[None], info)
      told(Epoch(int(run.epochs), every, None))
      crew.heed()
    except Stopped as asked:  # in the midst of an epoch, `run` is as it was before
      shards.save(here(), team, run)
      at = f"saved as it was after epoch {int(run.epochs)} of run {number + 1}"
      raise Stopped(f"{asked}: {at}") from None
    if crew.told(np.array(time.monotonic() - saved > course.seconds)):
      shards.save(here(), team, run)
      saved = time.monotonic()
  shards.save(here(), team, run)
  return here(), run
