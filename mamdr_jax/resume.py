"""An experiment under way: what it has finished so far, and a checkpoint of what it is at.

Under `workdir/unfinished/` is the result and the best state of every run that has ended, and the
group of runs that is training, as it stood at its last checkpoint.
"""

import json
import shutil
from collections.abc import Collection
from pathlib import Path

import jax
import numpy as np

from mamdr_jax import record
from mamdr_jax.train import Group, Run

FOLDER, GROUP = "unfinished", "group.npz"


def begin(workdir: Path, config: dict, overwrite: bool) -> None:
  """Makes `workdir` ready for an experiment, or for going on with it if it was begun there.

  Raises:
    ValueError: another experiment is there, and `overwrite` is not set.
  """
  if overwrite or not record.holds(workdir, config):
    for name in (record.CONFIG, record.METRICS, record.RESULT, record.STATE):
      (workdir / name).unlink(missing_ok=True)
    shutil.rmtree(workdir / FOLDER, ignore_errors=True)
  (workdir / FOLDER).mkdir(parents=True, exist_ok=True)
  record.write_json(workdir / record.CONFIG, config)


def finish_run(workdir: Path, run: int, result: dict, best) -> None:
  """Keeps the result and the best state of a run that has ended."""
  record.save_tree(_of_run(workdir, run, ".npz"), best)
  record.write_json(_of_run(workdir, run, ".json"), result)  # last: now it counts as finished


def finished_runs(workdir: Path) -> dict[int, dict]:
  """run -> the result of each that has ended, in order."""
  paths = {int(p.stem.removeprefix("run_")): p for p in (workdir / FOLDER).glob("run_*.json")}
  return {run: record.read(paths[run]) for run in sorted(paths)}


def save_group(workdir: Path, group: Group) -> None:
  """Replaces the checkpoint."""
  record.save_tree(workdir / FOLDER / GROUP, group)


def begun_group(workdir: Path, finished: Collection[int]) -> tuple[np.ndarray, int, int] | None:
  """The runs, the phase and the last epoch of the checkpoint, unless all have ended since."""
  path = workdir / FOLDER / GROUP
  if not path.exists():
    return None
  with np.load(path) as arrays:
    index, phase, epoch = (arrays[name] for name in ("index", "phase", "epoch"))
  return None if set(index) <= set(finished) else (index, int(phase), int(epoch))


def load_group(workdir: Path, like: Run) -> Group:
  """The checkpoint; `like` has the shapes of its runs."""
  number = jax.ShapeDtypeStruct((), np.int64)
  index = jax.ShapeDtypeStruct(like.epochs.shape, np.int64)
  group = record.load_tree(
    workdir / FOLDER / GROUP, Group(index, phase=number, epoch=number, last=number, runs=like)
  )
  return group._replace(**{name: int(getattr(group, name)) for name in ("phase", "epoch", "last")})


def keep_metrics(
  workdir: Path, finished: Collection[int], begun: tuple[np.ndarray, int, int] | None
) -> None:
  """Drops from the metrics what will be trained again, and a line that was cut off."""
  path = workdir / record.METRICS
  if not path.exists():
    return
  ended, (group, _, last) = set(finished), begun or ((), 0, 0)
  group = set(group)

  def stays(line):
    runs = set(line["run"])
    # Of the group some may have ended, and are trained again with it.
    return line["epoch"] <= last if runs <= group else runs <= ended

  whole = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
  kept = "".join(line for line in whole if stays(json.loads(line)))
  record.write_aside(path, lambda aside: aside.write_text(kept))


def finish(workdir: Path, result: dict) -> None:
  """Gathers the best states, writes the result, and removes what was for going on."""
  states = []
  for run in range(len(result["runs"])):
    with np.load(_of_run(workdir, run, ".npz")) as arrays:
      states.append(dict(arrays))
  best = jax.tree.map(lambda *leaves: np.stack(leaves), *states)
  record.save_tree(workdir / record.STATE, best)
  record.write_json(workdir / record.RESULT, result)
  shutil.rmtree(workdir / FOLDER)


def _of_run(workdir: Path, run: int, suffix: str) -> Path:
  return workdir / FOLDER / f"run_{run:04d}{suffix}"
