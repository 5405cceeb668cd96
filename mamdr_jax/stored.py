"""A model as `workdir/model.py` writes it, read back: checked, and mapped rather than in memory."""

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from mamdr_jax import files
from mamdr_jax.assembly import framework, optimizers, shapes
from mamdr_jax.core import HERE, Batch, DomainBatches, Method, Own, Tree
from mamdr_jax.data.features import align, read_features
from mamdr_jax.objective import Objective
from mamdr_jax.train import at_rest, shifts
from mamdr_jax.train.parts import power_of_two
from mamdr_jax.workdir import arrays, ids, lists, model, trees

LEAST = 1024  # rows of tables that there is room for: each size is a program of its own


class Stored(NamedTuple):
  """What serves every domain of a run, without its data."""

  path: Path
  about: dict  # what `model.json` says
  objective: Objective
  method: Method
  domains: tuple[str, ...]  # names
  vocab: dict[str, np.ndarray]  # field -> [N], the raw ids
  units: dict[str, np.ndarray]  # of numbers of rows: see `Dataset.moments`
  light: Tree  # what all domains share, on the device: the state without
  kept: at_rest.Kept  # what is kept for every domain, mapped: `arrays.Checked`
  given: dict[str, jax.Array]  # field -> [N + 1, f], or more: see `with_features`
  moments: dict[str, jax.Array] | None  # [D + 1, ...]
  # field -> the raw ids that training never saw whose features are given, those after N
  more: dict[str, np.ndarray]
  lists: dict[str, arrays.Checked]  # what training rows had, as `workdir/lists.py` has it
  counts: np.ndarray | None  # [D, 2], training rows by label; None in a model of an older version


def read(path: Path) -> Stored:
  """The model in a folder.

  What is read whole here is compared with its checksum; what is kept for every domain, as it is
  first read. `check` reads all of it.

  Raises:
    ValueError: it is no model, of another format, or a file is missing, cut short or altered.
  """
  told = model.about(path)
  known = ids_of(path, told)
  goal, method, served = described(path, told)
  shared = model.leaves(method, served)
  served = jax.eval_shape(method.served, served)
  light = jax.tree_util.tree_leaves_with_path(at_rest.apart(served, method)[0])
  light = {trees.name_of(where) for where, _ in light}

  def take(name, shape, whole=True):
    if name not in told["arrays"]:
      raise ValueError(f"{path} has no {name!r}: it was written for another config")
    array = (arrays.read if whole else arrays.Checked)(path, told["arrays"][name])
    if shape is not None and array.shape != shape:
      raise ValueError(f"{path}: {name!r} is {array.shape}, and its config needs {shape}")
    if whole:
      arrays.check(path / told["arrays"][name]["file"], told["arrays"][name])
    return array

  def leaf(where, like):
    name = trees.name_of(where)
    shape = (like.shape[0] + 1, *like.shape[1:]) if shared[name] else like.shape
    return take(f"state/{name}", shape, whole=name in light)

  state, kept = at_rest.apart(jax.tree_util.tree_map_with_path(leaf, served), method)
  given = {
    field: take(f"given/{field}", (told["fields"][field] + 1, width))
    for field, width in told["given"].items()
  }
  moments = None
  if goal.moments is not None:
    found = (name.rpartition("/")[2] for name in told["arrays"] if name.startswith("moments/"))
    moments = {name: take(f"moments/{name}", None) for name in found}
  known_lists = (name for name in told["arrays"] if name.startswith(f"{lists.LISTS}/"))
  found = {name: take(name, None, whole=False) for name in known_lists}
  counts = None
  if model.COUNTS in told["arrays"]:
    counts = np.asarray(take(model.COUNTS, (told["domains"], 2)))
  state, given, moments = jax.tree.map(jnp.asarray, (state, given, moments))
  return Stored(
    path, told, goal, method, known["domains"], known["vocab"], known["moments"],
    state, kept, given, moments, {}, found, counts,
  )  # fmt: skip


def with_features(stored: Stored, field: str, path: Path) -> Stored:
  """The model with given features of further ids; those that training saw keep theirs.

  Args:
    stored: the model.
    field: user or item.
    path: an `.npy` or `.npz` file, as for `data/table.py`.

  Raises:
    ValueError: the model has no given features of that field, or of another width, or the file is
      broken.
  """
  if field not in stored.given:
    raise ValueError(f"{path}: {stored.path} was trained without given features of {field}s")
  ident, feature = read_features(path)
  width = stored.given[field].shape[1]
  if feature.shape[1] != width:
    raise ValueError(f"{path} has {feature.shape[1]} features of a {field}, expected {width}")
  fresh = np.unique(ident[~np.isin(ident.astype(str), stored.vocab[field].astype(str))])
  more = align(path, fresh, ident, feature) if fresh.size else feature[:0]
  given = stored.given | {field: jnp.concatenate([stored.given[field], more])}
  return stored._replace(given=given, more=stored.more | {field: fresh})


def part(kept: at_rest.Kept, domains: np.ndarray) -> at_rest.Kept:
  """What is kept of some domains, and room for one that has nothing, which any other one finds."""
  rooms = {}
  for where, level in kept.items():
    room = shifts.room(level["own"], [domains])
    rows = {field: max(num, LEAST) for field, num in room.rows.items()}
    rooms[where] = shifts.Room(power_of_two(domains.size + 1), rows)
  return shifts.taken(kept, domains, rooms)


def shared_state(stored: Stored) -> Tree:
  """What serves no domain in particular, on the device: a domain D has nothing of its own."""
  return with_kept(stored, np.zeros(0, np.int64))


def mean_rows(stored: Stored, state: Tree) -> dict[str, int]:
  """Which row of the tables of each field is the mean of the others: the last."""
  tables = jax.eval_shape(lambda: stored.method.params(state, 0)).get("tables", {})
  return {field: jax.tree.leaves(leaves)[0].shape[0] - 1 for field, leaves in tables.items()}


def with_kept(stored: Stored, domains: np.ndarray) -> Tree:
  """What serves some domains, rising, on the device."""
  return at_rest.together(stored.light, part(stored.kept, domains))


def check(path: Path) -> None:
  """Raises a ValueError if any file of a model is not the one that was written; reads them all."""
  told = model.about(path)
  ids_of(path, told)
  for each in told["arrays"].values():
    arrays.read(path, each)
    arrays.check(path / each["file"], each)


def ids_of(path: Path, told: dict) -> dict:
  """What `ids.read` gives; ValueError if the file is not the one that was written."""
  arrays.check(path / files.IDS, told["ids"])
  return ids.read(path)


def described(path: Path, told: dict) -> tuple[Objective, Method, Tree]:
  """The objective and the method of a model, and the shapes of the method's state."""
  config = ml_collections.ConfigDict(told["config"])
  vocab = {field: num for field, num in told["fields"].items() if field not in told["given"]}
  try:
    goal, method = framework(config, optimizers(config), vocab | {"domain": told["domains"]})
    return goal, method, shapes(goal, method, seen(told))[1]
  except (KeyError, TypeError, AttributeError) as error:
    told = (str(error).splitlines() or [type(error).__name__])[0][:120]
    raise ValueError(f"{path / model.ABOUT}: the config is of another version: {told}") from None


def seen(told: dict) -> DomainBatches:
  """Data of the form that a method was begun on, as shapes."""
  of = lambda dtype, *shape: jax.ShapeDtypeStruct(shape, dtype)
  ints, floats, num_domains = jnp.int32, jnp.float32, told["domains"]
  batch = Batch(
    ids={field: of(ints, 1, 1) for field in told["fields"]},
    dense={field: of(floats, 1, 1, width) for field, width in told["dense"].items()},
    label=of(floats, 1, 1),
    weight=of(floats, 1, 1),
    domain=of(ints, 1),
  )
  per_domain = of(ints, num_domains)
  frozen = {
    field: of(floats, told["fields"][field], width) for field, width in told["given"].items()
  }
  own = {field: Own(of(ints, num), of(ints, num_domains + 1)) for field, num in told["own"].items()}
  assert not own or HERE in own
  return DomainBatches(batch, per_domain, per_domain, frozen, own)
