"""What training goes on from: `group.npz`, `shards/`, or the last state of a run at a lower cap."""

import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from mamdr_jax import files
from mamdr_jax.files import GROUP, METRICS
from mamdr_jax.train import Group, Run
from mamdr_jax.workdir import metrics, shards, trees
from mamdr_jax.workdir.epochs import of_run
from mamdr_jax.workdir.runs import LAST

Shapes = jax.ShapeDtypeStruct


class Saved(NamedTuple):
  """Runs to go on with: a group that was interrupted, or one run that ended at a lower cap."""

  path: Path
  index: list[int]
  phase: int
  epoch: int
  epochs: list[int]  # how many each run has trained


def save(workdir: Path, group: Group) -> None:
  """Replaces the group that is kept."""
  trees.save(workdir / GROUP, group)


def going(
  workdir: Path, num_runs: int, finished: Collection[int], lines: Sequence[Mapping]
) -> list[Saved]:
  """What to go on with: the group unless all of it has ended, and runs that were reopened.

  Args:
    workdir: its folder.
    num_runs: of the experiment.
    finished: the runs that have ended.
    lines: those of the metrics. What lacks some is said and left.
  """
  alone = [of_run(workdir, run, LAST) for run in range(num_runs) if run not in finished]
  found = [_described(path) for path in (workdir / GROUP, *alone) if path.exists()]
  if mark := shards.newest(workdir):
    found.append(Saved(mark.path, [mark.run], mark.phase, mark.epoch, [mark.epoch]))
  chosen = []
  for saved in filter(None, found):
    taken = {run for other in chosen for run in other.index}
    if set(saved.index) <= {*finished, *taken}:
      continue
    lacks = [
      run
      for run, trained in zip(saved.index, saved.epochs, strict=True)
      if run not in finished and not metrics.trained(lines, run) >= set(range(1, trained + 1))
    ]
    if lacks:
      print(f"{saved.path} is left: {METRICS} lacks epochs of run {lacks[0]}", file=sys.stderr)
    else:
      chosen.append(saved)
  return chosen


def load(saved: Saved, like: Run, last: int) -> Group:
  """The runs to go on with as a group, up to epoch `last`; `like` has their shapes, [C, ...]."""
  number, index = Shapes((), np.int64), np.array(saved.index)
  if saved.path.name == GROUP:
    shapes = Group(Shapes(index.shape, np.int64), number, number, number, like)
    group = trees.load(saved.path, shapes)
    return group._replace(**{n: int(getattr(group, n)) for n in ("phase", "epoch", "last")})
  alone = trees.load(saved.path, jax.tree.map(lambda x: Shapes(x.shape[1:], x.dtype), like))
  runs = jax.tree.map(lambda x: x[None], alone)
  return Group(index, saved.phase, saved.epoch, last, runs)


def _described(path: Path) -> Saved | None:
  """What a file holds; None, which is said, if it is damaged."""
  try:
    arrays = files.read_arrays(path)
  except ValueError as error:
    print(f"{error}; its runs are trained again", file=sys.stderr)
    return None
  if path.name != GROUP:
    trained = int(arrays["epochs"])
    return Saved(path, [int(path.name.removesuffix(LAST))], 0, trained, [trained])
  trained = arrays["runs/epochs"].tolist()
  return Saved(path, arrays["index"].tolist(), int(arrays["phase"]), int(arrays["epoch"]), trained)
