"""Arrays in files of their own, written block by block and mapped when they are read.

What is told of each, its shape, type, size and checksums, is kept elsewhere, and what is there is
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
PIECE = 2**20  # bytes of a file that have a checksum of their own
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
  header, sums = io.BytesIO(), Sums()
  descr = np.lib.format.dtype_to_descr(of.dtype)
  layout = {"descr": descr, "fortran_order": False, "shape": of.shape}
  np.lib.format.write_array_header_1_0(header, layout)
  with path.open("wb") as file:
    file.write(header.getvalue())
    sums.add(header.getvalue())
    for part in of.parts:
      data = np.ascontiguousarray(part).view(np.uint8).data.cast("B") if part.size else b""
      file.write(data)
      sums.add(data)
    file.flush()
    os.fsync(file.fileno())
  told = {"file": path.name, "shape": of.shape, "dtype": of.dtype.str}
  return files.plain(told | {"bytes": sums.size, "crc": sums.whole, "pieces": sums.pieces})


class Sums:
  """Checksums of a file that grows: of all of it, and of every `PIECE`."""

  def __init__(self):
    self.size, self.whole, self.pieces = 0, 0, []

  def add(self, data) -> None:
    self.whole, data = zlib.crc32(data, self.whole), memoryview(data)
    while data:
      begun = self.size % PIECE
      if not begun:
        self.pieces.append(0)
      some, data = data[: PIECE - begun], data[PIECE - begun :]
      self.pieces[-1] = zlib.crc32(some, self.pieces[-1])
      self.size += len(some)


def described(told) -> bool:
  """Whether something is what `write` says of an array; once it said nothing of pieces."""
  kinds = {"file": str, "shape": list, "dtype": str, "bytes": int, "crc": int}
  if not isinstance(told, Mapping) or any(not isinstance(told.get(k), t) for k, t in kinds.items()):
    return False
  pieces = told.get("pieces")
  return pieces is None or (isinstance(pieces, list) and len(pieces) == -(-told["bytes"] // PIECE))


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


class Checked:
  """An array that something was told of, mapped: each piece of its file is compared with its
  checksum before it is read for the first time. One of which no pieces were told is compared whole.

  It is asked for rows, or for all as `np.asarray` does.

  Raises:
    ValueError: as for `read`; when rows are asked for, that the file was altered.
  """

  def __init__(self, folder: Path, told: Mapping):
    self._array, self._path = read(folder, told), folder / told["file"]
    self.shape, self.dtype, self.size = self._array.shape, self._array.dtype, self._array.size
    self._begin, self._width = told["bytes"] - self._array.nbytes, self._array[:1].nbytes
    self._told = told.get("pieces") or [told["crc"]]
    self._piece = PIECE if told.get("pieces") else max(1, told["bytes"])
    self._unread = np.ones(len(self._told), bool)

  def __getitem__(self, rows: np.ndarray) -> np.ndarray:
    """Of rows by their numbers, [n] -> [n, ...]."""
    if self._unread.any() and rows.size and self._width:
      first = self._begin + np.asarray(rows, np.int64) * self._width
      begins, ends = first // self._piece, (first + self._width - 1) // self._piece + 1
      change = np.bincount(begins, minlength=self._unread.size + 1)
      change -= np.bincount(ends, minlength=self._unread.size + 1)
      self._check(np.cumsum(change)[:-1] > 0)
    return self._array[rows]

  def __array__(self, dtype=None, copy=None) -> np.ndarray:
    self._check(np.ones_like(self._unread))
    return np.array(self._array, dtype, copy=copy)

  def _check(self, wanted: np.ndarray) -> None:
    """Compares those of the pieces, [n] bool, that have not been."""
    every = np.memmap(self._path, np.uint8, "r")
    for i in np.flatnonzero(wanted & self._unread).tolist():
      if zlib.crc32(every[i * self._piece : (i + 1) * self._piece]) != self._told[i]:
        raise altered(self._path)
      self._unread[i] = False


def check(path: Path, told: Mapping) -> None:
  """Raises a ValueError if a file is not the one of which size and checksum were told."""
  check_size(path, told)
  if checksum(path) != told["crc"]:
    raise altered(path)


def altered(path: Path) -> ValueError:
  return ValueError(f"{path} was altered: its checksum is another")


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
