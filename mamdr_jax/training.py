"""The runs of an experiment are trained, and each is handed to the journal as it ends."""

import functools
import operator
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from mamdr_jax import machine, measures, room, workers
from mamdr_jax.assembly import Experiment, Packed, Training, assemble, packed
from mamdr_jax.core import DomainBatches, Hparams, Key, Tree
from mamdr_jax.data.batches import HostBatches, some
from mamdr_jax.evaluate import by_name
from mamdr_jax.metrics import Tally, figures
from mamdr_jax.progress import Progress
from mamdr_jax.search import halving
from mamdr_jax.theory.probe import held, serving_probe
from mamdr_jax.train import Epoch, Group, Probe, Rest, Run, Setup, fit, measuring, scoring
from mamdr_jax.train.memory import lanes_that_fit
from mamdr_jax.watch import Watchers, figures_of
from mamdr_jax.workdir import identity
from mamdr_jax.workdir.journal import Journal
from mamdr_jax.workers import Crew


def of_share(training: Training, first: int, step: int) -> Training:
  """The same of every `step`-th run, from number `first` on; ValueError if there is none."""
  if first >= len(training.points):
    raise ValueError(f"share {first}/{step} is empty: there are {len(training.points)} runs")
  return training._replace(points=training.points[first::step])


def setup_of(experiment: Experiment, training: Training, data: Packed, workdir: Path) -> Setup:
  """What all runs have in common; ValueError if the disk has no room for what is to rest there."""
  _, goal, method = experiment
  setup = Setup(
    goal, method, training.patience, training.reshuffle, training.stream, average=training.average
  )
  if not training.rest:
    return setup._replace(rest=Rest(None)) if training.workers else setup
  on_disk, dtype = training.rest == "disk", jnp.dtype(training.rest_dtype)
  if on_disk:
    room.disk_fits(workdir, data.kept, dtype.itemsize)
  return setup._replace(rest=Rest(workdir if on_disk else None, dtype.name))


def train(
  experiment: Experiment,
  training: Training,
  setup: Setup,
  data: Packed,
  journal: Journal,
  progress: Progress,
  lookers: Watchers,
) -> None:
  """Trains the runs that a journal lacks, and has it keep each as it ends."""
  dataset, goal, method = experiment
  points, pair = journal.points, (data.train, data.valid)
  of_device = -(-(len(points) - journal.num_ended) // len(training.devices))
  lanes = 1 if training.stream else training.lanes or lanes_that_fit(of_device, setup, *pair)
  resumed = journal.resume(training.epochs)
  progress.ended(journal.num_ended)

  def on_epoch(epoch: Epoch):
    journal.epoch(epoch)
    progress.epoch(epoch.number, epoch.info)
    lookers.told(epoch)

  def on_memory(num_bytes: int):
    now, then = (x / 2**30 for x in (machine.taken(), machine.taken() + num_bytes))
    print(f"memory: {now:.2f} GiB are taken, and {then:.2f} in an epoch", file=sys.stderr)

  probe = None
  if training.probe_every:
    seen = held(some(data.train, np.asarray(data.train.start)))
    probe = Probe(serving_probe(goal.loss, seen), training.probe_every)
  ends = halving(training.config, points, int(np.asarray(data.train.count).sum()))
  for line in journal.lines if ends else ():
    ends(line)
  common = {"epochs": training.epochs, "on_epoch": on_epoch, "ended": journal.finished}
  if training.workers:
    groups = with_workers(
      training, setup, points, data, journal.workdir, resumes=bool(resumed), **common
    )
  else:
    groups = fit(
      setup, *of_points(points), *pair, lanes=lanes, devices=training.devices,
      anneal=dict(training.anneal),
      probe=probe, test=data.test if training.test_every_epoch else None,
      on_memory=on_memory, ends=ends, resumed=resumed, **common,
    )  # fmt: skip
  tallied = measuring(setup, bool(training.stream))
  more = measured(training, setup, data, dataset.domains)

  def look(tally, state, split):
    tally = tally or tallied(state, data.train, split)
    told = by_name(figures(tally), dataset.domains)
    return told | ({measures.MEASURES: more(state, split)} if training.measures else {})

  def result(tallies: Mapping[str, Tally], number: int, run: Run) -> dict:
    made = points[number] | {
      "epochs": run.epochs,
      "best_epoch": run.best_epoch.mean() if method.choose else run.best_epoch,
      "diverged": run.diverged.any(),
      "stopped": run.stopped.all(),
      "tuned": method.base is not None,
      "valid": look(tallies.get("valid"), run.best, data.valid),
      "test": look(tallies.get("test"), run.best, data.test),
    }
    told = (figures_of(made[split], split) for split in ("valid", "test"))
    lookers.ended(number, points[number], functools.reduce(operator.or_, told))
    return made

  for group in groups:
    journal.ended(group, functools.partial(result, group.tallies))
    progress.ended(journal.num_ended)
  if probe:
    spent = sum(journal.seconds)
    print(f"probes took {journal.probed:.1f} s of {spent:.1f} s", file=sys.stderr)


def of_points(points: Sequence[Mapping]) -> tuple[Key, Hparams]:
  """The keys and rates of runs: [R]."""
  rates = (jnp.array([point[name] for point in points], jnp.float32) for name in Hparams._fields)
  return jnp.stack([jax.random.key(point["seed"]) for point in points]), Hparams(*rates)


def with_workers(
  training: Training, setup: Setup, points: Sequence[Mapping], data: Packed, workdir: Path, **rest
) -> Iterator[Group]:
  """`fit` of the workers of a config."""
  return workers.fit(
    setup, Crew(training.workers), *of_points(points), data.train, data.valid, data.test,
    workdir=workdir, seconds=training.checkpoint_seconds, **rest,
  )  # fmt: skip


def follow(config: ml_collections.ConfigDict, workdir: Path) -> None:
  """`run` in another process than the first of several that train together.

  It has its share of the training, and writes nothing but its shards and the data that rest there.

  Raises:
    ValueError: the config says nothing of workers.
  """
  workdir = Path(workdir)
  experiment, training = assemble(config)
  if not training.workers:
    raise ValueError("workers=0: several processes have workers to share; expected e.g. workers=2")
  data = packed(experiment, training)
  if Crew(training.workers).told(np.array(False)):  # once the folder is ready
    return
  points = identity.read(workdir)["points"]
  setup = setup_of(experiment, training, data, workdir)
  for _ in with_workers(training, setup, points, data, workdir, epochs=training.epochs):
    pass


def measured(
  training: Training, setup: Setup, data: Packed, domains: Sequence[str]
) -> Callable[[Tree, DomainBatches | HostBatches], dict]:
  """(state, split) -> what a result has of the measures that are asked for."""
  scored = scoring(setup, bool(training.stream))

  def of(state, split):
    rows = scored(state, data.train, split)
    return measures.told(measures.measured(training.measures, rows, len(domains)), domains)

  return of
