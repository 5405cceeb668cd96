"""What was built, kept on disk under a fingerprint of its sources and its recipe."""

import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mamdr_jax import files
from mamdr_jax.data.dataset import Dataset


def fingerprint(sources: Iterable[Path], recipe: Mapping[str, Any]) -> str:
  """SHA-256 of the contents of the sources in order, the options, and the code that reads them."""
  told = hashlib.sha256(json.dumps([code(), recipe], sort_keys=True).encode())
  for source in sources:
    with open(source, "rb") as file:
      told.update(hashlib.file_digest(file, "sha256").digest())
  return told.hexdigest()


@functools.cache
def code() -> str:
  """A fingerprint of this folder's source, a change of which may give other rows."""
  told = hashlib.sha256()
  for path in sorted(Path(__file__).parent.glob("*.py")):
    told.update(path.read_bytes())
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
  sources = list(sources)
  if not folder:
    return _built(build, sources)
  path = Path(folder) / f"{fingerprint(sources, recipe)[:32]}.npz"
  if path.exists():
    try:
      return load(path)
    except (ValueError, OSError) as error:
      print(f"{path} is corrupt ({error}); building it again")
  dataset = _built(build, sources)
  save(dataset, path)
  return dataset


def _built(build: Callable[[], Dataset], sources: list[Path]) -> Dataset:
  """`build()`; an error of the rows as a whole names the file, or of several the folder."""
  try:
    return build()
  except ValueError as error:
    source = sources[0] if len(sources) == 1 else sources[0].parent
    if str(source) in str(error):
      raise
    raise ValueError(f"{source}: {error}") from None


def save(dataset: Dataset, path: Path) -> None:
  """Writes a data set beside `path`, then renames it to `path`."""
  path.parent.mkdir(parents=True, exist_ok=True)
  files.clear_parts(path.parent)
  files.write_arrays(path, flat(dataset))


def load(path: Path) -> Dataset:
  """Reads what `save` wrote."""
  return unflat(files.read_arrays(path))


def flat(dataset: Dataset) -> dict[str, np.ndarray]:
  """The arrays of a data set by name: "label", "ids/user"; its texts are arrays as well."""
  arrays = {}
  for name, value in dataset._asdict().items():
    if isinstance(value, dict):
      arrays |= {f"{name}/{field}": array for field, array in value.items()}
    elif value is not None:
      arrays[name] = np.array(value, str) if isinstance(value, tuple) else value
  return arrays


def unflat(arrays: Mapping[str, np.ndarray]) -> Dataset:
  """The data set of which `flat` gave these arrays; ValueError if there is none."""
  fields = {name: {} for name in ("ids", "dense", "vocab", "frozen", "moments")} | {"truth": None}
  for key, array in arrays.items():
    name, _, field = key.partition("/")
    if field:
      fields.setdefault(name, {})[field] = array
    else:
      fields[name] = array
  if set(fields) != set(Dataset._fields):
    raise ValueError(f"it holds {', '.join(fields)}, expected {', '.join(Dataset._fields)}")
  for name in ("domains", "notes"):
    fields[name] = tuple(str(value) for value in fields[name])
  return Dataset(**fields)
