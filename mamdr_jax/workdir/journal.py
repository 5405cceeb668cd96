"""The way into a workdir: it is opened, told what training gives, and closed with the result."""

import contextlib
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import jax
import numpy as np

from mamdr_jax import files, report, results
from mamdr_jax.core import Tree
from mamdr_jax.data import Dataset
from mamdr_jax.files import CSV, CURVES, GROUP, RESULT, SHARDS
from mamdr_jax.measures import MEASURES
from mamdr_jax.train import Epoch, Group, Resumed, Run
from mamdr_jax.workdir import checkpoint, metrics, runs
from mamdr_jax.workdir.folder import Begun, begin
from mamdr_jax.workdir.lock import locked


@contextlib.contextmanager
def opened(
  workdir: Path, config: Mapping, points: list[dict], dataset: Dataset, overwrite: bool = False
) -> Iterator["Journal"]:
  """Holds a folder for an experiment, which begins or goes on there; see `folder.begin`."""
  with locked(workdir):
    yield Journal(workdir, begin(workdir, config, points, dataset, overwrite))


class Journal:
  """Of the experiment that has `begun` in a workdir.

  Attributes:
    about: what `config.json` says of it.
    points: its runs, as they are numbered there.
    result: what `result.json` holds, once it does.
    finished: the runs that had ended before, without a result.
    num_ended: how many have by now.
    lines: of the metrics, as this began.
    seconds: of every run, the time that its epochs took, whenever that was.
    probed: of them, how many were for probes since this began.
  """

  def __init__(self, workdir: Path, begun: Begun):
    self.workdir, self.about, self.points = workdir, begun.about, begun.about["points"]
    self.result = results.read(workdir / RESULT) if begun.whole else None
    self.finished, self.num_ended = begun.finished, len(begun.finished)
    self.lines, self.probed = begun.lines, 0.0
    self.seconds = metrics.seconds(begun.lines, len(self.points))
    self._going = begun.going

  def resume(self, last: int) -> list[Resumed]:
    """The groups to go on with, as `fit` takes them, none of them beyond epoch `last`.

    The time of the first epoch begins.
    """
    if self.finished or self._going:
      at = f", in epoch {self._going[0].epoch} of the next" if self._going else ""
      told = f"going on after {self.num_ended} of {len(self.points)} runs{at}"
      print(f"{self.workdir}: {told}", file=sys.stderr)
    self._saved = self._told = time.monotonic()
    load = lambda saved: lambda like: checkpoint.load(saved, like, last)
    return [Resumed(np.array(saved.index), saved.phase, load(saved)) for saved in self._going]

  def epoch(self, epoch: Epoch) -> None:
    """Writes down what an epoch gave, and once in a while all that it takes to go on."""
    numbers = epoch.info["run"]
    if "probe" in epoch.info:
      self.probed += epoch.info["probe"]["seconds"][0]
    seconds, self._told = (time.monotonic() - self._told) / len(numbers), time.monotonic()
    line = {"epoch": epoch.number, "seconds": seconds} | epoch.info
    line = metrics.of_runs(line, [run not in self.finished for run in numbers])
    for run in line["run"]:
      self.seconds[run] += seconds
    if line["run"]:
      metrics.append(self.workdir, line)
    due = time.monotonic() - self._saved > self.about["config"]["checkpoint_seconds"]
    if due and epoch.snapshot:  # workers keep theirs
      checkpoint.save(self.workdir, epoch.snapshot())
      self._saved = time.monotonic()

  def ended(self, group: Group, outcome: Callable[[int, Run], Mapping]) -> None:
    """Keeps the runs of a group, which have ended, and `outcome(number, run)` of each."""
    if group.index.size > 1:  # they end together: a group of the rest would round otherwise
      checkpoint.save(self.workdir, group)
    for i, number in enumerate(group.index.tolist()):
      if number in self.finished:  # as some are of a group whose others had not
        continue
      run, asked = jax.tree.map(lambda x, i=i: x[i], group.runs), time.monotonic()  # views
      result = dict(outcome(number, run))
      result["seconds"] = self.seconds[number] + time.monotonic() - asked
      goes_on = not (result["stopped"] or result["tuned"] or self.about["config"]["workers"])
      last = run if goes_on else None
      runs.finish(self.workdir, number, result, run.best, last)
      self.num_ended += 1
    self._told = time.monotonic()

  def lacking(self, names: Collection[str]) -> dict[int, dict]:
    """The results of runs that had ended before without one of these measures, by number."""
    ended = dict(enumerate(self.result["runs"])) if self.result else self.finished
    there = lambda run: set(run["test"].get(MEASURES, ()))
    return {number: run for number, run in ended.items() if not there(run).issuperset(names)}

  def best(self, number: int, like: Tree) -> Tree:
    """The best state of a run that had ended; ValueError if it is not there."""
    path = runs.of_run(self.workdir, number, runs.BEST)
    if not path.exists():
      raise ValueError(f"{path} is missing, without which the run cannot be measured again")
    return runs.load_best(self.workdir, number, like)

  def amend(self, number: int, result: Mapping) -> None:
    """Keeps more of a run that had ended before."""
    runs.write_result(self.workdir, number, files.plain(result))
    (self.workdir / CSV).unlink(missing_ok=True)

  def gathered(self) -> list[dict]:
    """What is kept of every run, in order, once all have ended.

    Raises:
      ValueError: some of it is damaged.
    """
    found = runs.finished(self.workdir, len(self.points), metrics.whole_lines(self.workdir))
    if len(found) < len(self.points):
      raise ValueError(
        f"{self.workdir}: files of runs that had ended are damaged; give the command again"
      )
    return list(found.values())

  def close(self, result: Mapping) -> None:
    """Writes `result.json`, by which the experiment has ended."""
    self.result = files.plain(result)
    for name in (GROUP, SHARDS):
      files.remove(self.workdir / name)
    results.write(self.workdir / RESULT, self.result)

  def illustrate(self) -> None:
    """Makes what lacks of the table of runs and the picture; says so where that fails."""
    made = {
      CSV: lambda path: report.write_runs({self.workdir.name: self.result}, path),
      CURVES: lambda path: report.learning_curves(self.workdir),
    }
    for name, make in made.items():
      path = self.workdir / name
      if not path.exists():
        try:
          make(path)
        except Exception as error:  # whatever it is, the result is there
          told = f"{type(error).__name__}: {error}".splitlines()[0]
          print(f"{path} was not made ({told})", file=sys.stderr)
