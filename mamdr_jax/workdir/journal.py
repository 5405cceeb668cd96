"""What a workdir is told while its runs train: a line an epoch, checkpoints, the runs that end."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from mamdr_jax import files, tree
from mamdr_jax.files import METRICS
from mamdr_jax.train import Epoch, Group, Resumed, Run
from mamdr_jax.workdir import checkpoint, epochs
from mamdr_jax.workdir.identity import Begun


class Journal:
  """Of the experiment that has `begun` in a workdir, from what is kept there on.

  Attributes:
    finished: the runs that had ended before.
    num_ended: how many have by now.
    seconds: of every run, the time that its epochs took, whenever that was.
    probed: of them, how many were for probes since this began.
  """

  def __init__(self, workdir: Path, begun: Begun, checkpoint_seconds: float):
    self.workdir, self.finished = workdir, begun.finished
    self.num_ended, self.probed = len(begun.finished), 0.0
    self.going = checkpoint.begun(workdir, begun.finished, len(begun.points))
    checkpoint.keep_metrics(workdir, begun.finished, self.going)
    self.seconds = dict.fromkeys(range(len(begun.points)), 0.0)
    for line in checkpoint.read_metrics(workdir):
      for run in line["run"]:
        self.seconds[run] += line["seconds"]
    if begun.finished or self.going:
      at = f", in epoch {self.going[0].epoch} of the next" if self.going else ""
      told = f"going on after {self.num_ended} of {len(begun.points)} runs{at}"
      print(f"{workdir}: {told}", file=sys.stderr)
    self._every = checkpoint_seconds
    self._saved = self._told = time.monotonic()

  def resumed(self, last: int) -> list[Resumed]:
    """The groups to go on with, as `fit` takes them, none of them beyond epoch `last`."""
    load = lambda saved: lambda like: checkpoint.load_group(saved, like, last)
    return [Resumed(np.array(saved.index), saved.phase, load(saved)) for saved in self.going]

  def epoch(self, epoch: Epoch) -> None:
    """Writes down what an epoch gave, and once in a while all that it takes to go on."""
    runs = epoch.info["run"]
    if "probe" in epoch.info:
      self.probed += epoch.info["probe"]["seconds"][0]
    seconds, self._told = (time.monotonic() - self._told) / len(runs), time.monotonic()
    line = {"epoch": epoch.number, "seconds": seconds} | epoch.info
    line = checkpoint.of_runs(line, [run not in self.finished for run in runs])
    for run in line["run"]:
      self.seconds[run] += seconds
    if line["run"]:
      files.append_line(self.workdir / METRICS, epochs.condensed(self.workdir, line))
    if time.monotonic() - self._saved > self._every:
      checkpoint.save_group(self.workdir, epoch.snapshot())
      self._saved = time.monotonic()

  def ended(self, group: Group, outcome: Callable[[int, Run], Mapping]) -> None:
    """Keeps the runs of a group, which have ended, and `outcome(number, run)` of each."""
    if group.index.size > 1:  # they end together: a group of the rest would round otherwise
      checkpoint.save_group(self.workdir, group)
    for number, run in self._new(group):
      asked = time.monotonic()
      result = dict(outcome(number, run))
      result["seconds"] = self.seconds[number] + time.monotonic() - asked
      last = None if result["stopped"] or result["tuned"] else run
      checkpoint.finish_run(self.workdir, number, result, run.best, last)
      self.num_ended += 1
    self._told = time.monotonic()

  def _new(self, group: Group) -> Iterator[tuple[int, Run]]:
    for i, number in enumerate(group.index):
      if number not in self.finished:  # as some are of a group whose others had not
        yield int(number), tree.take(group.runs, i)
