"""Given features of users and items, which are data and not parameters."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from mamdr_jax import files
from mamdr_jax.data.files import bounded_lines, brief, check_columns

SMALL = 2**28  # bytes that a file may unpack to, however small it is
CHUNK = 2**14  # rows that are looked at at a time
INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


def read_embedding(path: Path, wanted: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
  """The rows of a text file that `wanted: [m] int64` names: ids `[n]`, features `[n, width]`.

  A line is an id, a comma, and numbers separated by spaces in one cell, quoted or not; a first
  line without an integer id is a header. Of a repeated id the last row counts. ValueError at a line
  that is not so.
  """
  place = pd.Index(wanted)
  feature = np.zeros((len(place), width), np.float32)
  found = np.zeros(len(place), bool)
  line = 0
  for line, text in enumerate(bounded_lines(path), 1):
    if not text.strip():
      continue
    ident, _, cell = text.partition(",")
    ident = ident.strip().strip('"')
    if not INTEGER.fullmatch(ident):
      if line == 1:
        continue
      raise ValueError(f"{path}, line {line}: expected an integer id, found {brief(ident)!r}")
    values = cell.strip().strip('"').split()
    if len(values) != width:
      raise ValueError(
        f"{path}, line {line}: expected {width} numbers separated by spaces, found {len(values)}"
      )
    if (ident := int(ident)) in place:
      row = place.get_loc(ident)
      try:
        feature[row] = values
      except ValueError as error:
        raise ValueError(f"{path}, line {line}: {brief(error, 100)}") from None
      found[row] = True
  if not line:
    raise ValueError(f"{path} is empty")
  if found.all():
    return np.asarray(wanted), feature
  return np.asarray(wanted)[found], feature[found]


def read_features(path: Path) -> tuple[np.ndarray, np.ndarray]:
  """Ids `[n]` and features `[n, f] float32` of a NumPy file.

  `.npy`: row i belongs to the integer id i. `.npz`: arrays `id: [n]` and `feature: [n, f]`.
  """
  if path.suffix not in (".npy", ".npz") or not path.is_file():
    raise FileNotFoundError(f"{path} is not an .npy or .npz file; expected features of ids")
  if path.suffix == ".npy":
    feature = files.read_array(path)
    arrays = {"id": np.arange(len(feature) if feature.ndim else 0), "feature": feature}
  else:
    arrays = files.read_arrays(path, 20 * path.stat().st_size + SMALL)
  check_columns(path, ("id", "feature"), tuple(arrays))
  ident, feature = arrays["id"], arrays["feature"]
  if ident.ndim != 1 or feature.ndim != 2 or len(ident) != len(feature):
    raise ValueError(
      f"{path}: expected ids [n] and features [n, f], found {ident.shape} and {feature.shape}"
    )
  if feature.dtype.kind not in "biuf" or ident.dtype.kind not in "iuU":
    raise ValueError(
      f"{path}: expected ids that are integers or text, and numbers; found {ident.dtype} and "
      f"{feature.dtype}"
    )
  with np.errstate(over="ignore"):  # `align` finds what float32 cannot hold
    return ident, feature.astype(np.float32, copy=False)


def align(path: Path, vocab: np.ndarray, ident: np.ndarray, feature: np.ndarray) -> np.ndarray:
  """The features `[N, f]` of the ids `vocab: [N]`, out of those of `ident: [n]`.

  ValueError if one has none or a feature is not finite; `path` is where they are from.
  """
  lacking = vocab[~np.isin(vocab, ident)]
  if len(lacking):
    raise ValueError(
      f"{path} lacks the features of {len(lacking):,} ids, such as {lacking[0]};"
      f" its {len(ident):,} rows are of the ids {ident.min()} to {ident.max()}"
      if len(ident)
      else f"{path} has no rows"
    )
  order = np.argsort(ident, kind="stable")
  rows = order[np.searchsorted(ident[order], vocab, side="right") - 1]
  aligned = feature[rows]
  for at in range(0, len(aligned), CHUNK):
    finite = np.isfinite(aligned[at : at + CHUNK]).all(axis=1)
    if not finite.all():
      odd = vocab[at + np.argmin(finite)]
      raise ValueError(f"{path}: the features of id {odd} are not all finite")
  return aligned
