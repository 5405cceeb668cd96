"""A folder is made ready for an experiment: to begin, to go on, to grow, or in place of another."""

import contextlib
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mamdr_jax import files
from mamdr_jax.data import Dataset
from mamdr_jax.files import CONFIG, CSV, CURVES, GROUP, IDS, LOGS, MODEL, RESULT, RUNS, SHARDS
from mamdr_jax.workdir import checkpoint, identity, ids, metrics, runs
from mamdr_jax.workdir.checkpoint import Saved
from mamdr_jax.workdir.lock import locked


class Begun(NamedTuple):
  """A folder that is ready."""

  about: dict  # what `config.json` says of it
  whole: bool  # all runs have ended, and `result.json` is there; if not:
  finished: dict[int, dict]  # the results of those that have ended
  going: list[Saved]  # those to go on with
  lines: list[dict]  # of the metrics, those that stay


def begin(
  workdir: Path, config: Mapping, points: list[dict], dataset: Dataset, overwrite: bool = False
) -> Begun:
  """Makes a folder ready for an experiment, or for going on with it if it was begun there.

  What was begun under other `keys.GROWING` counts as far as it is what one go would give. The
  folder is to be `locked`.

  Args:
    workdir: the folder.
    config: see `configure.make`.
    points: its runs.
    dataset: its data.
    overwrite: replace another experiment, or this one if it has ended. One that was interrupted
      goes on, so that the same command can be given again.

  Raises:
    ValueError: another experiment is there, or one on other data, or files of somebody else.
  """
  wanted = identity.of(config, points, dataset)
  there = _kept(workdir, wanted, overwrite)
  limits, grows = [], False
  if there:
    identity.say_differences(workdir, there, wanted)
    wanted["points"] = identity.all_points(workdir, there, wanted)
    wanted["environment"] = there["environment"]
    limits = [{key: of["config"][key] for key in ("epochs", "patience")} for of in (there, wanted)]
    grows = there["points"] != wanted["points"] or limits[0] != limits[1]
  num_runs, whole = len(wanted["points"]), (workdir / RESULT).exists() and not grows
  if not whole:
    for made in (CSV, CURVES, MODEL):  # of what may be trained again
      files.remove(workdir / made)
  lines = [] if whole else metrics.whole_lines(workdir)
  finished = {} if whole else runs.finished(workdir, num_runs, lines)
  if grows:
    finished = _grown(workdir, finished, *limits)
  if there != wanted:
    files.write_json(workdir / CONFIG, wanted)
  (workdir / RUNS).mkdir(exist_ok=True)
  files.clear_parts(workdir / RUNS)
  if not (workdir / IDS).exists():
    ids.write(workdir, dataset)
  going = [] if whole else checkpoint.going(workdir, num_runs, finished, lines)
  most = {run: n for saved in going for run, n in zip(saved.index, saved.epochs, strict=True)}
  lines = metrics.keep(workdir, lines, most | dict.fromkeys(finished, math.inf))
  return Begun(wanted, whole, finished, going, lines)


def _kept(workdir: Path, wanted: Mapping, overwrite: bool) -> dict | None:
  """What is there of the experiment; None if nothing is, or no longer since it is overwritten."""
  try:
    there = identity.read(workdir)
    if there:
      identity.check(workdir, there, wanted)
      overwrite &= (workdir / RESULT).exists() or there["code"] != wanted["code"]
  except ValueError:
    if not overwrite:
      raise
  if overwrite:
    clear(workdir)
    there = None
  files.clear_parts(workdir)
  return there


def _grown(workdir: Path, finished: dict[int, dict], old: Mapping, new: Mapping) -> dict[int, dict]:
  """What of the `finished` runs stays so under `new` limits; the others are reopened.

  `config.json` keeps the old limits until all of that is done: after a kill it is done again.
  """
  again = {n: goes_on(run, old, new) for n, run in finished.items() if not stays(run, old, new)}
  anew = sum(not runs.reopen(workdir, number, keep) for number, keep in again.items())
  if old != new:
    for name in (GROUP, SHARDS):  # they have the old cap in them
      files.remove(workdir / name)
  if anew:
    identity.tell(
      workdir, f"{anew} runs are trained anew: their last states, under {old}, are gone"
    )
  (workdir / RESULT).unlink(missing_ok=True)
  return {run: result for run, result in finished.items() if run not in again}


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
    ValueError: the folder is neither and experiments are below it, or another process is at work in
      one of the cases.
  """
  below = sorted(path.parent for path in workdir.rglob(f"*/{CONFIG}"))
  try:
    cases = dict(files.read_json(workdir / CONFIG)).get("cases", ())
  except (ValueError, TypeError):
    for folder in below:
      if _holds_experiment(folder):
        raise ValueError(
          f"{workdir} holds no experiment of its own, and --overwrite would clear those below it, "
          f"{folder} first; name that one as --workdir"
        ) from None
    cases = ()
  for folder in [workdir, *(f for f in below if f.relative_to(workdir).as_posix() in cases)]:
    with contextlib.nullcontext() if folder == workdir else locked(folder):
      for name in (*identity.ALL, LOGS):
        if (folder / name).is_dir():
          shutil.rmtree(folder / name)
        else:
          (folder / name).unlink(missing_ok=True)
    while folder != workdir and not any(folder.iterdir()):
      folder.rmdir()
      folder = folder.parent


def _holds_experiment(folder: Path) -> bool:
  try:
    return identity.read(folder) is not None
  except ValueError:
    return False
