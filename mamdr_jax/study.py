"""Several experiments in one: what a config sweeps that changes a shape or a code path.

A study is a folder of experiments. Each is compiled and run by itself, or found finished.
"""

import fnmatch
import itertools
import json
import sys
import time
from pathlib import Path

import ml_collections

from mamdr_jax import assembly, check, experiment, files, keys, report, results
from mamdr_jax.configure import vary
from mamdr_jax.files import CONFIG, CSV, RESULT
from mamdr_jax.progress import Progress
from mamdr_jax.workdir import folder, identity
from mamdr_jax.workdir.lock import locked

PATIENCE = 60.0  # seconds, which no process holds the folder of a study for


def cases(config: ml_collections.ConfigDict) -> dict[str, ml_collections.ConfigDict]:
  """name -> config of each experiment: every case, times the product of `sweep.over`.

  Without either there is one, without a name.

  Raises:
    ValueError: two have the same name, a name leads out of the workdir, or a key does not exist.
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
      check_name(label)
      found[label] = vary(plain, dict(changes) | chosen)
  return found


def run(
  config: ml_collections.ConfigDict,
  workdir: Path,
  overwrite: bool = False,
  only: str = "*",
  share: tuple[int, int] = (0, 1),
  **looking,
) -> dict[str, dict]:
  """Runs the cases of a config, each in a folder of its name below `workdir`.

  Those that are finished there are not run again, and one that was interrupted goes on. Processes
  that are given other cases, or other shares of them, can be at work in a workdir at once.

  Args:
    config: see `configure.make`.
    workdir: a folder.
    overwrite: whether to replace another study in the folder.
    only: a pattern of the shell; cases whose names do not match are left for another time.
    share: (I, W): of those that match every W-th, from number I on; the others are left to others.
    looking: `watch` and `profile` of `experiment.run`.

  Returns:
    name -> what `result.json` holds, of the cases that are finished. `runs.csv` has their runs.

  Raises:
    ValueError: no case matches, or none is left for this share, or another study is there.
  """
  check.values(config.to_dict())
  every = cases(config)
  chosen = fnmatch.filter(every, only)
  if not chosen:
    raise ValueError(f"no case matches {only!r}; there are {', '.join(every)}")
  first, step = share
  if first >= len(chosen):
    raise ValueError(f"share {first}/{step} is empty: there are {len(chosen)} cases")
  chosen = chosen[first::step]
  for name in chosen:
    check.values(every[name].to_dict())
  workdir = Path(workdir)
  with locked(workdir, PATIENCE):
    _begin(workdir, config, every, overwrite)
  datasets, began, done = {}, time.monotonic(), 0
  begun = sum((workdir / name / RESULT).exists() for name in chosen)
  for number, name in enumerate(chosen, 1):
    print(f"[{number}/{len(chosen)}] {name}", file=sys.stderr, flush=True)
    progress = Progress(place=(done, len(chosen) - begun), began=began)
    done += not (workdir / name / RESULT).exists()
    case = every[name]
    described = json.dumps(files.plain(case.data.to_dict()), sort_keys=True)
    if described not in datasets:
      datasets = {described: assembly.read_data(case)}  # one at a time in memory
    dataset = datasets[described]
    experiment.run(case, workdir / name, dataset=dataset, progress=progress, **looking)
  paths = {name: workdir / name / RESULT for name in every}
  with locked(workdir, PATIENCE):  # so that the process that ends last writes down all of them
    found = {name: results.read(path) for name, path in paths.items() if path.exists()}
    report.write_runs(found, workdir / CSV)
  return found


def _begin(workdir: Path, config, every: dict, overwrite: bool) -> None:
  """Makes a folder ready for a study, or for going on with it.

  Raises:
    ValueError: another study or experiment is there, or files of somebody else.
  """
  wanted = {"config": files.plain(config.to_dict()), "cases": list(every)}
  try:
    there = _read(workdir)
    if there and keys.identity(there["config"]) != keys.identity(wanted["config"]):
      raise ValueError(
        f"{workdir} holds another study; choose another --workdir or pass --overwrite"
      )
    # As for an experiment, one that was interrupted goes on.
    overwrite &= all((workdir / name / RESULT).exists() for name in every)
  except ValueError:
    if not overwrite:
      raise
  if overwrite:
    folder.clear(workdir)
    there = None
  files.clear_parts(workdir)
  if there != wanted:
    files.write_json(workdir / CONFIG, wanted)


def _read(workdir: Path) -> dict | None:
  """What `config.json` says of the study in a folder, or None if nothing is there."""
  if not (workdir / CONFIG).exists():
    identity.read(workdir)
    return None
  there = files.read_json(workdir / CONFIG)
  if not isinstance(there, dict) or "cases" not in there or "config" not in there:
    raise ValueError(
      f"{workdir} holds no study but an experiment; choose another --workdir or pass --overwrite"
    )
  return there


def check_name(name: str) -> None:
  """Raises a ValueError if a folder of that name is not below the one it is made in."""
  if not name:
    return
  path = Path(name)
  if path.is_absolute() or "\0" in name or any(part in ("..", files.RUNS) for part in path.parts):
    raise ValueError(f"case {name!r} is no name of a folder below the workdir")


def _word(value) -> str:
  """A value as part of a folder's name."""
  if isinstance(value, tuple | list):
    return ",".join(_word(v) for v in value)
  return f"{value:g}" if isinstance(value, float) else str(value).replace("/", "_")
