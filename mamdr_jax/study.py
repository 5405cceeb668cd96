"""Several experiments in one: what a config sweeps that changes a shape or a code path.

A study is a folder of experiments. Each is compiled and run by itself, or found finished.
"""

import fnmatch
import itertools
import json
import sys
from pathlib import Path

import ml_collections

from mamdr_jax import experiment, record, report
from mamdr_jax.configure import vary


def cases(config: ml_collections.ConfigDict) -> dict[str, ml_collections.ConfigDict]:
  """name -> config of each experiment: every case, times the product of `sweep.over`.

  Without either there is one, without a name.

  Raises:
    ValueError: two have the same name, or a key does not exist.
  """
  axes = [(key, values) for key, values in config.sweep.over]
  named = config.cases or (("", ()),)
  plain = vary(config, {"cases": (), "sweep.over": ()})
  found = {}
  for name, changes in named:
    for values in itertools.product(*(values for _, values in axes)):
      chosen = dict(zip((key for key, _ in axes), values, strict=True))
      parts = [name] + [f"{key}={_word(value)}" for key, value in chosen.items()]
      label = "/".join(part for part in parts if part)
      if label in found:
        raise ValueError(f"two cases are called {label!r}")
      found[label] = vary(plain, dict(changes) | chosen)
  return found


def run(
  config: ml_collections.ConfigDict, workdir: Path, overwrite: bool = False, only: str = "*"
) -> dict[str, dict]:
  """Runs the cases of a config, each in a folder of its name below `workdir`.

  Those that are finished there are not run again, and one that was interrupted goes on. Processes
  that are given other cases can share a workdir.

  Args:
    config: see `configure.make`.
    workdir: a folder.
    overwrite: whether to replace another study in the folder.
    only: a pattern of the shell; cases whose names do not match are left for another time.

  Returns:
    name -> what `result.json` holds, of the cases that are finished. `runs.csv` has their runs.

  Raises:
    ValueError: no case matches, or another study is there.
  """
  every = cases(config)
  chosen = fnmatch.filter(every, only)
  if not chosen:
    raise ValueError(f"no case matches {only!r}; there are {', '.join(every)}")
  if not overwrite:
    record.holds(workdir, config.to_dict())
  workdir.mkdir(parents=True, exist_ok=True)
  record.write_json(workdir / record.CONFIG, config.to_dict())
  datasets = {}
  for number, name in enumerate(chosen, 1):
    print(f"[{number}/{len(chosen)}] {name}", file=sys.stderr, flush=True)
    case = every[name]
    described = json.dumps(record.plain(case.data.to_dict()), sort_keys=True)
    if described not in datasets:
      datasets = {described: experiment.read_data(case)}  # one at a time in memory
    experiment.run(case, workdir / name, overwrite, datasets[described])
  paths = {name: workdir / name / record.RESULT for name in every}
  results = {name: record.read(path) for name, path in paths.items() if path.exists()}
  report.write_runs(results, workdir / "runs.csv")
  return results


def _word(value) -> str:
  """A value as part of a folder's name."""
  if isinstance(value, tuple | list):
    return ",".join(_word(v) for v in value)
  return f"{value:g}" if isinstance(value, float) else str(value).replace("/", "_")
