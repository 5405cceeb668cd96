"""The files that a report reads and writes."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from mamdr_jax.files import CONFIG, METRICS, RESULT, opened
from mamdr_jax.measures import BY_DOMAIN, MEAN, MEASURES
from mamdr_jax.report import names
from mamdr_jax.report.results import RATES
from mamdr_jax.results import read as read_result

FIGURES = ("mean_auc", "weighted_auc", "log_loss")  # of a split; null where they are not finite
WHEN = ("epochs", "best_epoch")


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
    if (workdir / RESULT).exists():
      found.setdefault(workdir.resolve(), workdir.resolve().name)
      continue
    below = sorted(path.parent for path in workdir.rglob(RESULT))
    if not below:
      raise ValueError(
        f"{workdir}: no {RESULT} in it or below it; expected a finished experiment, or a "
        "folder of them"
      )
    for path in below:
      found.setdefault(path.resolve(), path.relative_to(workdir).as_posix())
  if len(set(found.values())) < len(found):
    shared = os.path.commonpath(found)
    found = {path: path.relative_to(shared).as_posix() for path in found}
  # Outside of UTF-8 the system's names come with surrogates, which are no text.
  return {os.fsencode(name).decode("utf-8", "replace"): path for path, name in found.items()}


def unfinished(workdirs: Iterable[Path]) -> list[Path]:
  """Folders below `workdirs` that hold a config, but no result in them or below them."""
  return [
    path.parent
    for workdir in workdirs
    for path in sorted(Path(workdir).rglob(CONFIG))
    if not any(path.parent.rglob(RESULT))
  ]


def read_all(found: Mapping[str, Path]) -> tuple[dict[str, dict], list[str]]:
  """name -> result of what can be read of `find`, and a sentence about each of the others.

  Raises:
    ValueError: none can be read.
  """
  results, broken = {}, []
  for name, workdir in found.items():
    try:
      results[name] = read(workdir)
    except ValueError as error:
      broken.append(str(error))
  if not results:
    raise ValueError(broken[0])
  return results, broken


def read(workdir: Path) -> dict:
  """What `result.json` holds, each run with its mean number of `passes` an epoch, None if unknown.

  Scores of another system have no epochs.

  Raises:
    ValueError: a file is missing, is not JSON or is not what an experiment leaves behind.
  """
  path = Path(workdir) / RESULT
  result = read_result(path)
  _check(path, result)
  if names.external(result):
    return result
  passes = [[] for _ in result["runs"]]
  for line in read_metrics(Path(workdir), len(passes)):
    for run, value in zip(line["run"], line.get("passes", ()), strict=False):
      passes[run].append(value)
  for run, values in zip(result["runs"], passes, strict=True):
    run["passes"] = float(np.mean(values)) if values else None
  return result


def _check(path: Path, result) -> None:
  """Raises a ValueError for what no report can be made of."""
  try:
    runs = result["runs"]
    named = all(result["config"][section]["name"] for section in ("data", "model", "method"))
    measured = [run[split] for run in runs for split in ("valid", "test")]
    domains = [list(one["auc"]) for one in measured]
    figures = [[one[key] for key in FIGURES] + list(one["auc"].values()) for one in measured]
    np.array(figures, float), np.array([[run[key] for key in WHEN] for run in runs], float)
    rates = [(key, run[key]) for run in runs for key in RATES]
    more = [one for split in measured for one in split.get(MEASURES, {}).values()]
    np.array([one[MEAN] for one in more], float), [one[BY_DOMAIN].values() for one in more]
  except (KeyError, TypeError, ValueError, AttributeError):
    named, domains = False, []
  if not (named and domains and all(own == domains[0] for own in domains)):
    raise ValueError(f"{path}: expected the result of an experiment, with its config and runs")
  for key, value in rates:
    if not isinstance(value, int | float) or not np.isfinite(value):
      raise ValueError(f"{path}: the {key} of a run is {json.dumps(value)}, expected a number")


def read_metrics(workdir: Path, num_runs: int | None = None) -> list[dict]:
  """The lines of `metrics.jsonl`: some epoch of some of the runs each.

  Raises:
    ValueError: the file is missing or empty, a line is not JSON, or not of one of `num_runs` runs.
  """
  path = Path(workdir) / METRICS
  if not path.exists():
    raise ValueError(f"{path} is missing: {workdir} is not whole")
  lines = []
  for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
    try:
      line = opened(text) if '"crc": ' in text else json.loads(text)
      if line is None:
        raise ValueError("it is damaged")
      known = line["epoch"] >= 1 and min(line["run"]) >= 0 and "valid" in line
      known = known and (num_runs is None or max(line["run"]) < num_runs)
    except (KeyError, TypeError, ValueError) as error:
      raise ValueError(f"{path}, line {number}: expected an epoch as JSON: {error}") from None
    if not known:
      what = "runs" if num_runs is None else f"runs 0 to {num_runs - 1}"
      raise ValueError(f"{path}, line {number}: expected {what} of an epoch")
    lines.append(line)
  if not lines:
    raise ValueError(f"{path}: expected a line an epoch, and there is none")
  return lines
