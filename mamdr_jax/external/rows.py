"""The rows of the splits of an experiment, as files that any system can read."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from mamdr_jax import again, files
from mamdr_jax.data import SPLITS, Dataset
from mamdr_jax.data.dataset import scaled
from mamdr_jax.serve.writers import writer
from mamdr_jax.workdir import identity

BLOCK = 2**20  # rows that are text at a time
SCORE, RUN = "score", "run"  # columns of the files that come back


def data_of(workdir: Path, trust: bool) -> Dataset:
  """The data of an experiment, known to be those that it saw.

  Raises:
    ValueError: they have changed, or its config names files, and nobody said to `trust` it.
  """
  dataset = again.data_of(workdir, trust)
  if identity.fingerprint(dataset) != again.described(workdir)["data"]:
    raise ValueError(
      f"{workdir}: its data are not those that it was trained on: the rows, or their order, have "
      "changed since"
    )
  return dataset


def columns_of(data: Mapping) -> dict[str, str]:
  """user, item, domain and label -> how the file of an experiment's data calls them.

  Args:
    data: the section of its config.
  """
  fields = ("domain", "user", "item", "label")
  told = data if data["name"] == "table" else {}
  return {field: told.get(field) or field for field in fields}


def write_rows(workdir: str | os.PathLike, out: str | os.PathLike, *, trust: bool = False) -> dict:
  """Writes `train.csv`, `valid.csv` and `test.csv` of an experiment to a folder.

  Columns are named as in the file of its data, else `domain`, `user`, `item`, `label`; further ids
  and numbers of a row are there, too, numbers as float32 holds them. Features that are given for
  ids are not.

  Args:
    workdir: of the experiment.
    out: the folder.
    trust: let its config say which files are read.

  Returns:
    split -> how many rows.

  Raises:
    ValueError: see `data_of`.
  """
  workdir, out = Path(workdir), Path(out)
  section = again.described(workdir)["config"]["data"]
  dataset, named = data_of(workdir, trust), columns_of(section)
  dataset = scaled(dataset, {})
  out.mkdir(parents=True, exist_ok=True)
  counts = {}
  for code, split in enumerate(SPLITS):
    which, path = np.flatnonzero(dataset.split == code), out / f"{split}.csv"
    blocks = list(range(0, max(which.size, 1), BLOCK))

    def fill(aside, which=which, path=path, blocks=blocks):
      tables = (_table(dataset, which[i : i + BLOCK], named, section) for i in blocks)
      _write(aside, path, tables)

    files.write_aside(path, fill)
    counts[split] = int(which.size)
  return counts


def _write(aside: Path, path: Path, tables: Iterator[pa.Table]) -> None:
  first = next(tables)
  with writer(aside, path, first.schema) as write:
    write(first)
    for table in tables:
      write(table)


def _table(dataset: Dataset, rows: np.ndarray, named: Mapping, section: Mapping) -> pa.Table:
  """Some rows, with raw ids."""
  columns = {named["domain"]: np.array(dataset.domains, str)[dataset.domain[rows]]}
  for field, raw in dataset.vocab.items():
    columns[named.get(field, field)] = raw[dataset.ids[field][rows]]
  for name, column in zip(section.get("dense") or (), _numbers(dataset, rows), strict=True):
    columns[name] = column
  return pa.table(columns | {named["label"]: dataset.label[rows]})


def _numbers(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
  """The numbers of rows, column by column: [f, n]."""
  return dataset.dense["row"][rows].T if "row" in dataset.dense else np.empty((0, rows.size))
