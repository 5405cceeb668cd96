"""`runs/`: what is kept of every run that has ended, and of which runs all of it is whole."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mamdr_jax import files, results
from mamdr_jax.files import METRICS
from mamdr_jax.train import Run
from mamdr_jax.workdir import epochs, metrics, trees
from mamdr_jax.workdir.epochs import of_run

BEST, LAST = ".npz", ".last.npz"  # of a run: its best state, and all of it as it ended at the cap


def finish(workdir: Path, run: int, result: Mapping, best, last: Run | None) -> None:
  """Keeps the result and best state of a run that has ended, and its `last` if it could go on."""
  trees.save(of_run(workdir, run, BEST), best)
  if last is not None:
    trees.save(of_run(workdir, run, LAST), last)
  epochs.end(workdir, run, int(result["epochs"]), len(result["valid"]["auc"]))
  write_result(workdir, run, result)  # last, since now it counts as finished


def write_result(workdir: Path, run: int, result: Mapping) -> None:
  """Keeps the result alone."""
  path = of_run(workdir, run, ".json")
  files.write_text(path, files.sealed(results.written_apart(path, result)) + "\n")


def finished(workdir: Path, num_runs: int, lines: Sequence[Mapping]) -> dict[int, dict]:
  """run -> the result of each that has ended, of which all that belongs to it is whole.

  Args:
    workdir: its folder.
    num_runs: of the experiment.
    lines: those of the metrics.
  """
  found = {}
  for run in range(num_runs):
    path = of_run(workdir, run, ".json")
    if not path.exists():
      continue
    result = files.opened(path.read_text(encoding="utf-8", errors="replace"))
    lacks = "its result is damaged"
    if result is not None:
      every = set(range(1, result["epochs"] + 1))
      lacks = metrics.trained(lines, run) != every and f"{METRICS} lacks epochs of it"
      lacks = lacks or trees.damage(of_run(workdir, run, BEST))
      try:
        result = results.put_together(path, result)
      except ValueError as error:
        lacks = lacks or str(error)
    if lacks:
      print(f"{workdir}: run {run} is trained again, since {lacks}", file=sys.stderr)
      path.unlink()
    else:
      found[run] = result
  return found


def reopen(workdir: Path, run: int, keep: bool) -> bool:
  """Has a finished run count as begun, with its last state if that is to `keep` and is there.

  Returns:
    Whether it is.
  """
  of_run(workdir, run, ".json").unlink()
  last = of_run(workdir, run, LAST)
  if keep and last.exists() and not trees.damage(last):
    return True
  last.unlink(missing_ok=True)
  return False


def load_best(workdir: Path, run: int, like):
  """The best state of a run, shaped like `like`."""
  return trees.load(of_run(workdir, run, BEST), like)
