"""config -> result, on one screen."""

import itertools
import sys
import time
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from mamdr_jax import data, record, report, tree
from mamdr_jax.configure import construct, optimizer
from mamdr_jax.core import Hparams, Method
from mamdr_jax.data import DATASETS, SPLITS, Dataset, pack
from mamdr_jax.descent import minibatch
from mamdr_jax.methods import METHODS
from mamdr_jax.metrics import grouped_auc, summary
from mamdr_jax.models import MODELS
from mamdr_jax.objective import Objective, objective
from mamdr_jax.progress import Progress, counted
from mamdr_jax.train import fit, score


class Experiment(NamedTuple):
  """What a config describes."""

  dataset: Dataset
  objective: Objective
  method: Method


def build(config: ml_collections.ConfigDict, on_step=None) -> Experiment:
  """The data set, objective and method of a config; `on_step` hears of every step."""
  dataset = construct(DATASETS, "data set", config.data)
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


def run(config: ml_collections.ConfigDict, workdir: Path, overwrite: bool = False) -> dict:
  """Trains and evaluates what `config` describes; writes all of it to `workdir` (README).

  Returns:
    What `result.json` holds.
  """
  started = time.monotonic()
  if record.is_finished(workdir, config.to_dict(), overwrite):
    print(f"{workdir} holds this experiment, finished; nothing was run", file=sys.stderr)
    return record.read(workdir / record.RESULT)
  progress = Progress(config.epochs * (1 + ("+" in config.method.name)))  # tuning: as many again
  dataset, goal, method = build(config, progress.step if progress.on_terminal else None)
  print(*dataset.notes, sep="\n", file=sys.stderr)
  train, valid, test = (pack(dataset, s, config.batch_size) for s in ("train", "valid", "test"))

  record.begin(workdir, config.to_dict())

  points = grid(config)
  hparams = Hparams(
    *(jnp.array([p[name] for p in points], jnp.float32) for name in Hparams._fields)
  )
  keys = jnp.stack([jax.random.key(p["seed"]) for p in points])
  lanes = config.lanes or (1 if jax.default_backend() == "cpu" else len(points))

  def on_epoch(epoch, info):
    seconds = time.monotonic() - started
    record.append_json(workdir / record.METRICS, {"epoch": epoch, "seconds": seconds} | info)
    progress.epoch(epoch, info)

  runs = fit(
    keys, hparams, method, goal.init, goal.predict, train, valid,
    epochs=config.epochs, patience=config.patience, reshuffled=config.reshuffle,
    lanes=lanes, on_epoch=on_epoch,
  )  # fmt: skip
  progress.close()

  measure = jax.jit(lambda state, data: summary(score(method, state, data, goal.predict), data))
  results = []
  for r, point in enumerate(points):
    best = tree.take(runs.best, r)
    results.append(point | {
      "epochs": runs.epochs[r],
      "best_epoch": runs.best_epoch[r].mean() if method.apart else runs.best_epoch[r],
      "valid": by_name(measure(best, valid), dataset),
      "test": by_name(measure(best, test), dataset),
    })  # fmt: skip
  result = {
    "config": config.to_dict(),
    "runs": results,
    "num_parameters": tree.size(goal.init(keys[0], minibatch(train, 0))),
    "ceiling": ceiling(dataset),
    "seconds": time.monotonic() - started,
    "versions": record.versions(),
    "device": record.device(),
  }
  record.save_tree(workdir / record.STATE, runs.best)
  record.write_json(workdir / record.RESULT, result)
  report.learning_curves(workdir)
  return record.plain(result)


def statistics(config: ml_collections.ConfigDict) -> str:
  """The data set of a config in the form of Luo et al. 2023, Tables I-IV."""
  return data.statistics(construct(DATASETS, "data set", config.data))


def load(workdir: Path, run: int = 0) -> tuple[Experiment, object]:
  """The experiment of a finished workdir and the best state of its run number `run`.

  `experiment.method.params(state, domain)` is what serves a domain: for MAMDR, θ_S + θᵢ.
  """
  config = ml_collections.ConfigDict(record.read(workdir / record.CONFIG))
  experiment = build(config)
  train = pack(experiment.dataset, "train", config.batch_size)

  def start(key):
    params = experiment.objective.init(key, minibatch(train, 0))
    return experiment.method.init(params, train.start.size)

  num_runs = len(grid(config))
  one = jax.eval_shape(start, jax.random.key(0))
  like = jax.tree.map(lambda x: jax.ShapeDtypeStruct((num_runs, *x.shape), x.dtype), one)
  states = record.load_tree(workdir / record.STATE, like)
  return experiment, jax.tree.map(lambda x: jnp.asarray(x[run]), states)


def ceiling(dataset: Dataset, split: str = "test") -> dict | None:
  """AUC per domain of the score that drew the labels, and its mean, if the data are synthetic."""
  if dataset.truth is None:
    return None
  rows = dataset.split == SPLITS.index(split)
  columns = (dataset.truth, dataset.label, np.ones(len(rows)), dataset.domain)
  score, label, weight, domain = (jnp.asarray(x[rows]) for x in columns)
  auc = grouped_auc(score, label.astype(jnp.float32), weight, domain, len(dataset.domains))
  return {"auc": dict(zip(dataset.domains, auc, strict=True)), "mean_auc": auc.mean()}


def by_name(measured: dict, dataset: Dataset) -> dict:
  """A `summary` whose AUC per domain goes by the names of the domains."""
  return measured | {"auc": dict(zip(dataset.domains, measured["auc"], strict=True))}
