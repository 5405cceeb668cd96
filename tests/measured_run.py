"""A tiny run that had ended and was then asked for measures, with its data and its test rows."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import csv
from tiny_experiment import tiny

from mamdr_jax import experiment, files
from mamdr_jax.assembly import read_data
from mamdr_jax.data import SPLITS, Dataset

NAMES = ("gauc", "ndcg@3", "hr@2", "calibration", "log_loss")


class Measured(NamedTuple):
  """What there is of it."""

  workdir: Path
  before: dict  # its result without measures
  after: dict  # and with them
  data: Dataset
  rows: dict[str, np.ndarray]  # the test rows in another order
  source: Path  # a file of these

  @property
  def model(self) -> Path:
    return self.workdir / files.MODEL


def config(**changes):
  data = {"data.num_users": 8, "data.num_items": 40, "data.features": "ids"}
  return tiny("alternate", epochs=1, **data, **changes)


def measured_run(folder: Path) -> Measured:
  workdir, data = folder / "run", read_data(config())
  before = experiment.run(config(), workdir)
  after = experiment.run(config(measures=NAMES), workdir)
  test = np.flatnonzero(data.split == SPLITS.index("test"))
  rows = raw(data, np.random.default_rng(0).permutation(test))
  csv.write_csv(pa.table(rows), folder / "rows.csv")
  return Measured(workdir, before, after, data, rows, folder / "rows.csv")


def raw(data: Dataset, which: np.ndarray) -> dict[str, np.ndarray]:
  """Some rows with raw ids, domains by name, and labels."""
  columns = {field: ids[data.ids[field][which]] for field, ids in data.vocab.items()}
  domain = np.array(data.domains)[data.domain[which]]
  return columns | {"domain": domain, "label": data.label[which]}
