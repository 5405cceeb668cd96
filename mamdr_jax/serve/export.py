"""The scores of a domain in a folder of its own, which needs JAX and none of this package."""

import importlib.util
import json
import shutil
import zlib
from pathlib import Path

import jax
import numpy as np
from jax import export

from mamdr_jax import files, machine
from mamdr_jax.serve import exported
from mamdr_jax.serve.function import exported_of, merged
from mamdr_jax.serve.predict import Predictor
from mamdr_jax.serve.raw import no_domain, scale_of
from mamdr_jax.stored import Stored
from mamdr_jax.workdir import model

FUNCTION, PARAMETERS, IDS, ABOUT = "function.bin", "parameters.npz", "ids.npz", "manifest.json"
SCORE, README = "score.py", "README.md"

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

{exactness} The function is compiled for each number of rows that it meets.

**It does not last.** JAX reads functions that were exported by a version at most 6 months older
than itself, or 3 weeks newer; dates of jaxlib releases count. This one is of jax {jax}. Keep the
stored model, which has no such window, and export again.
"""


EXACT = """\
Logits are those of the stored model, bit by bit where machine, number of cores and version of
jaxlib are the same: rows are taken {size:,} at a time, and one costs as much as so many."""
ROUNDED = """\
Rows are taken all at once: logits differ from those of the stored model by rounding, about 1e-6,
which depends on how many rows there are."""


def write(predict: Predictor, domain: str, out: Path, exact: bool = True) -> None:
  """Writes the folder, in whole or not at all, in place of another one.

  Args:
    predict: of a stored model, or of a domain that was added, see `added.joined`.
    domain: a name.
    out: the folder; `TEXT` says what is in it.
    exact: whether scores are to be those of the model, bit by bit; if not, few rows cost little.

  Raises:
    ValueError: there is no such domain, something else is at `out`, or flatbuffers is lacking.
  """
  stored = predict.stored
  if domain not in stored.domains:
    some = ", ".join(map(repr, stored.domains[:3]))
    raise ValueError(f"{no_domain(domain, stored.domains)}it has {some}, ...")
  if out.exists() and not (out / ABOUT).exists():
    raise ValueError(f"{out} is there and was not exported; name another folder, or remove it")
  if scale_of(stored) != "linear":
    raise ValueError(
      f"numbers of its rows are on scale {scale_of(stored)!r}, which is not exported"
    )
  if importlib.util.find_spec("flatbuffers") is None:
    raise ValueError("JAX writes functions with the package flatbuffers: pip install flatbuffers")
  arrays, structure = merged(predict, stored.domains.index(domain))
  size = stored.about["batch_size"] if exact else None
  function = exported_of(stored, arrays, structure, size)
  ids, about = ids_of(stored), described(stored, domain, size, function)

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


def ids_of(stored: Stored) -> dict[str, np.ndarray]:
  """What `IDS` holds: of each field raw ids, [N], and their rows; the units of numbers of rows."""
  found = {}
  for field, raw in stored.vocab.items():
    more, mean = stored.more.get(field, raw[:0]), stored.about["fields"][field]
    known = np.flatnonzero(np.arange(raw.size) != mean)
    row = np.append(known, mean + 1 + np.arange(more.size))
    every = np.concatenate([raw.astype(str), more.astype(str)]) if more.size else raw[known]
    found |= {f"id/{field}": every, f"row/{field}": row.astype(np.int32)}
  units = stored.units.get("row")
  return found if units is None else found | {"units": units}


def described(stored: Stored, domain: str, size: int | None, function: export.Exported) -> dict:
  """What `ABOUT` says but for checksums."""
  about = stored.about
  names = about["config"]["data"].get("dense") or ()
  return {
    "domain": domain,
    "fields": {field: about["fields"][field] for field in stored.vocab},  # of the row of the mean
    "dense": list(names) if about["dense"] else [],
    "minibatch": size,  # None: all rows at once
    "platforms": list(function.platforms),
    "calling_convention_version": function.calling_convention_version,
    "environment": machine.environment(),
    "model": {key: about[key] for key in ("run", "point", "data", "code")}
    | {"checksum": zlib.crc32((stored.path / model.ABOUT).read_bytes())},
  }


def readme(about: dict) -> str:
  columns = {field: ["?"] for field in about["fields"]} | {name: [0.0] for name in about["dense"]}
  exactness = EXACT.format(size=about["minibatch"]) if about["minibatch"] else ROUNDED
  return TEXT.format(
    domain=about["domain"], platforms=", ".join(about["platforms"]), example=json.dumps(columns),
    jax=about["environment"]["versions"]["jax"], exactness=exactness, function=FUNCTION,
    parameters=PARAMETERS, ids=IDS, about=ABOUT, score=SCORE,
  )  # fmt: skip
