"""A data set as a folder of `.npy` files, filled a part at a time and read back mapped."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mamdr_jax import files
from mamdr_jax.data import cache
from mamdr_jax.data.dataset import Dataset

# (name, shape, type) -> an array to be filled; names are those of `cache.flat`.
Empty = Callable[[str, tuple[int, ...], type], np.ndarray]


def mapped(
  build: Callable[[Empty], Dataset], recipe: Mapping[str, Any], folder: str | os.PathLike | None
) -> Dataset:
  """`build(empty)`, the arrays that it asks `empty` for in memory; or with a folder on disk.

  There they are files of a folder of its own, named by the recipe, which is whole or not there. The
  next call with this recipe maps them again. If they are damaged they are built anew, and a line
  says so.
  """
  if not folder:
    return build(lambda name, shape, dtype: np.empty(shape, dtype))
  path = Path(folder) / cache.fingerprint([], recipe)[:32]
  if path.exists():
    try:
      return load(path)
    except (ValueError, OSError) as error:
      print(f"{path} is corrupt ({error}); building it again")
      files.remove(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  files.clear_parts(path.parent)
  try:
    files.write_aside(path, partial(_write, build))
  except OSError:
    if not path.is_dir():  # where it is, another process has been as quick
      raise
  return load(path)


def load(path: Path) -> Dataset:
  """The data set in a folder, its arrays mapped read-only; ValueError if a file is damaged."""
  found = {file.stem: files.read_array(file) for file in sorted(path.glob("*.npy"))}
  return cache.unflat({name.replace(".", "/"): array for name, array in found.items()})


def _write(build, folder: Path) -> None:
  folder.mkdir()
  arrays = cache.flat(build(partial(_column, folder)))
  for name, array in arrays.items():
    if isinstance(array, np.memmap):
      array.flush()
    else:
      np.save(_file(folder, name), array)
    files.sync(_file(folder, name))


def _column(folder: Path, name: str, shape, dtype) -> np.ndarray:
  path = _file(folder, name)
  array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
  # A disk that is full is an error here; to write into a map without room ends the process.
  with path.open("r+b") as file:
    os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
  return array


def _file(folder: Path, name: str) -> Path:
  return folder / f"{name.replace('/', '.')}.npy"
