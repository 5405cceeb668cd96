"""Arrays in files of their own, written block by block and mapped when they are read.

What is told of each, its shape, type, size and checksum, is kept elsewhere, and what is there is
compared with it.
"""

import io
import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from mamdr_jax import files

BLOCK = 2**24  # bytes that are in memory at a time
NAME = re.compile(r"[0-9]{4,}\.npy")
HALF = np.dtype("V2")  # as NumPy writes bfloat16


class Blocks(NamedTuple):
  """An array, some rows of it after the other."""

  shape: tuple[int, ...]
  dtype: np.dtype
  parts: Iterator[np.ndarray]


def blocks(array: np.ndarray) -> Blocks:
  """Those of an array that is at hand, perhaps mapped."""
  array = np.asarray(array)
  step = max(1, BLOCK // max(1, array[:1].nbytes)) if array.ndim else 1
  bounds = range(0, len(array), step) if array.ndim else ()
  parts = (array[i : i + step] for i in bounds) if array.ndim else iter([array])
  return Blocks(array.shape, array.dtype, parts)


def of_npz(archive: zipfile.ZipFile, name: str) -> Blocks:
  """Those of an array in an `.npz`, which the archive compares with its checksum at the end."""
  file = archive.open(f"{name}.npy")
  np.lib.format.read_magic(file)
  shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
  if fortran or dtype.hasobject:
    raise ValueError(f"{name!r} is not in the order of C, or holds Python objects")
  width = int(np.prod(shape[1:])) * dtype.itemsize
  step = max(1, BLOCK // max(1, width)) * width if shape else dtype.itemsize

  def parts():
    with file:
      while data := file.read(step):
        rows = np.frombuffer(data, dtype)
        yield rows.reshape(-1, *shape[1:]) if shape else rows.reshape(())

  return Blocks(shape, dtype, parts())


def with_mean(of: Blocks) -> Blocks:
  """The same with one row more, the mean of all: [N, ...] -> [N + 1, ...]."""

  def parts():
    total = np.zeros(of.shape[1:])
    for part in of.parts:
      total += part.sum(axis=0, dtype=np.float64)
      yield part
    yield (total / max(1, of.shape[0])).astype(of.dtype)[None]

  return Blocks((of.shape[0] + 1, *of.shape[1:]), of.dtype, parts())


def write(path: Path, of: Blocks) -> dict:
  """Writes an `.npy`, on disk when this returns, and says what is to be told of it."""
  header = io.BytesIO()
  descr = np.lib.format.dtype_to_descr(of.dtype)
  layout = {"descr": descr, "fortran_order": False, "shape": of.shape}
  np.lib.format.write_array_header_1_0(header, layout)
  crc = zlib.crc32(header.getvalue())
  with path.open("wb") as file:
    file.write(header.getvalue())
    for part in of.parts:
      data = np.ascontiguousarray(part).view(np.uint8).data if part.size else b""
      file.write(data)
      crc = zlib.crc32(data, crc)
    file.flush()
    os.fsync(file.fileno())
    size = file.tell()
  told = {"file": path.name, "shape": of.shape, "dtype": of.dtype.str, "bytes": size, "crc": crc}
  return files.plain(told)


def described(told) -> bool:
  """Whether something is what `write` says of an array."""
  kinds = {"file": str, "shape": list, "dtype": str, "bytes": int, "crc": int}
  return isinstance(told, Mapping) and all(isinstance(told.get(k), t) for k, t in kinds.items())


def read(folder: Path, told: Mapping) -> np.ndarray:
  """The array that something was told of, mapped; bfloat16 as such.

  Raises:
    ValueError: it is missing, or has another size, shape or type.
  """
  if not NAME.fullmatch(told["file"]):
    raise ValueError(f"{folder}: expected the name of an .npy file, found {told['file'][:60]!r}")
  path = folder / told["file"]
  check_size(path, told)
  array = files.read_array(path)
  if (list(array.shape), array.dtype.str) != (told["shape"], told["dtype"]):
    raise ValueError(
      f"{path} holds {array.dtype.str} {array.shape}, expected {told['dtype']} {told['shape']}"
    )
  return array.view(jnp.bfloat16) if array.dtype == HALF else array


def check(path: Path, told: Mapping) -> None:
  """Raises a ValueError if a file is not the one of which size and checksum were told."""
  check_size(path, told)
  if checksum(path) != told["crc"]:
    raise ValueError(f"{path} was altered: its checksum is another")


def check_size(path: Path, told: Mapping) -> None:
  """Likewise, of its size alone."""
  if not path.is_file():
    raise ValueError(f"{path} is missing")
  if path.stat().st_size != told["bytes"]:
    raise ValueError(
      f"{path} has {path.stat().st_size:,} bytes, expected {told['bytes']:,}: it was cut short or "
      "replaced"
    )


def checksum(path: Path) -> int:
  """Of all that is in a file."""
  crc = 0
  with path.open("rb") as file:
    while data := file.read(BLOCK):
      crc = zlib.crc32(data, crc)
  return crc
