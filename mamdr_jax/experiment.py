"""config -> result, on one screen."""

import itertools
import sys
import time
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections

from mamdr_jax import data, record, report, resume, tree
from mamdr_jax.baselines import baselines, ceiling
from mamdr_jax.configure import construct, optimizer
from mamdr_jax.core import DomainBatches, Hparams, Method, Tree
from mamdr_jax.data import DATASETS, Dataset, pack
from mamdr_jax.descent import minibatch
from mamdr_jax.innergrad import conflict_probe, held
from mamdr_jax.methods import METHODS
from mamdr_jax.metrics import summary
from mamdr_jax.models import MODELS
from mamdr_jax.objective import Objective, objective
from mamdr_jax.progress import Progress, counted
from mamdr_jax.train import score, sweep


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
    loss=counted(goal.loss, on_step) if on_step else goal.loss, inner=inner, outer=outer,
    specific_inner=optimizer(config.specific_inner) if config.specific_inner.name else inner,
  )  # fmt: skip
  return Experiment(dataset, goal, method)


def grid(config: ml_collections.ConfigDict) -> list[dict]:
  """The runs of a config: the product of what `sweep` gives, else the single values."""
  axes = {name: config.sweep[name] or (config[name],) for name in ("seed", *Hparams._fields)}
  return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def run(
  config: ml_collections.ConfigDict,
  workdir: Path,
  overwrite: bool = False,
  dataset: Dataset | None = None,
) -> dict:
  """Trains and evaluates what `config` describes; writes all of it to `workdir` (README).

  If that was interrupted there, it goes on: runs that had ended stay, and those under way go on
  from their last checkpoint. The outcome is that of one go.

  Args:
    config: see `configure.make`.
    workdir: a folder.
    overwrite: whether to replace another experiment in the folder.
    dataset: that of the config, if the caller has it.

  Returns:
    What `result.json` holds.
  """
  known = not overwrite and record.holds(workdir, config.to_dict())
  if known and (workdir / record.RESULT).exists():
    print(f"{workdir} holds this experiment, finished; nothing was run", file=sys.stderr)
    return record.read(workdir / record.RESULT)
  epochs = config.epochs * (1 + ("+" in config.method.name))  # tuning takes as many again
  progress = Progress(epochs, len(grid(config)))
  experiment = build(config, progress.step if progress.on_terminal else None, dataset)
  print(*experiment.dataset.notes, sep="\n", file=sys.stderr)
  train = pack(experiment.dataset, "train", config.batch_size)
  params, _ = jax.eval_shape(lambda: start(experiment, train))

  resume.begin(workdir, config.to_dict(), overwrite)
  train_runs(config, workdir, experiment, train, progress)
  progress.close()

  runs = list(resume.finished_runs(workdir).values())
  result = {
    "config": config.to_dict(),
    "runs": runs,
    "num_parameters": tree.size(params),
    "ceiling": ceiling(experiment.dataset),
    "baselines": baselines(experiment.dataset),
    "seconds": sum(run["seconds"] for run in runs),
    "versions": record.versions(),
    "device": record.device(),
  }
  resume.finish(workdir, result)
  report.learning_curves(workdir)
  report.write_runs({workdir.name: result}, workdir / "runs.csv")
  return record.plain(result)


def train_runs(config, workdir, experiment, train, progress) -> None:
  """Trains what `workdir` lacks of the runs of a config, and keeps each as it ends."""
  dataset, goal, method = experiment
  valid, test = (pack(dataset, split, config.batch_size) for split in ("valid", "test"))
  points, finished = grid(config), resume.finished_runs(workdir)
  lanes = config.lanes or lanes_that_fit(len(points), experiment, train)
  num_ended = len(finished)
  progress.ended(num_ended)
  begun = resume.begun_group(workdir, finished)
  resume.keep_metrics(workdir, finished, begun)
  if finished or begun:
    at = f", in epoch {begun[2]} of the next" if begun else ""
    print(f"{workdir}: going on after {len(finished)} of {len(points)} runs{at}", file=sys.stderr)
  saved = asked = time.monotonic()
  probed = 0.0

  def on_epoch(epoch, info):
    nonlocal probed
    probed += info["probe"]["seconds"][0] if "probe" in info else 0.0
    seconds = time.monotonic() - asked
    record.append_json(workdir / record.METRICS, {"epoch": epoch, "seconds": seconds} | info)
    progress.epoch(epoch, info)

  def checkpoint(snapshot):
    nonlocal saved
    if time.monotonic() - saved > config.checkpoint_seconds:
      resume.save_group(workdir, snapshot())
      saved = time.monotonic()

  @jax.jit
  def measure(state, data):
    return summary(score(serving(experiment, state, train), data, goal.predict), data)

  probe = conflict_probe(goal.loss, held(train)) if config.probe_every else None
  groups = sweep(
    jnp.stack([jax.random.key(point["seed"]) for point in points]),
    Hparams(*(jnp.array([p[name] for p in points], jnp.float32) for name in Hparams._fields)),
    method, goal.init, goal.predict, train, valid,
    epochs=config.epochs, patience=config.patience, settle=goal.settle, lanes=lanes,
    reshuffled=config.reshuffle, probe=probe, probe_every=config.probe_every or 1,
    on_epoch=on_epoch, checkpoint=checkpoint, ended=finished,
    begun=begun and (*begun[:2], lambda like: resume.load_group(workdir, like)),
  )  # fmt: skip
  begin = time.monotonic()
  for index, runs in groups:
    for i, r in enumerate(index):
      if r in finished:  # of a group whose others had not
        continue
      best = tree.take(runs.best, i)
      result = points[r] | {
        "epochs": runs.epochs[i],
        "best_epoch": runs.best_epoch[i].mean() if method.apart else runs.best_epoch[i],
        "diverged": runs.diverged[i].any(),
        "valid": by_name(measure(best, valid), dataset),
        "test": by_name(measure(best, test), dataset),
        "seconds": (time.monotonic() - begin) / index.size,
      }
      resume.finish_run(workdir, r, result, best)
      num_ended += 1
    progress.ended(num_ended)
    begin = time.monotonic()
  if probe:
    print(f"probes took {probed:.1f} s of {time.monotonic() - asked:.1f} s", file=sys.stderr)


def lanes_that_fit(num_runs: int, experiment: Experiment, train: DomainBatches) -> int:
  """How many runs go side by side: on an accelerator as many as its memory is thought to hold.

  A run is thought to take four times its state, which are the state and the best so far, and both
  again while an epoch makes new ones, and what XLA takes for the gradient of a minibatch. Prints
  the estimate. On a CPU it is 1, which is faster there.
  """
  device = jax.devices()[0]
  if device.platform == "cpu":
    return 1
  params, state = jax.eval_shape(lambda: start(experiment, train))
  batch = jax.eval_shape(lambda: minibatch(train, 0))
  gradient = jax.jit(jax.grad(experiment.objective.loss))
  step = gradient.lower(params, jax.random.key(0), batch).compile().memory_analysis()
  needed = 4 * tree.num_bytes(state) + step.temp_size_in_bytes + step.output_size_in_bytes
  memory = (device.memory_stats() or {}).get("bytes_limit", 2**33)
  lanes = max(1, min(num_runs, int(0.8 * memory / needed)))
  sizes = f"a run takes about {needed / 2**20:.1f} MiB, the device has {memory / 2**30:.1f} GiB"
  print(f"{sizes}: {lanes} of {num_runs} runs side by side", file=sys.stderr)
  return lanes


def start(experiment: Experiment, train: DomainBatches):
  """(parameters, state of the method) before the first epoch."""
  params = experiment.objective.init(jax.random.key(0), minibatch(train, 0))
  return params, experiment.method.init(jax.random.key(0), params, train.start.size)


def serving(experiment: Experiment, state: Tree, train: DomainBatches):
  """domain -> the parameters that serve it, moments for normalisation taken from `train`."""
  settle, params = experiment.objective.settle, experiment.method.params
  return lambda domain: settle(params(state, domain), train, domain)


def statistics(config: ml_collections.ConfigDict) -> str:
  """The data set of a config in the form of Luo et al. 2023, Tables I-IV."""
  return data.statistics(read_data(config))


def load(workdir: Path, run: int = 0) -> tuple[Experiment, Tree]:
  """The experiment of a finished workdir and the best state of its run number `run`.

  `serving(experiment, state, train)` gives what serves a domain: for MAMDR, θ_S + θᵢ.
  """
  config = ml_collections.ConfigDict(record.read(workdir / record.CONFIG))
  experiment = build(config)
  train = pack(experiment.dataset, "train", config.batch_size)
  num_runs = len(grid(config))
  _, one = jax.eval_shape(lambda: start(experiment, train))
  like = jax.tree.map(lambda x: jax.ShapeDtypeStruct((num_runs, *x.shape), x.dtype), one)
  states = record.load_tree(workdir / record.STATE, like)
  return experiment, jax.tree.map(lambda x: jnp.asarray(x[run]), states)


def by_name(measured: dict, dataset: Dataset) -> dict:
  """A `summary` whose AUC per domain goes by the names of the domains."""
  return measured | {"auc": dict(zip(dataset.domains, measured["auc"], strict=True))}
