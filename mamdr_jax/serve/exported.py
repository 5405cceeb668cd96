"""Scores of the rows of a domain, by the function and the arrays in this folder.

It needs NumPy, JAX and what JAX reads functions with, flatbuffers, and nothing else.

    from score import Exported
    Exported().score({"user": ["17", "3"], "item": ["4", "9"]})
"""

import json
import zlib
from pathlib import Path

import jax
import numpy as np
from jax import export


class Exported:
  """What was exported.

  Attributes:
    about: what `manifest.json` says.
    parameters: name -> array, the first argument of `call`.
    call: (parameters, ids, dense) -> {"logit": [n], "probability": [n]} in float32; `ids` are
      rows of tables, field -> [n] int32, and `dense` the numbers of rows, {} or {"row": [n, f]}
      in float32. It is compiled for each n. `n` is 1 at least.

  Raises:
    ValueError: a file is not the one that was written.
  """

  def __init__(self, folder: Path = Path(__file__).parent):
    self.about = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for name, crc in self.about["checksums"].items():
      if zlib.crc32((folder / name).read_bytes()) != crc:
        raise ValueError(f"{folder / name} was altered: its checksum is another")
    self.parameters = jax.device_put(_arrays(folder / "parameters.npz"))
    ids = _arrays(folder / "ids.npz")
    known = lambda field: zip(ids[f"id/{field}"], ids[f"row/{field}"].tolist(), strict=True)
    self._rows = {
      field: {str(raw): row for raw, row in known(field)} for field in self.about["fields"]
    }
    self._units = ids.get("units")
    self.call = jax.jit(export.deserialize(bytearray((folder / "function.bin").read_bytes())).call)

  def score(self, columns: dict) -> np.ndarray:
    """Probabilities of the label 1, [n] float64: `logits` through 1 / (1 + e⁻ˣ)."""
    return 1 / (1 + np.exp(-self.logits(columns).astype(np.float64)))

  def logits(self, columns: dict) -> np.ndarray:
    """[n] float32; see `numbered` for what it takes."""
    return np.asarray(self.call(self.parameters, *self.numbered(columns))["logit"])

  def numbered(self, columns: dict) -> tuple[dict, dict]:
    """`ids` and `dense` of columns by the names in `manifest.json`, raw ids and numbers, [n] each.

    An id that training never saw gets the row that is the mean of the others.
    """
    ids, unknown = {}, self.about["fields"]
    for field, rows in self._rows.items():
      found = [rows.get(str(raw), unknown[field]) for raw in columns[field]]
      ids[field] = np.array(found, np.int32)
    if not self.about["dense"]:
      return ids, {}
    row = np.stack([np.asarray(columns[name], np.float64) for name in self.about["dense"]], axis=1)
    if self._units is not None:
      row = (row - self._units[0]) / self._units[1]
    return ids, {"row": row.astype(np.float32)}


def _arrays(path: Path) -> dict[str, np.ndarray]:
  with np.load(path, allow_pickle=False) as arrays:
    return {name: arrays[name] for name in arrays.files}
