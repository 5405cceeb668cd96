"""`shares/`: the runs of one experiment that several processes have dealt out among them.

`shares/I-W/` is an experiment with every W-th run, from number I on.
"""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from mamdr_jax import files, results
from mamdr_jax.files import METRICS, RUNS
from mamdr_jax.workdir import metrics, runs
from mamdr_jax.workdir.epochs import of_run

SHARES = "shares"


def folders(workdir: Path, step: int) -> list[Path]:
  """Of each share of a workdir."""
  return [workdir / SHARES / f"{first}-{step}" for first in range(step)]


def gather(workdir: Path, shares: Sequence[Path]) -> None:
  """Has the ended runs of `shares` count as ended in a workdir that has begun.

  They count once their results are there, which come last.
  """
  step = len(shares)
  had = {(run, line["epoch"]) for line in metrics.whole_lines(workdir) for run in line["run"]}
  for first, share in enumerate(shares):
    number = lambda run, first=first: first + step * run
    ended = []
    for path in sorted((share / RUNS).iterdir()):
      run, suffix = re.fullmatch(r"([0-9]+)(\..*)", path.name).groups()
      if suffix == ".json":
        ended.append((int(run), path))
        continue
      copy = lambda aside, path=path: shutil.copyfile(path, aside)
      files.write_aside(of_run(workdir, number(int(run)), suffix), copy)
    for line in metrics.whole_lines(share):
      line["run"] = [number(run) for run in line["run"]]
      new = metrics.of_runs(line, [(run, line["epoch"]) not in had for run in line["run"]])
      if new["run"]:
        files.append_line(workdir / METRICS, new)
    for run, path in ended:
      result = results.put_together(path, files.opened(path.read_text(encoding="utf-8")))
      runs.write_result(workdir, number(run), result)
