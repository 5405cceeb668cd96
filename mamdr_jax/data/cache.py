"""What was built, kept on disk under a fingerprint of its sources and its recipe."""

import contextlib
import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mamdr_jax.data.dataset import Dataset

RECIPE = 1  # raise it when the same sources and options come to give other rows


def fingerprint(sources: Iterable[Path], recipe: Mapping[str, Any]) -> str:
  """SHA-256 of the contents of the sources in order, the options, and the version `RECIPE`."""
  told = hashlib.sha256(json.dumps([RECIPE, recipe], sort_keys=True).encode())
  for source in sources:
    with open(source, "rb") as file:
      told.update(hashlib.file_digest(file, "sha256").digest())
  return told.hexdigest()


def cached(
  build: Callable[[], Dataset],
  sources: Iterable[Path],
  recipe: Mapping[str, Any],
  folder: str | os.PathLike | None,
) -> Dataset:
  """`build()`, or what it gave before for the same sources and recipe. No folder, no cache.

  A file is written aside and then renamed, so no reader sees half of one; a file that is corrupt
  all the same is built again, and a line says so.
  """
  if not folder:
    return build()
  path = Path(folder) / f"{fingerprint(sources, recipe)[:32]}.npz"
  if path.exists():
    try:
      return load(path)
    # A damaged zip shows itself in any of these ways, the CRC of each array included.
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, OSError) as error:
      print(f"{path} is corrupt ({error}); building it again")
  dataset = build()
  save(dataset, path)
  return dataset


def save(dataset: Dataset, path: Path) -> None:
  """Writes a data set beside `path`, then renames it to `path`."""
  arrays = {}
  for name, value in dataset._asdict().items():
    if isinstance(value, dict):
      arrays |= {f"{name}/{field}": array for field, array in value.items()}
    elif value is not None:
      arrays[name] = np.array(value, str) if isinstance(value, tuple) else value
  path.parent.mkdir(parents=True, exist_ok=True)
  aside = path.with_name(f".{path.name}.{os.getpid()}")
  try:
    with aside.open("wb") as file:
      np.savez(file, allow_pickle=False, **arrays)
    os.replace(aside, path)
  finally:
    with contextlib.suppress(FileNotFoundError):
      aside.unlink()


def load(path: Path) -> Dataset:
  """Reads what `save` wrote."""
  fields = {name: {} for name in ("ids", "dense", "vocab", "frozen")} | {"truth": None}
  # numpy leaves a file open that it opens itself and cannot read.
  with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
    for key in arrays.files:
      name, _, field = key.partition("/")
      if field:
        fields[name][field] = arrays[key]
      else:
        fields[name] = arrays[key]
  for name in ("domains", "notes"):
    fields[name] = tuple(str(value) for value in fields[name])
  if set(fields) != set(Dataset._fields):
    raise KeyError(f"it holds {', '.join(fields)}")
  return Dataset(**fields)
