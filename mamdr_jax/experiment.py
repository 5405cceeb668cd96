"""config → data → fit → result."""

import contextlib
import functools
import operator
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from mamdr_jax import advice, check, machine, measures, stored, warm_start, workers
from mamdr_jax.again import best_run, host_split, keep, load, store
from mamdr_jax.assembly import Experiment, Packed, Training, assemble, packed
from mamdr_jax.baselines import baselines, ceiling
from mamdr_jax.core import DomainBatches, Hparams, Key, Tree
from mamdr_jax.data import SPLITS, Dataset, remarks
from mamdr_jax.data.batches import HostBatches, some
from mamdr_jax.data.blocks import count_rows
from mamdr_jax.data.dataset import batch_rows
from mamdr_jax.data.minibatches import AUTO
from mamdr_jax.distribution import many
from mamdr_jax.evaluate import by_name
from mamdr_jax.files import CURVES, MODEL, RESULT
from mamdr_jax.metrics import Tally, figures
from mamdr_jax.progress import Progress
from mamdr_jax.search import halving
from mamdr_jax.theory.probe import held, serving_probe
from mamdr_jax.train import Epoch, Group, Probe, Rest, Run, Setup, fit, measuring, scoring
from mamdr_jax.train.memory import lanes_that_fit
from mamdr_jax.watch import Watchers, figures_of, watchers
from mamdr_jax.workdir import identity
from mamdr_jax.workdir.journal import Journal, opened
from mamdr_jax.workers import Crew

__all__ = ["load", "run", "store"]


def run(
  config: ml_collections.ConfigDict,
  workdir: Path,
  overwrite: bool = False,
  dataset: Dataset | None = None,
  share: tuple[int, int] = (0, 1),
  watch: str = "",
  profile: int = 0,
  progress: Progress | None = None,
) -> dict:
  """Trains and evaluates what `config` describes; writes all of it to `workdir` (README).

  If that was begun there, it goes on: runs that have ended stay, and those under way go on from
  their last checkpoint. The outcome is that of one go.

  Args:
    config: see `configure.make`.
    workdir: a folder.
    overwrite: whether to replace another experiment in the folder, or this one if it has ended.
    dataset: that of the config, if the caller has it.
    share: (I, W): of the runs every W-th, from number I on.
    watch: who looks on: see `watch.watchers`.
    profile: an epoch of which the workdir gets a trace.
    progress: shows how far it is; by default one of this experiment alone.

  Returns:
    What `result.json` holds.

  Raises:
    ValueError: the share is empty, or something else is in the folder, or another process is at
      work there.

  >>> import tempfile
  >>> from mamdr_jax import configure
  >>> from mamdr_jax.descent import minibatch
  >>> small = {"data.sizes": (120, 90), "data.features": "ids", "batch_size": 32, "epochs": 2}
  >>> config = configure.make("synthetic", "mlp", "domain_negotiation")
  >>> config = configure.vary(config, small | {"model.hidden": (8,), "sweep.seed": (0, 1)})
  >>> with tempfile.TemporaryDirectory() as workdir:
  ...   result = run(config, workdir)
  ...   experiment, state = load(workdir, run=1)
  >>> [(one["seed"], one["epochs"]) for one in result["runs"]]
  [(0, 2), (1, 2)]
  >>> from mamdr_jax.data import pack
  >>> train = pack(experiment.dataset, "train", config.batch_size)
  >>> params = experiment.serving(state, train)(0)  # what serves the first domain
  >>> experiment.objective.predict(params, minibatch(train, 0)).shape
  (32,)
  """
  workdir, progress = Path(workdir), progress or Progress()
  experiment, training = assemble(config, dataset, progress.on_step)
  training = of_share(training, *share)
  if training.warm_start:
    experiment = warm_start.warm(experiment, stored.read(Path(training.warm_start)))
  # What memory cannot hold is to leave no folder.
  ready = None if (workdir / RESULT).exists() else packed(experiment, training)
  with (
    opened(workdir, training.config, training.points, experiment.dataset, overwrite) as journal,
    contextlib.closing(
      watchers(watch, profile, workdir, training.config, experiment.dataset.domains)
    ) as lookers,
  ):
    if training.workers:
      Crew(training.workers).told(np.array(journal.result is not None))  # to `follow`
    if journal.result is None:
      ready = ready or packed(experiment, training)
      said = list(remarks(experiment.dataset, training.batch_size))
      said += advice.before(training.config, np.asarray(ready.train.count))
      print(*experiment.dataset.notes, *said, sep="\n", file=sys.stderr)
      setup = setup_of(experiment, training, ready, workdir)
      phases = 2 if experiment.method.base else 1
      gradients = training.config["search"]["passes"] * int(np.asarray(ready.train.count).sum())
      progress.begin(training.epochs * phases, len(journal.points), gradients)
      train(experiment, training, setup, ready, journal, progress, lookers)
      add_measures(experiment, training, setup, ready, journal)
      journal.close(outcome(experiment, training, journal, ready.num_parameters))
      progress.close()
      trained_ids = not {"user", "item"} <= set(experiment.dataset.frozen)
      for sentence in advice.after(training.config, journal.result["runs"], trained_ids):
        print(f"{workdir}: {sentence}", file=sys.stderr)
    elif journal.lacking(measures.keys_of(training.measures)):
      ready = packed(experiment, training)
      setup = setup_of(experiment, training, ready, workdir)
      add_measures(experiment, training, setup, ready, journal)
      journal.close(journal.result | {"config": training.config})
    else:
      print(f"{workdir} holds this experiment, finished; nothing was run", file=sys.stderr)
    progress.close()
    journal.illustrate()
    if (workdir / CURVES).exists():
      lookers.picture(workdir / CURVES)
    if not (workdir / MODEL).exists():
      split = ready.train if ready else host_split(experiment, training.batch_size)
      keep(workdir / MODEL, workdir, best_run(journal.result), experiment, split)
  return journal.result


def of_share(training: Training, first: int, step: int) -> Training:
  """The same of every `step`-th run, from number `first` on; ValueError if there is none."""
  if first >= len(training.points):
    raise ValueError(f"share {first}/{step} is empty: there are {len(training.points)} runs")
  return training._replace(points=training.points[first::step])


def setup_of(experiment: Experiment, training: Training, data: Packed, workdir: Path) -> Setup:
  """What all runs have in common; ValueError if the disk has no room for what is to rest there."""
  _, goal, method = experiment
  setup = Setup(goal, method, training.patience, training.reshuffle, training.stream)
  if not training.rest:
    return setup._replace(rest=Rest(None)) if training.workers else setup
  on_disk, dtype = training.rest == "disk", jnp.dtype(training.rest_dtype)
  if on_disk:
    check.disk_fits(workdir, data.kept, dtype.itemsize)
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
      probe=probe, on_memory=on_memory, ends=ends, resumed=resumed, **common,
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


def add_measures(
  experiment: Experiment, training: Training, setup: Setup, data: Packed, journal: Journal
) -> None:
  """Takes the measures of runs that had ended without them, of the best states that they left."""
  more = measured(training, setup, data, experiment.dataset.domains)
  lacking = journal.lacking(measures.keys_of(training.measures))
  if lacking:
    told = f"{len(lacking)} runs that had ended are measured by {', '.join(training.measures)}"
    print(f"{journal.workdir}: {told}", file=sys.stderr)
  for number, run in lacking.items():
    state = journal.best(number, experiment.shapes(data.train)[1])
    for name, split in (("valid", data.valid), ("test", data.test)):
      own = run[name].get(measures.MEASURES, {})
      run[name][measures.MEASURES] = own | more(state, split)
    journal.amend(number, run)


def outcome(
  experiment: Experiment, training: Training, journal: Journal, num_parameters: int
) -> dict:
  """What `result.json` is to hold once all runs have ended."""
  dataset, results = experiment.dataset, journal.gathered()
  rows, chosen, counts = {}, {}, count_rows(dataset)
  by_domain = lambda of: dict(zip(dataset.domains, of.tolist(), strict=True))
  if many(len(dataset.domains)):  # tables name the largest
    rows = {"rows": by_domain(counts[:, SPLITS.index("train")].sum(1))}
  tested = counts[:, SPLITS.index("test")]
  if training.batch_size == AUTO:
    chosen = {"batch_size": batch_rows(dataset, AUTO)}
  return {
    "config": training.config,
    "runs": results,
    "ceiling": ceiling(dataset),
    "baselines": baselines(dataset),
    "tested": {"rows": by_domain(tested.sum(1)), "positives": by_domain(tested[:, 1])},
    "seconds": sum(result["seconds"] for result in results),
    "data": journal.about["data"],
    "code": journal.about["code"],
    "device": machine.device(),
    **machine.environment(),
    **rows,
    **chosen,
    "num_parameters": num_parameters,
    "rates": list(experiment.method.rates),
  }
