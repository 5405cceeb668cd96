"""config → data → fit → result."""

import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections

from mamdr_jax import check, data, files, keys, machine, report, results, tree
from mamdr_jax.baselines import baselines, ceiling
from mamdr_jax.configure import construct, optimizer
from mamdr_jax.core import DomainBatches, Hparams, Method, Tree
from mamdr_jax.data import DATASETS, SPLITS, Dataset, pack
from mamdr_jax.data.dataset import batch_rows, num_rows_of
from mamdr_jax.data.minibatches import AUTO
from mamdr_jax.descent import minibatch
from mamdr_jax.distribution import many
from mamdr_jax.evaluate import Serving, by_name, measure
from mamdr_jax.files import CONFIG, CSV, CURVES, GROUP, RESULT
from mamdr_jax.methods import METHODS
from mamdr_jax.models import MODELS
from mamdr_jax.objective import Objective, objective
from mamdr_jax.progress import Progress, counted
from mamdr_jax.theory.probe import conflict_probe, held
from mamdr_jax.train import Epoch, Probe, Run, Setup, fit
from mamdr_jax.train.memory import lanes_that_fit
from mamdr_jax.workdir import checkpoint, identity
from mamdr_jax.workdir.journal import Journal
from mamdr_jax.workdir.lock import locked


class Experiment(NamedTuple):
  """What a config describes."""

  dataset: Dataset
  objective: Objective
  method: Method


def read_data(config: ml_collections.ConfigDict) -> Dataset:
  """The data set of a config."""
  return construct(DATASETS, "data set", config.data)


def build(
  config: ml_collections.ConfigDict, on_step=None, dataset: Dataset | None = None
) -> Experiment:
  """The data set, objective and method of a config; `on_step` hears of every step."""
  dataset = dataset or read_data(config)
  vocab = {field: len(ids) for field, ids in dataset.vocab.items() if field not in dataset.frozen}
  vocab["domain"] = len(dataset.domains)
  goal = objective(construct(MODELS, "model", config.model, vocab=vocab), config.l2)
  inner, outer = optimizer(config.inner), optimizer(config.outer)
  method = construct(
    METHODS, "method", config.method,
    loss=counted(goal.loss, on_step) if on_step else goal.loss, penalty=goal.penalty,
    inner=inner, outer=outer,
    specific_inner=optimizer(config.specific_inner) if config.specific_inner.name else inner,
  )  # fmt: skip
  return Experiment(dataset, goal, method)


def run(
  config: ml_collections.ConfigDict,
  workdir: Path,
  overwrite: bool = False,
  dataset: Dataset | None = None,
) -> dict:
  """Trains and evaluates what `config` describes; writes all of it to `workdir` (README).

  If that was begun there, it goes on: runs that have ended stay, and those under way go on from
  their last checkpoint. The outcome is that of one go.

  Args:
    config: see `configure.make`.
    workdir: a folder.
    overwrite: whether to replace another experiment in the folder, or this one if it has ended.
    dataset: that of the config, if the caller has it.

  Returns:
    What `result.json` holds.

  Raises:
    ValueError: something else is in the folder, or another process is at work there.

  >>> import tempfile
  >>> from mamdr_jax import configure
  >>> small = {"data.sizes": (120, 90), "data.features": "ids", "batch_size": 32, "epochs": 2}
  >>> config = configure.make("synthetic", "mlp", "domain_negotiation")
  >>> config = configure.vary(config, small | {"model.hidden": (8,), "sweep.seed": (0, 1)})
  >>> with tempfile.TemporaryDirectory() as workdir:
  ...   result = run(config, workdir)
  ...   experiment, state = load(workdir, run=1)
  >>> [(one["seed"], one["epochs"]) for one in result["runs"]]
  [(0, 2), (1, 2)]
  >>> train = pack(experiment.dataset, "train", config.batch_size)
  >>> params = serving(experiment, state, train)(0)  # what serves the first domain
  >>> experiment.objective.predict(params, minibatch(train, 0)).shape
  (32,)
  """
  progress = Progress(config.epochs * (1 + ("+" in config.method.name)), len(identity.grid(config)))
  check.values(config.to_dict())
  optimizer(config.inner)
  workdir, dataset = Path(workdir), dataset or read_data(config)

  @functools.cache
  def prepared():
    experiment = build(config, progress.step if progress.on_terminal else None, dataset)
    check.fits(config, experiment.method)
    data_bytes = check.data_fit(dataset, config.batch_size)
    splits = {split: pack(dataset, split, config.batch_size) for split in SPLITS}
    params, state = shapes(experiment, splits["train"])
    check.run_fits(params, state, data_bytes)
    return experiment, splits, tree.size(params)

  if not (workdir / RESULT).exists():
    prepared()  # what cannot be built leaves no folder
  with locked(workdir):
    begun = identity.begin(workdir, config.to_dict(), dataset, overwrite)
    if begun.whole:
      print(f"{workdir} holds this experiment, finished; nothing was run", file=sys.stderr)
      result = results.read(workdir / RESULT)
    else:
      remarks = data.remarks(dataset, config.batch_size)
      print(*dataset.notes, *remarks, sep="\n", file=sys.stderr)
      experiment, splits, num_parameters = prepared()
      train_runs(config, workdir, experiment, splits, begun, progress)
      result = files.plain(assembled(config, workdir, dataset, len(begun.points)))
      result |= {"num_parameters": num_parameters, "rates": list(experiment.method.rates)}
      (workdir / GROUP).unlink(missing_ok=True)
      results.write(workdir / RESULT, result)
    progress.close()
    illustrate(workdir, result)
  return result


def assembled(
  config: ml_collections.ConfigDict, workdir: Path, dataset: Dataset, num_runs: int
) -> dict:
  """What `result.json` is to hold once all runs have ended."""
  runs = checkpoint.finished_runs(workdir, num_runs)
  if len(runs) < num_runs:
    raise ValueError(f"{workdir}: files of runs that had ended are damaged; give the command again")
  rows, chosen = {}, {}
  if many(len(dataset.domains)):  # tables name the largest
    size = num_rows_of(dataset, "train").tolist()
    rows = {"rows": dict(zip(dataset.domains, size, strict=True))}
  if config.batch_size == AUTO:
    chosen = {"batch_size": batch_rows(dataset, AUTO)}
  return {
    "config": config.to_dict(),
    "runs": list(runs.values()),
    "ceiling": ceiling(dataset),
    "baselines": baselines(dataset),
    "seconds": sum(run["seconds"] for run in runs.values()),
    "data": identity.fingerprint(dataset),
    "code": machine.code(),
    "device": machine.device(),
    **machine.environment(),
    **rows,
    **chosen,
  }


def train_runs(config, workdir, experiment, splits, begun, progress) -> None:
  """Trains what `workdir` lacks of the runs of a config, and keeps each as it ends."""
  points, domains = begun.points, experiment.dataset.domains
  goal, method = experiment.objective, experiment.method
  setup = Setup(goal, method, config.patience, config.reshuffle)
  pair = splits["train"], splits["valid"]
  journal = Journal(workdir, begun, config.checkpoint_seconds)
  progress.ended(journal.num_ended)

  def on_epoch(epoch: Epoch):
    journal.epoch(epoch)
    progress.epoch(epoch.number, epoch.info)

  probe = None
  if config.probe_every:
    probe = Probe(conflict_probe(goal.loss, held(splits["train"])), config.probe_every)
  groups = fit(
    setup,
    jnp.stack([jax.random.key(point["seed"]) for point in points]),
    Hparams(*(jnp.array([p[name] for p in points], jnp.float32) for name in Hparams._fields)),
    *pair,
    epochs=config.epochs,
    lanes=config.lanes or lanes_that_fit(len(points) - journal.num_ended, setup, *pair),
    probe=probe,
    on_epoch=on_epoch,
    ended=journal.finished,
    resumed=journal.resumed(config.epochs),
  )
  look = jax.jit(functools.partial(measure, goal, method))

  def outcome(number: int, run: Run) -> dict:
    return points[number] | {
      "epochs": run.epochs,
      "best_epoch": run.best_epoch.mean() if method.choose else run.best_epoch,
      "diverged": run.diverged.any(),
      "stopped": run.stopped.all(),
      "tuned": method.base is not None,
      "valid": by_name(look(run.best, pair[0], splits["valid"]), domains),
      "test": by_name(look(run.best, pair[0], splits["test"]), domains),
    }

  for group in groups:
    journal.ended(group, outcome)
    progress.ended(journal.num_ended)
  if probe:
    spent = sum(journal.seconds.values())
    print(f"probes took {journal.probed:.1f} s of {spent:.1f} s", file=sys.stderr)


def illustrate(workdir: Path, result: Mapping) -> None:
  """Makes what lacks of the table of runs and the picture; says so where that fails."""
  made = {
    CSV: lambda: report.write_runs({workdir.name: result}, workdir / CSV),
    CURVES: lambda: report.learning_curves(workdir),
  }
  for name, make in made.items():
    if not (workdir / name).exists():
      try:
        make()
      except Exception as error:  # whatever it is, the result is there
        told = f"{type(error).__name__}: {error}".splitlines()[0]
        print(f"{workdir / name} was not made ({told})", file=sys.stderr)


def shapes(experiment: Experiment, train: DomainBatches):
  """(parameters, state of the method) before the first epoch, as shapes."""

  def start(key):
    params_key, state_key = jax.random.split(key)
    params = experiment.objective.init(params_key, minibatch(train, 0))
    state, method = params, experiment.method
    for phase in filter(None, (method.base, method)):
      state = phase.init(state_key, state, train)
    return params, state

  return jax.eval_shape(start, jax.random.key(0))


def serving(experiment: Experiment, state: Tree, train: DomainBatches) -> Serving:
  """domain -> the parameters that serve it, moments for normalisation taken from `train`."""
  return Serving(experiment.objective, experiment.method, state, train)


def statistics(config: ml_collections.ConfigDict) -> str:
  """The data set of a config in the form of Luo et al. 2023, Tables I-IV."""
  return data.statistics(read_data(config), config.batch_size)


def load(
  workdir: Path, run: int = 0, *, dataset: Dataset | None = None, trust: bool = False
) -> tuple[Experiment, Tree]:
  """The experiment of a workdir and the best state of its run number `run`.

  `serving(experiment, state, train)` gives what serves a domain: for MAMDR, θ_S + θᵢ. Users, items
  and domains are numbered as when it was trained, in whatever order the rows now come. `run` has
  an example.

  Args:
    workdir: of an experiment, of which that run at least has ended.
    run: see `config.json` for the order.
    dataset: its data; by default read or drawn as the config says.
    trust: let the config say which files are read, and which folder is a cache. Do so for a workdir
      of your own; for anybody else's, give the data set.

  Raises:
    ValueError: there is no such run, a file is damaged, or the data have ids that the run lacks.
  """
  there = identity.read(Path(workdir))
  if there is None:
    raise ValueError(f"{workdir} holds no experiment: it has no {CONFIG}")
  config = ml_collections.ConfigDict(there["config"])
  named = [key for key in keys.PLACES if keys.flat(there["config"]).get(key)]
  if dataset is None and named and not trust:
    raise ValueError(
      f"{workdir / CONFIG} names files ({named[0]}): give the data "
      "set, or trust=True to have them read"
    )
  if not 0 <= run < len(there["points"]):
    raise ValueError(f"{workdir} has runs 0 to {len(there['points']) - 1}, and no run {run}")
  dataset = data.renumber(dataset or read_data(config), **checkpoint.read_ids(Path(workdir)))
  experiment = build(config, dataset=dataset)
  train = pack(dataset, "train", config.batch_size)
  _, like = shapes(experiment, train)
  return experiment, jax.tree.map(jnp.asarray, checkpoint.load_best(Path(workdir), run, like))
