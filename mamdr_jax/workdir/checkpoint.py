"""An experiment under way: what it has finished so far, and a checkpoint of what it is at.

Everything here is checked when it is read. What is damaged counts as not there: it is said, and
trained again, so that the outcome is always that of one go.
"""

import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from mamdr_jax import files, results
from mamdr_jax.data import Dataset
from mamdr_jax.files import GROUP, IDS, METRICS
from mamdr_jax.train import Group, Run
from mamdr_jax.workdir import epochs
from mamdr_jax.workdir.epochs import of_run

BEST, LAST = ".npz", ".last.npz"  # of a run: its best state, and all of it as it ended at the cap
Shapes = jax.ShapeDtypeStruct


class Saved(NamedTuple):
  """Runs to go on with: a group that was interrupted, or one run that ended at a lower cap."""

  path: Path
  index: list[int]
  phase: int
  epoch: int
  epochs: list[int]  # how many each run has trained


def finish_run(workdir: Path, run: int, result: Mapping, best, last: Run | None) -> None:
  """Keeps the result and best state of a run that has ended, and its `last` if it could go on."""
  save_tree(of_run(workdir, run, BEST), best)
  if last is not None:
    save_tree(of_run(workdir, run, LAST), last)
  epochs.end(workdir, run, int(result["epochs"]), len(result["valid"]["auc"]))
  path = of_run(workdir, run, ".json")
  # Last, since now it counts as finished.
  files.write_text(path, files.sealed(results.written_apart(path, result)) + "\n")


def finished_runs(workdir: Path, num_runs: int) -> dict[int, dict]:
  """run -> the result of each that has ended, of which all that belongs to it is whole."""
  logged, found = read_metrics(workdir, repair=True), {}
  for run in range(num_runs):
    path = of_run(workdir, run, ".json")
    if not path.exists():
      continue
    result = files.opened(path.read_text(encoding="utf-8", errors="replace"))
    lacks = "its result is damaged"
    if result is not None:
      trained = {line["epoch"] for line in logged if run in line["run"]}
      lacks = trained != set(range(1, result["epochs"] + 1)) and f"{METRICS} lacks epochs of it"
      lacks = lacks or _damage(of_run(workdir, run, BEST))
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


def reopen(workdir: Path, run: int, keep: bool) -> Path | None:
  """Has a finished run count as begun: its last state if there is one to `keep`, else nothing."""
  of_run(workdir, run, ".json").unlink()
  last = of_run(workdir, run, LAST)
  if keep and last.exists() and not _damage(last):
    return last
  last.unlink(missing_ok=True)
  return None


def save_group(workdir: Path, group: Group) -> None:
  """Replaces the checkpoint."""
  save_tree(workdir / GROUP, group)


def begun(workdir: Path, finished: Collection[int], num_runs: int) -> list[Saved]:
  """What to go on with: the checkpoint unless all of it has ended, and runs that were reopened."""
  found = []
  if (path := workdir / GROUP).exists():
    found.append(
      _resumed(
        path,
        lambda arrays: (
          arrays["index"].tolist(),
          int(arrays["phase"]),
          int(arrays["epoch"]),
          arrays["runs/epochs"],
        ),
      )
    )
  for run in range(num_runs):
    if (path := of_run(workdir, run, LAST)).exists() and run not in finished:
      found.append(
        _resumed(
          path, lambda arrays, run=run: ([run], 0, int(arrays["epochs"]), arrays["epochs"][None])
        )
      )
  lines = read_metrics(workdir)
  going = []
  for saved in filter(None, found):
    taken = {run for other in going for run in other.index}
    if set(saved.index) <= {*finished, *taken}:
      continue
    lacks = [
      run
      for run, trained in zip(saved.index, saved.epochs, strict=True)
      if run not in finished
      and not {line["epoch"] for line in lines if run in line["run"]} >= set(range(1, trained + 1))
    ]
    if lacks:
      print(f"{saved.path} is left: {METRICS} lacks epochs of run {lacks[0]}", file=sys.stderr)
    else:
      going.append(saved)
  return going


def _resumed(path: Path, describe) -> Saved | None:
  try:
    index, phase, epoch, trained = describe(files.read_arrays(path))
  except ValueError as error:
    print(f"{error}; its runs are trained again", file=sys.stderr)
    return None
  return Saved(path, index, phase, epoch, trained.tolist())


def load_group(saved: Saved, like: Run, last: int) -> Group:
  """The runs to go on with as a group, up to epoch `last`; `like` has their shapes, [C, ...]."""
  number, index = Shapes((), np.int64), np.array(saved.index)
  if saved.path.name == GROUP:
    shapes = Group(Shapes(index.shape, np.int64), number, number, number, like)
    group = load_tree(saved.path, shapes)
    return group._replace(**{n: int(getattr(group, n)) for n in ("phase", "epoch", "last")})
  alone = load_tree(saved.path, jax.tree.map(lambda x: Shapes(x.shape[1:], x.dtype), like))
  runs = jax.tree.map(lambda x: x[None], alone)
  return Group(index, saved.phase, saved.epoch, last, runs)


def read_metrics(workdir: Path, repair: bool = False) -> list[dict]:
  """The whole lines of the metrics. `repair` says so where some are not, and drops them."""
  path = workdir / METRICS
  if not path.exists():
    return []
  texts = path.read_text(encoding="utf-8", errors="replace").splitlines()
  lines = [files.opened(text) for text in texts]
  lines = [line if line and epochs.whole(workdir, line) else None for line in lines]
  whole = [line for line in lines if line is not None]
  if repair and len(whole) < len(lines):
    if None in lines[:-1]:  # the last one may be cut off by a kill
      number = lines.index(None) + 1
      print(f"{path}, line {number} is damaged, and is left out", file=sys.stderr)
    _write_metrics(path, whole)
  return whole


def keep_metrics(workdir: Path, finished: Collection[int], going: Collection[Saved]) -> None:
  """Drops from the metrics what will be trained again, run by run."""
  most = {r: n for some in going for r, n in zip(some.index, some.epochs, strict=True)}
  most |= dict.fromkeys(finished, np.inf)
  lines = read_metrics(workdir)
  kept = [of_runs(line, [r in most and line["epoch"] <= most[r] for r in line["run"]])
          for line in lines]  # fmt: skip
  kept = [line for line in kept if line["run"]]
  if kept != lines:
    _write_metrics(workdir / METRICS, kept)


def of_runs(line: Mapping, which: list[bool]) -> dict:
  """A line of the metrics for some of its runs only."""

  def pick(value):
    if isinstance(value, Mapping):
      return {key: pick(v) for key, v in value.items()}
    return [v for v, stays in zip(value, which, strict=True) if stays]

  return {k: v if k in ("epoch", "seconds") else pick(v) for k, v in line.items()}


def _write_metrics(path: Path, lines: list[dict]) -> None:
  files.write_text(path, "".join(files.sealed(line) + "\n" for line in lines))


def save_tree(path: Path, tree) -> None:
  """Writes the leaves of a pytree as an `.npz`, each named by its path in the tree."""
  leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
  files.write_arrays(path, {_name(p): np.asarray(leaf) for p, leaf in leaves})


def load_tree(path: Path, like):
  """The tree of `save_tree`, structured like `like`, whose leaves need only a shape.

  Raises:
    ValueError: the file is damaged, lacks a leaf, or a leaf has another shape.
  """
  leaves = jax.tree.leaves(like)
  needed = sum(int(np.prod(x.shape)) * x.dtype.itemsize + 512 for x in leaves)
  arrays = files.read_arrays(path, most_bytes=needed)

  def leaf(where, expected):
    name = _name(where)
    if name not in arrays:
      raise ValueError(f"{path} has no {name!r}: it was written for another config")
    if arrays[name].shape != expected.shape:
      raise ValueError(
        f"{path}: {name!r} has shape {arrays[name].shape}, and the config needs {expected.shape}"
      )
    return arrays[name]

  return jax.tree_util.tree_map_with_path(leaf, like)


def load_best(workdir: Path, run: int, like):
  """The best state of a run, shaped like `like`."""
  return load_tree(of_run(workdir, run, BEST), like)


def write_ids(workdir: Path, dataset: Dataset) -> None:
  """Keeps what the numbers that a run sees stand for.

  That is which raw id every row of a table is, the names of the domains in order, and the moments
  that numbers of rows are in units of.
  """
  ids = {f"vocab/{field}": _plain_text(raw) for field, raw in dataset.vocab.items()}
  ids |= {f"moments/{field}": moments for field, moments in dataset.moments.items()}
  files.write_arrays(workdir / IDS, ids | {"domains": np.array(dataset.domains, str)})


def read_ids(workdir: Path) -> dict[str, dict[str, np.ndarray] | tuple[str, ...]]:
  """`vocab`, `domains` and `moments` of the `Dataset` that `write_ids` was given."""
  known = {"vocab": {}, "moments": {}}
  arrays = files.read_arrays(workdir / IDS)
  known["domains"] = tuple(arrays.pop("domains").tolist())
  for name, array in arrays.items():
    of, _, field = name.partition("/")
    known[of][field] = array
  return known


def _plain_text(raw: np.ndarray) -> np.ndarray:
  return raw.astype(str) if raw.dtype.kind == "O" else raw


def _damage(path: Path) -> str | None:
  """What is wrong with an `.npz`, or None."""
  try:
    files.read_arrays(path)
  except (ValueError, OSError) as error:
    return str(error)
  return None


def _name(path) -> str:
  return jax.tree_util.keystr(path, simple=True, separator="/")
