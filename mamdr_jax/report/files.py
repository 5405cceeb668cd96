"""The files that a report reads and writes."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mamdr_jax import record


def find(workdirs: Iterable[Path]) -> dict[str, Path]:
  """name -> workdir of every finished experiment among `workdirs` and below them.

  A workdir with a `result.json` is an experiment, named like its folder. Any other is a study:
  every folder below it with a `result.json` is one, named by its path in the study. Where two
  would have one name, all are named by their paths below the folder that they share.

  Raises:
    ValueError: a workdir holds no result.
  """
  found = {}  # workdir -> name
  for workdir in map(Path, workdirs):
    if (workdir / record.RESULT).exists():
      found.setdefault(workdir.resolve(), workdir.resolve().name)
      continue
    below = sorted(path.parent for path in workdir.rglob(record.RESULT))
    if not below:
      raise ValueError(
        f"{workdir}: no {record.RESULT} in it or below it; expected a finished experiment, or a "
        "folder of them"
      )
    for path in below:
      found.setdefault(path.resolve(), path.relative_to(workdir).as_posix())
  if len(set(found.values())) < len(found):
    shared = os.path.commonpath(found)
    found = {path: path.relative_to(shared).as_posix() for path in found}
  return {name: path for path, name in found.items()}


def unfinished(workdirs: Iterable[Path]) -> list[Path]:
  """Folders below `workdirs` that hold a config, but no result in them or below them."""
  return [
    path.parent
    for workdir in workdirs
    for path in sorted(Path(workdir).rglob(record.CONFIG))
    if not any(path.parent.rglob(record.RESULT))
  ]


def read(workdir: Path) -> dict:
  """What `result.json` holds, each run with its mean number of `passes` an epoch, None if unknown.

  Raises:
    ValueError: a file is missing, is not JSON or is not what an experiment leaves behind.
  """
  path = Path(workdir) / record.RESULT
  result = record.read(path)
  try:
    named = [result["config"][section]["name"] for section in ("data", "model", "method")]
    whole = all(run["valid"]["auc"].keys() == run["test"]["auc"].keys() for run in result["runs"])
  except (KeyError, TypeError, AttributeError):
    named, whole = [], False
  if not (named and whole and result["runs"]):
    raise ValueError(f"{path}: expected the result of an experiment, with its config and runs")
  passes = [[] for _ in result["runs"]]
  for line in read_metrics(Path(workdir), len(passes)):
    for run, value in zip(line["run"], line.get("passes", ()), strict=False):
      passes[run].append(value)
  for run, values in zip(result["runs"], passes, strict=True):
    run["passes"] = float(np.mean(values)) if values else None
  return result


def read_metrics(workdir: Path, num_runs: int) -> list[dict]:
  """The lines of `metrics.jsonl`: some epoch of some of the runs each.

  Raises:
    ValueError: the file is missing, or a line is not JSON or not of this experiment.
  """
  path = Path(workdir) / record.METRICS
  if not path.exists():
    raise ValueError(f"{path} is missing: {workdir} is not whole")
  lines = []
  for number, text in enumerate(path.read_text().splitlines(), start=1):
    try:
      line = json.loads(text)
      known = line["epoch"] >= 1 and set(line["run"]) <= set(range(num_runs)) and "valid" in line
    except (json.JSONDecodeError, KeyError, TypeError) as error:
      raise ValueError(f"{path}, line {number}: expected an epoch as JSON: {error}") from None
    if not known:
      raise ValueError(f"{path}, line {number}: expected runs 0 to {num_runs - 1} of an epoch")
    lines.append(line)
  return lines
