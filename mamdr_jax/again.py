"""An experiment of a workdir again: its data, the best states of its runs, models made of them."""

import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from mamdr_jax import keys, results
from mamdr_jax.assembly import Experiment, build, read_data
from mamdr_jax.core import DomainBatches, Tree
from mamdr_jax.data import Dataset, on_host, renumber
from mamdr_jax.data.batches import HostBatches
from mamdr_jax.files import CONFIG, RESULT
from mamdr_jax.workdir import identity, ids, model, runs


def load(
  workdir: Path, run: int = 0, *, dataset: Dataset | None = None, trust: bool = False
) -> tuple[Experiment, Tree]:
  """The experiment of a workdir and the best state of its run number `run`.

  `Experiment.serving` gives what serves a domain: for MAMDR, θ_S + θᵢ. Users, items and domains
  are numbered as when it was trained, in whatever order the rows now come. `run` has an example.

  Args:
    workdir: of an experiment, of which that run at least has ended.
    run: see `config.json` for the order.
    dataset: its data; by default read or drawn as the config says.
    trust: let the config say which files are read, and which folder is a cache. Do so for a workdir
      of your own; for anybody else's, give the data set.

  Raises:
    ValueError: there is no such run, a file is damaged, or the data have ids that the run lacks.
  """
  workdir = Path(workdir)
  experiment, train = again(workdir, run, dataset, trust)
  _, like = experiment.shapes(train)
  return experiment, jax.tree.map(jnp.asarray, runs.load_best(workdir, run, like))


def store(
  workdir: Path,
  out: Path,
  run: int | None = None,
  *,
  dataset: Dataset | None = None,
  trust: bool = False,
) -> None:
  """Makes `out` the model of a run, as the workdir's own `model` is that of its best run.

  Args:
    workdir: of an experiment, of which that run at least has ended.
    out: a folder; `workdir/model.py` says what is in it.
    run: its number; by default the one with the best validation AUC, of an experiment that ended.
    dataset: see `load`.
    trust: see `load`.

  Raises:
    ValueError: as for `load`, or something else than a model is at `out`.
  """
  workdir = Path(workdir)
  number = best_run(results.read(workdir / RESULT)) if run is None else run
  keep(Path(out), workdir, number, *again(workdir, number, dataset, trust))


def best_run(result: dict) -> int:
  """The number of the run with the best mean validation AUC."""
  auc = [run["valid"]["mean_auc"] for run in result["runs"]]
  return int(np.argmax([-1.0 if x is None else x for x in auc]))


def keep(
  out: Path, workdir: Path, run: int, experiment: Experiment, train: DomainBatches | HostBatches
) -> None:
  """Makes `out` the model of a run, and says what that took."""
  begun = time.monotonic()
  num_bytes = model.write(out, workdir, run, *experiment, experiment.shapes(train)[1], train)
  size, seconds = num_bytes / 2**20, time.monotonic() - begun
  told = f"{out}: what serves each domain, of run {run}; {size:.1f} MiB, {seconds:.1f} s"
  print(told, file=sys.stderr)


def host_split(experiment: Experiment, batch_size: int | str) -> HostBatches:
  """The training rows, dealt as they were when training began."""
  return on_host(experiment.dataset, "train", batch_size)


def again(
  workdir: Path, run: int, dataset: Dataset | None, trust: bool
) -> tuple[Experiment, HostBatches]:
  """The experiment of a workdir that has such a run, and its training rows; see `load`."""
  there = described(workdir)
  config = ml_collections.ConfigDict(there["config"])
  if not 0 <= run < len(there["points"]):
    raise ValueError(f"{workdir} has runs 0 to {len(there['points']) - 1}, and no run {run}")
  dataset = renumber(dataset or data_of(workdir, trust), **ids.read(workdir))
  experiment = build(config, dataset)
  return experiment, host_split(experiment, config.batch_size)


def described(workdir: Path) -> dict:
  """What `config.json` says of the experiment in a folder; ValueError if there is none."""
  there = identity.read(workdir)
  if there is None:
    raise ValueError(f"{workdir} holds no experiment: it has no {CONFIG}")
  return there


def data_of(workdir: Path, trust: bool = False) -> Dataset:
  """The data of an experiment, read or drawn again as its config says.

  Raises:
    ValueError: the config names files, and nobody said to `trust` it.
  """
  config = described(workdir)["config"]
  named = keys.files_named(config)
  if named and not trust:
    raise ValueError(
      f"{workdir / CONFIG} names files ({named[0]}): give the data "
      "set, or trust=True to have them read"
    )
  return read_data(ml_collections.ConfigDict(config))
