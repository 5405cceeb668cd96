"""The scores of a domain as a function that JAX alone can call, in a folder of its own.

The function is StableHLO with any number of rows and tables of any length. It takes the rows in
minibatches as a stored model does, so that on the same machine it gives the same scores.
"""

import importlib.util
import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from mamdr_jax import files, machine
from mamdr_jax.core import Array, Batch, DomainBatches, Params, Tree, full_precision
from mamdr_jax.descent import lookup
from mamdr_jax.evaluate import Serving
from mamdr_jax.serve import exported
from mamdr_jax.serve.predict import Predictor
from mamdr_jax.serve.raw import no_domain
from mamdr_jax.serve.stored import Stored
from mamdr_jax.view import field_of, read, view
from mamdr_jax.workdir import model, trees

FUNCTION, PARAMETERS, IDS, ABOUT = "function.bin", "parameters.npz", "ids.npz", "manifest.json"
SCORE, README = "score.py", "README.md"
PLATFORMS = ("cpu", "cuda", "tpu")

TEXT = """\
# Scores of the domain {domain}

| file | holds |
| --- | --- |
| `{function}` | the function, StableHLO of `jax.export` for {platforms}; any number of rows |
| `{parameters}` | its first argument: what serves this domain, merged into plain arrays |
| `{ids}` | the raw id of each row of the tables |
| `{about}` | names, versions, checksums, and which model this was made of |
| `{score}` | raw ids → scores; needs NumPy, JAX and flatbuffers |

    pip install jax=={jax} numpy flatbuffers
    python -c 'from score import Exported; print(Exported().score({example}))'

Logits are those of the stored model, bit by bit where machine, number of cores and version of
jaxlib are the same. The function is compiled for each number of rows that it meets, and takes them
{size:,} at a time.

**It does not last.** JAX reads functions that were exported by a version at most 6 months older
than itself, or 3 weeks newer; dates of jaxlib releases count. This one is of jax {jax}. Keep the
stored model, which has no such window, and export again.
"""


def write(predict: Predictor, domain: str, out: Path) -> None:
  """Writes the folder, in whole or not at all, in place of another one.

  Args:
    predict: of a stored model.
    domain: a name.
    out: the folder; `TEXT` says what is in it.

  Raises:
    ValueError: there is no such domain, something else is at `out`, or flatbuffers is lacking.
  """
  stored = predict.stored
  if domain not in stored.domains:
    some = ", ".join(map(repr, stored.domains[:3]))
    raise ValueError(f"{no_domain(domain, stored.domains)}it has {some}, ...")
  if out.exists() and not (out / ABOUT).exists():
    raise ValueError(f"{out} is there and was not exported; name another folder, or remove it")
  if importlib.util.find_spec("flatbuffers") is None:
    raise ValueError("JAX writes functions with the package flatbuffers: pip install flatbuffers")
  arrays, structure = merged(predict, stored.domains.index(domain))
  function = exporting(stored, arrays, structure)
  ids, about = ids_of(stored), described(stored, domain, function)

  def fill(folder):
    folder.mkdir()
    (folder / FUNCTION).write_bytes(function.serialize())
    files.write_arrays(folder / PARAMETERS, jax.tree.map(np.asarray, arrays))
    files.write_arrays(folder / IDS, ids)
    crc = {name: zlib.crc32((folder / name).read_bytes()) for name in (FUNCTION, PARAMETERS, IDS)}
    files.write_json(folder / ABOUT, about | {"checksums": crc})
    shutil.copyfile(exported.__file__, folder / SCORE)
    (folder / README).write_text(readme(about), encoding="utf-8")
    for path in folder.iterdir():
      files.sync(path)
    files.remove(out)  # a folder cannot be renamed to a name that another has

  files.write_aside(out, fill)


def merged(predict: Predictor, domain: int) -> tuple[dict[str, Array], Tree]:
  """What serves a domain, and given features: name -> array, and the tree that they are leaves of.

  Of the tables of domains there is this domain's row alone.
  """
  stored, which = predict.stored, np.array([domain], np.int32)
  of = lambda state, moments, domain: Serving(
    stored.objective, stored.method, state, moments
  ).alone(domain)
  params = jax.jit(of)(predict.state(which), stored.moments, which[0])
  tree = {"params": params, "given": stored.given}
  leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
  return {trees.name_of(where): leaf for where, leaf in leaves}, structure


def exporting(stored: Stored, arrays: dict[str, Array], structure: Tree) -> export.Exported:
  """The function, for all platforms and any sizes."""
  fields = sorted(stored.vocab)
  symbols = export.symbolic_shape(", ".join(["n", *(f"rows{i}" for i in range(len(fields)))]))
  num, of_field = symbols[0], dict(zip(fields, symbols[1:], strict=True))
  int32, float32 = jnp.int32, jnp.float32

  def shape(where, leaf):
    in_given = where[0].key == "given"
    field = where[1].key if in_given else field_of(where)
    size = (of_field[field], *leaf.shape[1:]) if field in of_field else leaf.shape
    return jax.ShapeDtypeStruct(size, leaf.dtype)

  tree = jax.tree.unflatten(structure, list(arrays.values()))
  shapes = jax.tree.leaves(jax.tree_util.tree_map_with_path(shape, tree))
  ids = {field: jax.ShapeDtypeStruct((num,), int32) for field in fields}
  dense = {
    name: jax.ShapeDtypeStruct((num, width), float32)
    for name, width in stored.about["dense"].items()
  }
  function = scoring(stored, list(arrays), structure)
  named = dict(zip(arrays, shapes, strict=True))
  return export.export(jax.jit(function), platforms=PLATFORMS)(named, ids, dense)


def scoring(stored: Stored, names: list[str], structure: Tree) -> Callable[..., dict[str, Array]]:
  """(arrays by name, ids, dense) -> logit and probability, in minibatches of the run's size."""
  goal, size = stored.objective, stored.about["batch_size"]

  @full_precision
  def score(arrays: dict[str, Array], ids: dict[str, Array], dense: dict[str, Array]):
    tree = jax.tree.unflatten(structure, [arrays[name] for name in names])
    num = next(iter(ids.values())).shape[0]
    count = (num + size - 1) // size

    def one(t, found):
      at = jnp.minimum(t * size + jnp.arange(size), num - 1)
      columns = jax.tree.map(lambda x: x[at][None], (ids, dense))
      label = jnp.zeros((1, size))
      batch = Batch(*columns, label, jnp.ones_like(label), jnp.zeros(1, jnp.int32))
      batch = lookup(DomainBatches(batch, (), (), tree["given"], {}), 0)
      return found.at[t].set(predict(goal, tree["params"], batch))

    found = jax.lax.fori_loop(0, count, one, jnp.zeros((count, size)))
    logit = found.reshape(-1)[jnp.arange(num)]
    return {"logit": logit, "probability": jax.nn.sigmoid(logit)}

  return score


def predict(goal, params: Params, batch: Batch) -> Array:
  """As `Serving.predict`, of parameters that are one domain's."""
  rows, batch = read(params.get("tables", {}), batch)
  return goal.predict(view(params, rows), batch)


def ids_of(stored: Stored) -> dict[str, np.ndarray]:
  """What `IDS` holds: of each field raw ids, [N], and their rows; the units of numbers of rows."""
  found = {}
  for field, raw in stored.vocab.items():
    more = stored.more.get(field, raw[:0])
    row = np.append(np.arange(raw.size), raw.size + 1 + np.arange(more.size))
    every = np.concatenate([raw.astype(str), more.astype(str)]) if more.size else raw
    found |= {f"id/{field}": every, f"row/{field}": row.astype(np.int32)}
  units = stored.units.get("row")
  return found if units is None else found | {"units": units}


def described(stored: Stored, domain: str, function: export.Exported) -> dict:
  """What `ABOUT` says but for checksums."""
  about = stored.about
  names = about["config"]["data"].get("dense") or ()
  return {
    "domain": domain,
    "fields": {field: len(raw) for field, raw in stored.vocab.items()},  # and the row of the mean
    "dense": list(names) if about["dense"] else [],
    "minibatch": about["batch_size"],
    "platforms": list(function.platforms),
    "calling_convention_version": function.calling_convention_version,
    "environment": machine.environment(),
    "model": {key: about[key] for key in ("run", "point", "data", "code")}
    | {"checksum": zlib.crc32((stored.path / model.ABOUT).read_bytes())},
  }


def readme(about: dict) -> str:
  columns = {field: ["?"] for field in about["fields"]} | {name: [0.0] for name in about["dense"]}
  return TEXT.format(
    domain=about["domain"], platforms=", ".join(about["platforms"]), example=json.dumps(columns),
    jax=about["environment"]["versions"]["jax"], size=about["minibatch"], function=FUNCTION,
    parameters=PARAMETERS, ids=IDS, about=ABOUT, score=SCORE,
  )  # fmt: skip
