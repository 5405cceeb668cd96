"""Domains that were added to a stored model, each in a folder of its own beside the model's files.

`added/NNNN/` has `added.json`, which says what it is, how it was trained and what that was worth,
and an array a file: its own net, of every table the rows that its training rows have, and user,
item and label of these rows, unless there are more than `config.model_lists`. It is written aside
and renamed, and no file of the model is touched, so that other domains are served by the same bits
as before.
"""

import os
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mamdr_jax import files
from mamdr_jax.core import HERE, Method, Own, Tree
from mamdr_jax.data import Dataset
from mamdr_jax.methods import METHODS
from mamdr_jax.methods.separate import SeparateState
from mamdr_jax.serve.adding import Addition
from mamdr_jax.stored import Stored, mean_rows
from mamdr_jax.view import field_of
from mamdr_jax.workdir import arrays, lists, trees

FOLDER, ABOUT = "added", "added.json"
FORMAT = 2


def write(model: Path, addition: Addition) -> Path:
  """Adds a domain to the model in a folder; returns its own."""
  folder = model / FOLDER
  folder.mkdir(exist_ok=True)
  files.clear_parts(folder)
  out = folder / f"{len(folders(model)):04d}"
  named = {f"fresh/{field}": ids for field, ids in addition.fresh.items()}
  named |= {f"known/{field}": numbers for field, numbers in addition.known.items()}
  named |= {f"moments/{name}": moments for name, moments in addition.moments.items()}
  named |= {f"rows/{name}": column for name, column in addition.rows.items()}
  for where, leaf in jax.tree_util.tree_leaves_with_path(addition.params):
    named[f"params/{trees.name_of(where)}"] = leaf

  def fill(aside):
    aside.mkdir()
    listed = {}
    for name, array in named.items():
      file = aside / f"{len(listed):04d}.npy"
      listed[name] = arrays.write(file, arrays.blocks(np.asarray(array)))
    told = {"format": FORMAT, "domain": addition.domain, "arrays": listed, "told": addition.told}
    files.write_text(aside / ABOUT, files.sealed(told) + "\n")

  files.write_aside(out, fill)
  return out


def copied(model: Path, out: Path) -> None:
  """Makes `out` the same model, its files under a second name where the disk has such."""
  if out.exists():
    raise ValueError(f"{out} is there; name another folder")

  def same(source, target):
    try:
      os.link(source, target)
    except OSError:  # another disk, or one without links
      shutil.copyfile(source, target)

  files.write_aside(out, lambda aside: shutil.copytree(model, aside, copy_function=same))


def folders(model: Path) -> list[Path]:
  """Those of the domains that were added, in order."""
  return sorted(path.parent for path in model.glob(f"{FOLDER}/[0-9]*/{ABOUT}"))


def read(folder: Path) -> Addition:
  """One of them.

  Raises:
    ValueError: a file is missing, cut short or altered, or of another format.
  """
  about = folder / ABOUT
  told = files.opened(about.read_text(encoding="utf-8", errors="replace"))
  if told is None:
    raise ValueError(f"{about} was cut short or altered: its checksum is another")
  if told.get("format") != FORMAT:
    raise ValueError(f"{about} is of format {told.get('format')}, and this version reads {FORMAT}")
  found = {"fresh": {}, "known": {}, "moments": {}, "params": {}, "rows": {}}
  for name, each in told["arrays"].items():
    array = np.asarray(arrays.read(folder, each))
    arrays.check(folder / each["file"], each)
    of, *path, last = name.split("/")
    into = found[of]
    for key in path:
      into = into.setdefault(key, {})
    into[last] = array
  found["params"].setdefault("tables", {})
  return Addition(domain=told["domain"], told=told["told"], **found)


def joined(stored: Stored, state: Tree, additions: list[Addition]) -> Stored:
  """What serves the domains that were added, as a model of those.

  It shares the arrays of the model on the device. Of a table of N rows the row N is their mean; ids
  that only added domains have are the rows N + 1, ..., which have no place in the table: they are
  the mean but where a domain has them for its own.

  Args:
    stored: the model.
    state: what serves no domain in particular, on the device.
    additions: the domains.
  """
  vocab, numbers = {}, {}
  for field, raw in stored.vocab.items():
    new = list(dict.fromkeys(str(x) for a in additions for x in a.fresh.get(field, ())))
    whole = raw.dtype.kind in "iu" and all(x.lstrip("+-").isdigit() for x in new)
    gap = np.array([0 if whole else ""])  # at N
    raw = raw if whole else raw.astype(str)
    vocab[field] = np.concatenate([raw, gap, np.array(new, np.int64 if whole else str)])
    place = {text: len(raw) + 1 + i for i, text in enumerate(new)}
    numbers[field] = [
      np.concatenate([a.known[field], [place[x] for x in a.fresh[field].tolist()]]).astype(np.int32)
      for a in additions
      if field in a.known
    ]
  own, order = {}, {}
  for field, each in numbers.items():
    if each:
      order[field] = [np.argsort(x) for x in each]
      ids = np.concatenate([x[o] for x, o in zip(each, order[field], strict=True)])
      first = np.concatenate([[0], np.cumsum([x.size for x in each])])
      own[field] = Own(ids, first.astype(np.int32))
  every = np.arange(len(additions) + 1, dtype=np.int32)
  own |= {"domain": Own(every[:-1], every), HERE: Own(every[:-1], every)}

  def together(where, *leaves):
    field = field_of(where)
    if field is None:
      return np.stack(leaves)
    if field in order:
      leaves = [leaf[o] for leaf, o in zip(leaves, order[field], strict=True)]
    return np.concatenate(leaves)

  params = jax.tree_util.tree_map_with_path(together, *(a.params for a in additions))
  method = METHODS["separate"](
    loss=stored.objective.loss, inner=optax.sgd, base=nobody(stored, state)
  )
  moments = None
  if stored.moments is not None:
    last = lambda name: np.asarray(stored.moments[name])[-1]
    moments = {
      name: jnp.asarray(np.stack([*(a.moments[name] for a in additions), last(name)]))
      for name in stored.moments
    }
  return stored._replace(
    method=method, domains=tuple(a.domain for a in additions), vocab=vocab, moments=moments,
    light=SeparateState(state, (), (), ()), kept={(): {"params": params, "inner": (), "own": own}},
    lists=listed(additions, numbers, vocab), counts=np.array([a.told["counts"] for a in additions]),
  )  # fmt: skip


def listed(additions: list[Addition], numbers: dict, vocab: dict) -> dict[str, np.ndarray]:
  """What `workdir/lists.py` tells of training rows, of all these domains, or none of it.

  Args:
    additions: the domains.
    numbers: field -> of each of them, which rows of the tables those are that it trained.
    vocab: field -> all that have a row.
  """
  if not all(a.rows for a in additions):
    return {}
  every = lambda columns: np.concatenate(list(columns))
  ids = {
    field: every(
      numbers[field][i][a.rows[field]] if numbers[field] else a.rows[field]
      for i, a in enumerate(additions)
    )
    for field in ("user", "item")
  }
  # Nobody in particular has had something, and an item that no table has is none to choose.
  label = every(a.rows["label"] for a in additions) * (ids["user"] >= 0)
  domain = np.repeat(np.arange(len(additions)), [a.rows["label"].size for a in additions])
  keep = ids["item"] >= 0
  dataset = Dataset(
    ids={field: column[keep] for field, column in ids.items()},
    dense={}, label=label[keep], domain=domain[keep], split=np.zeros(keep.sum(), np.int8),
    domains=tuple(a.domain for a in additions), vocab=vocab,
    frozen={}, moments={}, truth=None, notes=(),
  )  # fmt: skip
  return lists.of(dataset, keep.size)


def nobody(stored: Stored, state: Tree) -> Method:
  """What all domains share, whichever is asked for; rows that a table lacks are the mean of it."""
  domain, mean = len(stored.domains), mean_rows(stored, state)

  def params(state, asked, rows=None):
    del asked
    if rows is not None:
      rows = {field: jnp.minimum(x, mean[field]) for field, x in rows.items()}
      if "domain" in rows:
        rows["domain"] = jnp.full_like(rows["domain"], mean["domain"])
    return stored.method.params(state, domain, rows)

  return Method(init=None, epoch=None, params=params)
