"""Checkpoints of workers: each writes what it has, and process 0 says when all of it is there.

A file a worker, whichever process it was in, so that another number of processes can go on.
"""

from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np

from mamdr_jax import files
from mamdr_jax.core import Tree
from mamdr_jax.data.batches import HostBatches
from mamdr_jax.train import at_rest
from mamdr_jax.train.run import Run
from mamdr_jax.train.shifts import ranges
from mamdr_jax.view import field_of
from mamdr_jax.workdir import shards as marks
from mamdr_jax.workdir.shards import Mark
from mamdr_jax.workdir.trees import name_of
from mamdr_jax.workers import exchange
from mamdr_jax.workers.team import Held, Team

ALIKE = "alike.npz"  # what is the same for all workers
STATES = ("state", "best")


def save(mark: Mark, team: Team, run: Run) -> None:
  """Writes a run as it stands. All processes do, and wait for one another."""
  crew, path = team.crew, mark.path
  if crew.first:
    path.mkdir(parents=True, exist_ok=True)
  crew.wait("a folder for shards")
  alike, own = {}, [{} for _ in crew.here]
  for name in STATES:
    held: Held = getattr(run, name)
    for where, leaf in jax.tree_util.tree_leaves_with_path(held.light):
      key = f"{name}/{name_of(where)}"
      if field_of(where) is None:
        alike[key] = np.asarray(leaf)
      else:
        for arrays, rows in zip(own, crew.local(leaf), strict=True):
          arrays[key] = rows
    for arrays, kept in zip(own, held.kept, strict=True):
      arrays |= {f"{name}/{key}": leaf for key, leaf in _kept(kept).items()}
  for worker, arrays in zip(crew.here, own, strict=True):
    files.write_arrays(_file(path, worker), arrays)
  if crew.first:
    rest = run._replace(state=(), best=())
    leaves = jax.tree_util.tree_leaves_with_path(rest)
    alike |= {f"run/{name_of(where)}": np.asarray(leaf) for where, leaf in leaves}
    files.write_arrays(path / ALIKE, alike)
  crew.wait("all shards are written")
  if crew.first:
    marks.mark(mark)
  crew.wait("they are marked")


def load(path: Path, team: Team, like: Run) -> Run:
  """The run that was saved; `like` is another of the same config."""
  crew, alike = team.crew, files.read_arrays(path / ALIKE)
  files_ = [files.read_arrays(_file(path, worker)) for worker in crew.here]

  def light(name, where, leaf):
    key = f"{name}/{name_of(where)}"
    if field_of(where) is None:
      return crew.alike(alike[key])
    return crew.put(np.stack([arrays[key] for arrays in files_]))

  held = {}
  for name in STATES:
    other: Held = getattr(like, name)
    kept = []
    for arrays, had in zip(files_, other.kept, strict=True):
      found = {key: arrays[f"{name}/{key}"] for key in _kept(had)}
      kept.append(_with_kept(had, found, team))
    of_light = jax.tree_util.tree_map_with_path(lambda p, x, n=name: light(n, p, x), other.light)
    held[name] = Held(of_light, kept)
  rest = like._replace(state=(), best=())
  numbers = jax.tree_util.tree_map_with_path(lambda p, _: alike[f"run/{name_of(p)}"], rest)
  return numbers._replace(**held)


def whole(path: Path, team: Team, like: Run, train: HostBatches) -> Run:
  """The run that was saved, as one process has it: states as a method makes them, in NumPy.

  Args:
    path: of a checkpoint.
    team: who trained it.
    like: the shapes of such a run.
    train: the split that it was trained on.
  """
  alike = files.read_arrays(path / ALIKE)
  every = [files.read_arrays(_file(path, worker)) for worker in range(team.crew.num)]
  levels = at_rest.levels(team.setup.method)

  def state(name: str, shapes: Tree) -> Tree:
    light, kept = at_rest.apart(shapes, team.setup.method)

    def read(where, _):
      key = f"{name}/{name_of(where)}"
      if field_of(where) is None:
        return alike[key]
      return np.stack([arrays[key] for arrays in every])

    made = exchange.whole(jax.tree_util.tree_map_with_path(read, light), light)
    own = jax.tree.map(np.asarray, train.own)
    found = {}
    for where, names in levels:
      level = {field: kept[where][field] for field in names}

      def gather(path_, shape, where=where):
        field, full = field_of(path_), np.zeros(shape.shape, shape.dtype)
        key = f"{name}/{_key(where, path_)}"
        for domains, arrays in zip(team.domains, every, strict=True):
          of = domains if field is None else ranges(own[field].first, domains)
          full[of] = arrays[key]
        return full

      found[where] = jax.tree_util.tree_map_with_path(gather, level) | {"own": own}
    return at_rest.together(made, found)

  rest = like._replace(state=(), best=())
  numbers = jax.tree_util.tree_map_with_path(lambda p, _: alike[f"run/{name_of(p)}"], rest)
  return numbers._replace(**{name: state(name, getattr(like, name)) for name in STATES})


def _file(path: Path, worker: int) -> Path:
  return path / f"{worker:05d}.npz"


def _key(where: tuple[str, ...], path) -> str:
  return f"kept/{'.'.join(where)}/{name_of(path)}"


def _kept(kept: at_rest.Kept) -> dict[str, np.ndarray]:
  """What is kept, by name."""
  return {
    _key(where, path): leaf
    for where, level in kept.items()
    for path, leaf in jax.tree_util.tree_leaves_with_path(at_rest.fields_of(level))
  }


def _with_kept(had: at_rest.Kept, found: Mapping[str, np.ndarray], team: Team) -> at_rest.Kept:
  """The same with other values, laid where they are to rest."""

  def of(where, level):
    pick = lambda path, _: found[_key(where, path)]
    fields = jax.tree_util.tree_map_with_path(pick, at_rest.fields_of(level))
    return at_rest.laid(fields | {"own": level["own"]}, team.setup.rest)

  return {where: of(where, level) for where, level in had.items()}
