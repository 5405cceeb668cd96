"""Given features of users and items, which are data and not parameters."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from mamdr_jax.data.files import check_columns, explained, open_text


def read_embedding(path: Path, wanted: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
  """The rows of a text file that `wanted: [m] int64` names: ids `[n]`, features `[n, width]`.

  A line is an id, a comma, and numbers separated by spaces in one cell, quoted or not; a first
  line without an integer id is a header. Of a repeated id the last row counts. ValueError at a line
  that is not so.
  """
  place = {int(ident): row for row, ident in enumerate(wanted)}
  feature = np.zeros((len(place), width), np.float32)
  found = np.zeros(len(place), bool)
  line = 0
  with explained(path), open_text(path) as lines:
    for line, text in enumerate(lines, 1):
      if not text.strip():
        continue
      ident, _, cell = text.lstrip("\ufeff").partition(",")
      try:
        row = place.get(int(ident.strip().strip('"')))
      except ValueError:
        if line == 1:
          continue
        raise ValueError(f"{path}, line {line}: expected an integer id, found {ident!r}") from None
      values = cell.strip().strip('"').split()
      if len(values) != width:
        raise ValueError(
          f"{path}, line {line}: expected {width} numbers separated by spaces, found {len(values)}"
        )
      if row is not None:
        try:
          feature[row] = values
        except ValueError as error:
          raise ValueError(f"{path}, line {line}: {error}") from None
        found[row] = True
  if not line:
    raise ValueError(f"{path} is empty")
  return np.asarray(wanted)[found], feature[found]


def read_features(path: Path) -> tuple[np.ndarray, np.ndarray]:
  """Ids `[n]` and features `[n, f] float32` of a NumPy file.

  `.npy`: row i belongs to the integer id i. `.npz`: arrays `id: [n]` and `feature: [n, f]`.
  """
  if path.suffix not in (".npy", ".npz") or not path.is_file():
    raise FileNotFoundError(f"{path} is not an .npy or .npz file; expected features of ids")
  try:
    with path.open("rb") as file:
      arrays = np.load(file, allow_pickle=False)
      if path.suffix == ".npy":
        arrays = {"id": np.arange(len(arrays)), "feature": arrays}
      names = tuple(arrays)
      ident, feature = (np.asarray(arrays.get(name)) for name in ("id", "feature"))
  except (zipfile.BadZipFile, zlib.error, EOFError, TypeError, ValueError) as error:
    raise ValueError(f"{path} cannot be read: {error}") from None
  check_columns(path, ("id", "feature"), names)
  if ident.ndim != 1 or feature.ndim != 2 or len(ident) != len(feature):
    raise ValueError(
      f"{path}: expected ids [n] and features [n, f], found {ident.shape} and {feature.shape}"
    )
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
  finite = np.isfinite(feature[rows]).all(axis=1)
  if not finite.all():
    raise ValueError(f"{path}: the features of id {vocab[np.argmin(finite)]} are not all finite")
  return feature[rows]
