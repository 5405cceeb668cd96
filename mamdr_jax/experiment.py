"""config → data → fit → result."""

import contextlib
import sys
from pathlib import Path

import ml_collections
import numpy as np

from mamdr_jax import advice, machine, measures, stored, warm_start
from mamdr_jax.again import best_run, host_split, keep, load, store
from mamdr_jax.assembly import Experiment, Packed, Training, assemble, packed
from mamdr_jax.baselines import baselines, ceiling
from mamdr_jax.data import SPLITS, Dataset, remarks
from mamdr_jax.data.blocks import count_rows
from mamdr_jax.data.dataset import batch_rows
from mamdr_jax.data.minibatches import AUTO
from mamdr_jax.distribution import many
from mamdr_jax.files import CURVES, MODEL, RESULT
from mamdr_jax.progress import Progress
from mamdr_jax.train import Setup
from mamdr_jax.training import measured, of_share, setup_of, train
from mamdr_jax.watch import watchers
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
