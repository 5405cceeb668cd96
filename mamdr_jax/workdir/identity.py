"""Whether what a folder holds is the experiment that is asked for, and how much of it counts."""

import contextlib
import hashlib
import itertools
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mamdr_jax import files, keys, machine
from mamdr_jax.data import Dataset
from mamdr_jax.files import CONFIG, CSV, CURVES, DOMAINS, GROUP, IDS, METRICS, RESULT, RUNS
from mamdr_jax.workdir import checkpoint
from mamdr_jax.workdir.lock import locked

# The last says whose they are.
ALL = (METRICS, RESULT, DOMAINS, RUNS, IDS, GROUP, CSV, CURVES, CONFIG)


class Begun(NamedTuple):
  """A folder that is ready for an experiment to begin or to go on."""

  points: list[dict]  # its runs, as they are numbered there
  finished: dict[int, dict]  # the results of those that have ended, unless all have
  whole: bool  # all have ended, and `result.json` is there


def grid(config: Mapping) -> list[dict]:
  """The runs of a config: the product of what `sweep` gives, else the single values."""
  axes = {name: config["sweep"][name] or (config[name],) for name in keys.OF_RUN}
  return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


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


def begin(workdir: Path, config: Mapping, dataset: Dataset, overwrite: bool = False) -> Begun:
  """Makes a folder ready for an experiment, or for going on with it if it was begun there.

  What was begun under other `keys.GROWING` counts as far as it is what one go would give. The
  folder is to be `locked`.

  Args:
    workdir: the folder.
    config: see `configure.make`.
    dataset: its data.
    overwrite: replace another experiment, or this one if it has ended. One that was interrupted
      goes on, so that the same command can be given again.

  Raises:
    ValueError: another experiment is there, or one on other data, or files of somebody else.
  """
  config = files.plain(config)
  wanted = {"config": config, "data": fingerprint(dataset), "code": machine.code()}
  wanted |= {"points": grid(config), "environment": machine.environment()}
  try:
    there = read(workdir)
    if there:
      check(workdir, there, wanted)
      overwrite &= (workdir / RESULT).exists() or there["code"] != wanted["code"]
  except ValueError:
    if not overwrite:
      raise
  if overwrite:
    clear(workdir)
    there = None
  files.clear_parts(workdir)
  if there:
    say_differences(workdir, there, wanted)
    wanted |= grown(workdir, there, wanted)
  if there != wanted:
    files.write_json(workdir / CONFIG, wanted)
  (workdir / RUNS).mkdir(exist_ok=True)
  files.clear_parts(workdir / RUNS)
  if not (workdir / IDS).exists():
    checkpoint.write_ids(workdir, dataset)
  if (workdir / RESULT).exists():
    return Begun(wanted["points"], {}, whole=True)
  finished = checkpoint.finished_runs(workdir, len(wanted["points"]))
  return Begun(wanted["points"], finished, whole=False)


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


def grown(workdir: Path, there: Mapping, wanted: Mapping) -> dict:
  """The runs of `there`, then those that `wanted` adds, without `result.json` if any train.

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
  points = old + [point for point in new if point not in old]
  limits = [{key: of["config"][key] for key in ("epochs", "patience")} for of in (there, wanted)]
  if points == old and limits[0] == limits[1]:
    return {"points": points, "environment": there["environment"]}
  anew = 0
  for run, result in checkpoint.finished_runs(workdir, len(old)).items():
    if not stays(result, *limits):
      anew += checkpoint.reopen(workdir, run, keep=goes_on(result, *limits)) is None
  if limits[0] != limits[1]:
    (workdir / GROUP).unlink(missing_ok=True)  # it has the old cap in it
  if anew:
    tell(workdir, f"{anew} runs are trained anew: their last states, under {limits[0]}, are gone")
  (workdir / RESULT).unlink(missing_ok=True)
  return {"points": points, "environment": there["environment"]}


def stays(result: Mapping, old: Mapping, new: Mapping) -> bool:
  """Whether a run that ended under the `old` limits would have ended alike under the `new`."""
  if old == new:
    return True
  early = result["stopped"] and old["patience"] == new["patience"]
  return early and not result["tuned"] and result["epochs"] <= new["epochs"]


def goes_on(result: Mapping, old: Mapping, new: Mapping) -> bool:
  """Whether a run that came to the `old` cap would have gone on from there under the `new`."""
  same = old["patience"] == new["patience"] and not result["tuned"]
  return same and not result["stopped"] and new["epochs"] > old["epochs"]


def clear(workdir: Path) -> None:
  """Removes an experiment, or a study with its cases, from a folder; what else is there stays.

  Raises:
    ValueError: another process is at work in one of the cases.
  """
  for folder in [workdir, *sorted(path.parent for path in workdir.rglob(f"*/{CONFIG}"))]:
    with contextlib.nullcontext() if folder == workdir else locked(folder):
      for name in ALL:
        if (folder / name).is_dir():
          shutil.rmtree(folder / name)
        else:
          (folder / name).unlink(missing_ok=True)
    while folder != workdir and not any(folder.iterdir()):
      folder.rmdir()
      folder = folder.parent


def tell(workdir: Path, what: str) -> None:
  print(f"{workdir}: {what}", file=sys.stderr)
