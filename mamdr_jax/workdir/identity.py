"""`config.json`: which experiment is in a folder, and whether it is the one that is asked for."""

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mamdr_jax import files, keys, machine
from mamdr_jax.data import Dataset
from mamdr_jax.files import (
  CONFIG,
  CSV,
  CURVES,
  DOMAINS,
  GROUP,
  IDS,
  METRICS,
  MODEL,
  RESULT,
  RUNS,
  SHARDS,
)

# The last says whose they are.
ALL = (METRICS, RESULT, DOMAINS, RUNS, IDS, GROUP, SHARDS, CSV, CURVES, MODEL, CONFIG)


def of(config: Mapping, points: list[dict], dataset: Dataset) -> dict:
  """What `config.json` is to hold of an experiment.

  Args:
    config: see `configure.make`.
    points: its runs, a seed and rates each.
    dataset: its data.
  """
  return {
    "config": files.plain(config),
    "data": fingerprint(dataset),
    "code": machine.code(),
    "points": points,
    "environment": machine.environment(),
  }


def fingerprint(dataset: Dataset) -> str:
  """Of all that training and evaluation see of a data set: its rows in order, ids and features."""
  digest = hashlib.blake2b(digest_size=16)
  for name, value in sorted(dataset._replace(truth=None, notes=())._asdict().items()):
    parts = value.items() if isinstance(value, Mapping) else [("", value)]
    for field, part in sorted(parts):
      array = np.asarray(part if part is not None else ())
      array = array.astype(str) if array.dtype.kind == "O" else array
      digest.update(f"{name}/{field} {array.dtype} {array.shape};".encode())
      digest.update(np.ascontiguousarray(array).view(np.uint8).data if array.size else b"")
  return digest.hexdigest()


def read(workdir: Path) -> dict | None:
  """What `config.json` says is in a folder, or None if nothing is.

  Raises:
    ValueError: it says nothing of the kind, or it is missing where files of a run are.
  """
  path = workdir / CONFIG
  if not path.exists():
    if found := [name for name in ALL if (workdir / name).exists()]:
      raise ValueError(
        f"{workdir} has {found[0]} and no {CONFIG}: it is no workdir of ours, and its files would "
        "be replaced; choose another --workdir"
      )
    return None
  there = files.read_json(path)
  kinds = {"config": dict, "points": list, "data": str, "code": str, "environment": dict}
  if not isinstance(there, dict) or any(
    not isinstance(there.get(key), kind) for key, kind in kinds.items()
  ):
    raise ValueError(f"{path}: expected {', '.join(kinds)}, as an experiment writes them")
  return there


def check(workdir: Path, there: Mapping, wanted: Mapping) -> None:
  """Raises a ValueError if `there` is another experiment than `wanted`, or is on other data."""
  try:
    same = keys.identity(there["config"]) == keys.identity(wanted["config"])
  except (KeyError, TypeError, AttributeError):
    same = False
  if not same:
    raise ValueError(
      f"{workdir} holds another experiment; choose another --workdir or pass --overwrite"
    )
  if there["data"] != wanted["data"]:
    raise ValueError(
      f"{workdir} holds this experiment on other data: the rows, or their order, have changed "
      "since; choose another --workdir or pass --overwrite"
    )


def say_differences(workdir: Path, there: Mapping, wanted: Mapping) -> None:
  """Tells what of code and machine is not as it was when the experiment began."""
  if there["code"] != wanted["code"]:
    tell(workdir, "was begun by another version of the code: figures may differ from one go")
  for key, value in wanted["environment"].items():
    known = there["environment"].get(key)
    if known != value:
      tell(workdir, f"was begun with {key} {known}, here it is {value}: digits may differ")


def all_points(workdir: Path, there: Mapping, wanted: Mapping) -> list[dict]:
  """The runs of `there`, as they are numbered, then those that `wanted` adds.

  Raises:
    ValueError: `there` has runs that `wanted` lacks.
  """
  old, new = there["points"], wanted["points"]
  if lost := [point for point in old if point not in new]:
    told = ", ".join(f"{key} {value}" for key, value in lost[0].items())
    raise ValueError(
      f"{workdir} has a run that this config lacks ({told}); choose another --workdir or pass "
      "--overwrite"
    )
  return old + [point for point in new if point not in old]


def tell(workdir: Path, what: str) -> None:
  print(f"{workdir}: {what}", file=sys.stderr)
