"""`ids.npz`: what the numbers that a run sees stand for.

That is which raw id every row of a table is, the names of the domains in order, and the moments
that numbers of rows are in units of.
"""

from pathlib import Path

import numpy as np

from mamdr_jax import files
from mamdr_jax.data import Dataset
from mamdr_jax.files import IDS


def write(workdir: Path, dataset: Dataset) -> None:
  """Keeps those of a data set."""
  ids = {f"vocab/{field}": _plain_text(raw) for field, raw in dataset.vocab.items()}
  ids |= {f"moments/{field}": moments for field, moments in dataset.moments.items()}
  files.write_arrays(workdir / IDS, ids | {"domains": np.array(dataset.domains, str)})


def read(workdir: Path) -> dict[str, dict[str, np.ndarray] | tuple[str, ...]]:
  """`vocab`, `domains` and `moments` of the `Dataset` that `write` was given."""
  known = {"vocab": {}, "moments": {}}
  arrays = files.read_arrays(workdir / IDS)
  known["domains"] = tuple(arrays.pop("domains").tolist())
  for name, array in arrays.items():
    of, _, field = name.partition("/")
    known[of][field] = array
  return known


def _plain_text(raw: np.ndarray) -> np.ndarray:
  return raw.astype(str) if raw.dtype.kind == "O" else raw
