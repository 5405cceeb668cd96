"""A study in a budget of minutes: how many passes its runs may have, by what each takes."""

import contextlib
import io
import json
import sys
import tempfile
import time
from pathlib import Path

import ml_collections
import numpy as np

from mamdr_jax import assembly, experiment, files, study
from mamdr_jax.configure import vary
from mamdr_jax.data.dataset import batch_rows, num_rows_of
from mamdr_jax.files import CONFIG
from mamdr_jax.progress import spoken
from mamdr_jax.workdir import metrics

# Of the passes that a run may have: where the first and second rung are, and how many of them a run
# takes in the mean if a third goes on at either.
RUNGS = (1 / 9, 1 / 3)
MEAN = RUNGS[0] + (RUNGS[1] - RUNGS[0]) / 3 + (1 - RUNGS[1]) / 9
LEAST, MOST = 3.0, 60.0  # passes of a run
SPARE = 0.8  # of the time, since compiling and evaluation after training take some


def fitted(
  config: ml_collections.ConfigDict, workdir: Path, minutes: float
) -> ml_collections.ConfigDict:
  """The study with rungs and a limit of passes, the same for all cases, that suit a time.

  Two epochs of every case are timed first. A study that was begun in the folder keeps what it was
  begun with.

  Args:
    config: a study whose cases are searches.
    workdir: its folder.
    minutes: that all of it may take, about; more where even few passes take longer, which is said.

  Raises:
    ValueError: the config is no search, or the time is none.
  """
  cases, began = study.cases(config), time.monotonic()
  if minutes <= 0 or not all(case.search.trials for case in cases.values()):
    raise ValueError(
      f"--minutes={minutes:g}: expected a time above 0, and a config that searches, such as "
      "configs/first.py"
    )
  if (workdir / CONFIG).exists():
    there = files.read_json(workdir / CONFIG)["config"]["search"]
    return vary(config, {f"search.{name}": _tuple(there[name]) for name in ("rungs", "passes")})
  each = seconds_of_pass(cases)
  left = SPARE * (60 * minutes - (time.monotonic() - began))
  runs = {name: case.search.trials * max(1, len(case.sweep.seed)) for name, case in cases.items()}
  of_one = sum(seconds * runs[name] * MEAN for name, seconds in each.items())
  passes = float(np.clip(left / of_one, LEAST, MOST))
  rungs = tuple(round(share * passes, 2) for share in RUNGS)
  expected = spoken(passes * of_one / SPARE + time.monotonic() - began)
  told = f"{passes:.0f} passes over the training data for each of {sum(runs.values())} runs at most"
  print(f"{told}, about {expected} in all", file=sys.stderr)
  return vary(config, {"search.rungs": rungs, "search.passes": round(passes, 1)})


def seconds_of_pass(cases: dict) -> dict[str, float]:
  """Seconds that a pass over the training data takes, by case, from a second epoch of each."""
  found, datasets = {}, {}
  for name, case in cases.items():
    print(f"timing {name}", file=sys.stderr, flush=True)
    plain = {"search.trials": 0, "search.space": (), "search.rungs": (), "search.passes": 0.0}
    pilot = vary(case, plain | {"sweep.seed": (), "epochs": 2, "measures": ()})
    described = json.dumps(files.plain(case.data.to_dict()), sort_keys=True)
    if described not in datasets:
      datasets = {described: assembly.read_data(case)}
    dataset = datasets[described]
    quiet = contextlib.redirect_stderr(io.StringIO())
    with quiet, tempfile.TemporaryDirectory() as folder:
      experiment.run(pilot, Path(folder), dataset=dataset)
      line = metrics.whole_lines(Path(folder))[1]
    rows = num_rows_of(dataset, "train")
    minibatches = np.sum(-(-rows // batch_rows(dataset, case.batch_size)))
    found[name] = line["seconds"] / (line["passes"][0] / minibatches)
  return found


def _tuple(value):
  return tuple(value) if isinstance(value, list) else value
