"""config → what an experiment is made of. Here alone a config is read, and here it is checked."""

import inspect
from collections.abc import Callable
from typing import NamedTuple

import jax
import ml_collections
import numpy as np

from mamdr_jax import check, data, room, tree
from mamdr_jax.configure import construct, lookup, optimizer
from mamdr_jax.core import DomainBatches, Method, Optimizer, Tree
from mamdr_jax.data import DATASETS, SPLITS, Dataset, HostBatches, on_host, pack
from mamdr_jax.data.batches import some
from mamdr_jax.descent import minibatch
from mamdr_jax.distribution import MOST_LISTED, many
from mamdr_jax.evaluate import Serving, serving
from mamdr_jax.methods import METHODS
from mamdr_jax.models import MODELS
from mamdr_jax.objective import Objective, objective
from mamdr_jax.progress import counted
from mamdr_jax.search import points
from mamdr_jax.train import at_rest
from mamdr_jax.train.devices import chosen


class Experiment(NamedTuple):
  """What a config describes."""

  dataset: Dataset
  objective: Objective
  method: Method

  def shapes(self, train: DomainBatches | HostBatches) -> tuple[Tree, Tree]:
    """(parameters, state of the method) before the first epoch, as shapes."""
    return shapes(self.objective, self.method, some(train, np.zeros(1, np.int32)))

  def serving(self, state: Tree, train: DomainBatches) -> Serving:
    """domain → the parameters that serve it, moments for normalisation taken from `train`."""
    return serving(self.objective, self.method, state, train)


class Training(NamedTuple):
  """How the runs of a config are trained; `keys.TRAINING` says what each key is."""

  config: dict  # all of it, to be kept
  points: list[dict]  # the runs
  devices: tuple[jax.Device, ...]  # over which they are dealt out
  epochs: int
  patience: int
  batch_size: int | str
  reshuffle: bool
  warm_start: str
  stream: int
  workers: int
  rest: str
  rest_dtype: str
  average: float
  anneal: tuple[tuple[str, float], ...]
  lanes: int
  checkpoint_seconds: float
  probe_every: int
  test_every_epoch: bool
  measures: tuple[str, ...]


class Packed(NamedTuple):
  """The splits of an experiment, of which memory is known to hold them and a run."""

  train: DomainBatches | HostBatches
  valid: DomainBatches | HostBatches
  test: DomainBatches | HostBatches
  num_parameters: int  # of the model
  kept: Tree  # the shapes of what is to rest elsewhere


def assemble(
  config: ml_collections.ConfigDict,
  dataset: Dataset | None = None,
  on_step: Callable[[], None] | None = None,
) -> tuple[Experiment, Training]:
  """What a config describes, and how it is trained.

  Args:
    config: see `configure.make`.
    dataset: that of the config, if the caller has it.
    on_step: hears of every step.

  Raises:
    ValueError: something in the config cannot be; the message names it.
  """
  told, method = config.to_dict(), config.method.name
  check.values(told)
  devices = chosen(1 if told["stream"] else told["devices"])
  training = Training(told, points(told), devices, *(told[name] for name in Training._fields[3:]))
  experiment = build(config, dataset, on_step)
  takes = inspect.signature(lookup(METHODS, "method", method)).parameters
  check.rates_fit(method, experiment.method.rates, told)
  check.optimizers_fit(method, takes, told)
  num_domains = len(experiment.dataset.domains)
  if training.test_every_epoch and many(num_domains):
    most = f"lines of the metrics have room for {MOST_LISTED}"
    raise ValueError(f"test_every_epoch=True and {num_domains:,} domains: {most}")
  return experiment, training


def build(
  config: ml_collections.ConfigDict,
  dataset: Dataset | None = None,
  on_step: Callable[[], None] | None = None,
) -> Experiment:
  """`assemble`, of a config whose values are known to be good, without how it is trained."""
  found = optimizers(config)  # before data are read
  dataset = dataset or read_data(config)
  vocab = {field: len(ids) for field, ids in dataset.vocab.items() if field not in dataset.frozen}
  vocab["domain"] = len(dataset.domains)
  return Experiment(dataset, *framework(config, found, vocab, on_step))


def optimizers(config: ml_collections.ConfigDict) -> dict[str, Optimizer]:
  """Those of a config, by the arguments of methods that take them."""
  inner, outer = optimizer(config.inner), optimizer(config.outer)
  specific_inner = optimizer(config.specific_inner) if config.specific_inner.name else inner
  return {"inner": inner, "outer": outer, "specific_inner": specific_inner}


def framework(
  config: ml_collections.ConfigDict,
  optimizers: dict[str, Optimizer],
  vocab: dict[str, int],
  on_step: Callable[[], None] | None = None,
) -> tuple[Objective, Method]:
  """The model and the method of a config, of tables with so many ids: trainable field -> N."""
  goal = objective(construct(MODELS, "model", config.model, vocab=vocab), config.l2)
  loss = counted(goal.loss, on_step) if on_step else goal.loss
  method = construct(
    METHODS, "method", config.method, loss=loss, penalty=goal.penalty, **optimizers
  )
  return goal, method


def shapes(goal: Objective, method: Method, seen: DomainBatches) -> tuple[Tree, Tree]:
  """(parameters, state of the method) before the first epoch, as shapes; so may `seen` be."""

  def start(key, seen):
    params_key, state_key = jax.random.split(key)
    params = state = goal.init(params_key, minibatch(seen, 0))
    for phase in filter(None, (method.base, method)):
      state = phase.init(state_key, state, seen)
    return params, state

  return jax.eval_shape(start, jax.random.key(0), seen)


def read_data(config: ml_collections.ConfigDict) -> Dataset:
  """The data set of a config."""
  return construct(DATASETS, "data set", config.data)


def statistics(config: ml_collections.ConfigDict) -> str:
  """The data set of a config in the form of Luo et al. 2023, Tables I-IV."""
  return data.statistics(read_data(config), config.batch_size)


def packed(experiment: Experiment, training: Training) -> Packed:
  """The splits as minibatches, on the device, or, where they are to come in parts, on the host.

  Raises:
    ValueError: they, or they and a run, take more memory than there is.
  """
  dataset, batch_size, method = experiment.dataset, training.batch_size, experiment.method
  if training.stream:
    data_bytes = room.parts_fit(dataset, batch_size, training.stream)
  else:
    data_bytes = room.data_fit(dataset, batch_size)
  own = method.own or (method.base is not None and method.base.own)
  make = on_host if training.stream else pack
  train, bare = make(dataset, "train", batch_size, own=own), dataset._replace(frozen={})
  # Given features are on the device once.
  valid, test = (
    make(bare, split, batch_size)._replace(frozen=train.frozen) for split in SPLITS[1:]
  )
  params, state = experiment.shapes(train)
  light, kept = at_rest.apart(state, method) if training.rest else (state, {})
  room.run_fits(params, light if training.rest == "disk" else state, data_bytes)
  return Packed(train, valid, test, tree.size(params), kept)
