"""Validation AUC of very many domains over epochs: an array a run, not text in `metrics.jsonl`.

`runs/NNNN.auc` is of run N: little-endian float32, [E, D], without a header. A line of the metrics
has in its place the quantiles over domains and the checksum of the row, which is on disk before the
line is. Where a row lies depends on its epoch alone, so that what is trained again writes the same
bytes in the same place.
"""

import os
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mamdr_jax import files
from mamdr_jax.distribution import QUANTILES, many, quantiles

DTYPE = np.dtype("<f4")


def of_run(workdir: Path, run: int, suffix: str) -> Path:
  """A file of a run."""
  return workdir / files.RUNS / f"{run:04d}{suffix}"


def condensed(workdir: Path, line: Mapping) -> Mapping:
  """A line of the metrics with `auc` [R, D] as it is to be written: if D is large, kept apart."""
  auc = np.asarray(line["valid"]["auc"], DTYPE)
  if not many(auc.shape[1]):
    return line
  told = dict(zip(QUANTILES, quantiles(auc).T, strict=True))
  told["domains"] = [auc.shape[1]] * len(auc)
  told["crc"] = [
    _write(of_run(workdir, run, ".auc"), line["epoch"], row.tobytes())
    for run, row in zip(line["run"], auc, strict=True)
  ]
  return line | {"valid": line["valid"] | {"auc": told}}


def whole(workdir: Path, line: Mapping) -> bool:
  """Whether the rows that a line of the metrics stands for are those it was written with."""
  told = line["valid"]["auc"]
  if not isinstance(told, Mapping):
    return True
  rows = zip(line["run"], told["domains"], told["crc"], strict=True)
  return all(
    zlib.crc32(_read(of_run(workdir, run, ".auc"), line["epoch"], num_domains)) == crc
    for run, num_domains, crc in rows
  )


def read(workdir: Path, run: int, num_domains: int) -> np.ndarray:
  """Validation AUC of a run: [E, D]."""
  return np.fromfile(of_run(Path(workdir), run, ".auc"), DTYPE).reshape(-1, num_domains)


def end(workdir: Path, run: int, epochs: int, num_domains: int) -> None:
  """Drops rows beyond the last epoch, of a run that went on for longer before."""
  path = of_run(workdir, run, ".auc")
  if path.exists():
    os.truncate(path, epochs * num_domains * DTYPE.itemsize)


def _write(path: Path, epoch: int, row: bytes) -> int:
  """Puts a row in its place, on disk when this returns, and gives its checksum."""
  try:
    if not path.exists():
      path.touch()
      files.sync(path.parent)
    with path.open("r+b") as file:
      file.seek((epoch - 1) * len(row))
      file.write(row)
      file.flush()
      os.fsync(file.fileno())
  except OSError as error:
    raise files.named(error, path) from error
  return zlib.crc32(row)


def _read(path: Path, epoch: int, num_domains: int) -> bytes:
  """A row, or what there is of it."""
  if not path.exists():
    return b""
  with path.open("rb") as file:
    file.seek((epoch - 1) * num_domains * DTYPE.itemsize)
    return file.read(num_domains * DTYPE.itemsize)
