"""`model/`: what serves every domain, apart from the data and from what only training needs.

`model.json` says what it is, and of each array the name, file, size and checksum; `ids.npz` is that
of the workdir. An array a file, `.npy`, so that of very many domains one is read without the
others:

  state/...    the leaves of `Method.served`: what is shared once, and what is kept for every domain
               as `own.py` has it. A table that is shared, [N, ...], has one row more, the mean of
               the others: it serves an id that training never saw.
  given/...    features of users and items, [N + 1, f], the last row again the mean.
  moments/...  of every domain and, last, their mean, [D + 1, ...], for a model that needs them.
  lists/...    what the training rows had, as `lists.py` has it, if that is not too long.
  counts       of every domain how many training rows have label 0 and 1, [D, 2].
"""

import shutil
import zipfile
from pathlib import Path

import jax

from mamdr_jax import files, keys
from mamdr_jax.core import DomainBatches, Method, Tree
from mamdr_jax.data import SPLITS, Dataset, HostBatches
from mamdr_jax.data.blocks import count_rows
from mamdr_jax.data.dataset import batch_rows
from mamdr_jax.files import IDS
from mamdr_jax.objective import Objective
from mamdr_jax.train import at_rest
from mamdr_jax.view import field_of
from mamdr_jax.workdir import arrays, identity, lists, trees
from mamdr_jax.workdir.epochs import of_run
from mamdr_jax.workdir.moments import moments_of_each
from mamdr_jax.workdir.runs import BEST

FORMAT = 1
ABOUT, COUNTS = "model.json", "counts"
# What `model.json` has of each kind.
KINDS = {
  "format": int,
  "config": dict,
  "run": int,
  "point": dict,
  "data": str,
  "code": str,
  "environment": dict,
  "fields": dict,  # field -> N, how many ids its table has
  "domains": int,
  "given": dict,  # field -> how many given features
  "dense": dict,  # field -> how many numbers a row has
  "own": dict,  # field -> M, how many rows all domains have together; see `own.py`
  "batch_size": int,
  "ids": dict,
  "arrays": dict,
}


def write(
  out: Path,
  workdir: Path,
  run: int,
  dataset: Dataset,
  objective: Objective,
  method: Method,
  like: Tree,
  train: DomainBatches | HostBatches,
) -> int:
  """Makes the model of a run that has ended, in place of another one.

  Args:
    out: the folder that is to be the model.
    workdir: of the experiment.
    run: its number.
    dataset: the data of the experiment, numbered as in the workdir.
    objective: its model.
    method: its method.
    like: the state of the method, as shapes.
    train: the training rows.

  Returns:
    How many bytes it has.

  Raises:
    ValueError: the state is damaged, or something else than a model is at `out`.
  """
  if out.exists() and not (out / ABOUT).exists():
    raise ValueError(f"{out} is there and is no model; name another folder, or remove it")
  told, source = description(workdir, run, dataset, train), of_run(workdir, run, BEST)
  default = keys.TRAINING["model_lists"].default  # of a workdir that is older than the key

  def states(archive):
    for name, shared in leaves(method, like).items():
      of = arrays.of_npz(archive, name)
      yield f"state/{name}", arrays.with_mean(of) if shared else of

  def others(folder, listed):
    moments = {}
    if objective.moments is not None:
      serving = mapped(folder, listed, method, like)
      moments = moments_of_each(objective, method, *serving, train)
    for of, tables in (("given", dataset.frozen), ("moments", moments)):
      for name, table in tables.items():
        yield f"{of}/{name}", arrays.with_mean(arrays.blocks(table))
    for name, array in lists.of(dataset, told["config"].get("model_lists", default)).items():
      yield name, arrays.blocks(array)
    yield COUNTS, arrays.blocks(count_rows(dataset)[:, SPLITS.index("train")])

  def fill(folder):
    folder.mkdir()
    ids, listed = folder / IDS, {}
    shutil.copyfile(workdir / IDS, ids)
    files.sync(ids)

    def add(named):
      for name, of in named:
        listed[name] = arrays.write(folder / f"{len(listed):04d}.npy", of)

    try:
      with zipfile.ZipFile(source) as archive:
        add(states(archive))
    except files.DAMAGE as error:
      raise ValueError(f"{source} is damaged: {str(error) or type(error).__name__}") from None
    add(others(folder, listed))
    of_ids = {"bytes": ids.stat().st_size, "crc": arrays.checksum(ids)}
    files.write_text(folder / ABOUT, files.sealed(told | {"ids": of_ids, "arrays": listed}) + "\n")
    files.remove(out)  # a folder cannot be renamed to a name that another has

  files.write_aside(out, fill)
  return sum(path.stat().st_size for path in out.iterdir())


def description(
  workdir: Path, run: int, dataset: Dataset, train: DomainBatches | HostBatches
) -> dict:
  """What `model.json` says of a run, but for the files."""
  about = identity.read(workdir)
  told = {"format": FORMAT, "run": run, "point": about["points"][run]}
  told |= {key: about[key] for key in ("config", "data", "code", "environment")}
  return told | {
    "fields": {field: len(ids) for field, ids in dataset.vocab.items()},
    "domains": len(dataset.domains),
    "given": {field: table.shape[1] for field, table in dataset.frozen.items()},
    "dense": {field: column.shape[1] for field, column in dataset.dense.items()},
    "own": {field: of.ids.size for field, of in train.own.items()},
    "batch_size": batch_rows(dataset, about["config"]["batch_size"]),
  }


def mapped(folder: Path, listed: dict, method: Method, like: Tree) -> tuple[Tree, at_rest.Kept]:
  """What serves, of arrays that were written: what domains share, and what is kept of each."""
  leaf = lambda where, _: arrays.read(folder, listed[f"state/{trees.name_of(where)}"])
  served = jax.eval_shape(method.served, like)
  return at_rest.apart(jax.tree_util.tree_map_with_path(leaf, served), method)


def leaves(method: Method, like: Tree) -> dict[str, bool]:
  """The names of the leaves of what serves, and whether each is a table that is shared."""
  served = jax.eval_shape(method.served, like)
  light, _ = at_rest.apart(served, method)
  tables = {
    trees.name_of(where)
    for where, _ in jax.tree_util.tree_leaves_with_path(light)
    if field_of(where) is not None
  }
  names = [trees.name_of(where) for where, _ in jax.tree_util.tree_leaves_with_path(served)]
  return {name: name in tables for name in names}


def about(path: Path) -> dict:
  """What `model.json` says of a model.

  Raises:
    ValueError: it is no model, was altered, or is of another format.
  """
  file = path / ABOUT
  if not file.is_file():
    raise ValueError(f"{path} is no model: it has no {ABOUT}")
  told = files.opened(file.read_text(encoding="utf-8", errors="replace"))
  if told is None:
    raise ValueError(f"{file} was cut short or altered: its checksum is another")
  if told.get("format") != FORMAT:
    raise ValueError(f"{file} is of format {told.get('format')}, and this version reads {FORMAT}")
  for key, kind in KINDS.items():
    if not isinstance(told.get(key), kind):
      raise ValueError(f"{file}: expected {key!r}, as a run writes it")
  if odd := [name for name, each in told["arrays"].items() if not arrays.described(each)]:
    raise ValueError(f"{file}: expected what {odd[0]!r} is, as a run writes it")
  return told
