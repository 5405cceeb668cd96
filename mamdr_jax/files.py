"""Files that are whole or not there, and damage that is told in one sentence."""

import json
import os
import shutil
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

PART = ".part"
# What a run leaves in its workdir; see `mamdr_jax.workdir`.
CONFIG, METRICS, RESULT, RUNS = "config.json", "metrics.jsonl", "result.json", "runs"
IDS, GROUP, CSV, CURVES = "ids.npz", "group.npz", "runs.csv", "auc.png"
MODEL, SHARDS, LOGS = "model", "shards", "logs"
DOMAINS = "result.domains.npz"  # of very many domains, what `result.json` says of each
# What a file that was cut short or altered makes zipfile, zlib and NumPy raise.
DAMAGE = (
  *(zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, ValueError),
  *(TypeError, SyntaxError, OverflowError, tokenize.TokenError, struct.error),
)


def write_aside(path: Path, write: Callable[[Path], object]) -> None:
  """Has `write` fill a file or folder beside `path`, and renames it: never is `path` half-written.

  The file is on disk before it is renamed, and the name before this returns. Processes that share
  a folder do not meet in the file beside.

  Raises:
    OSError: it cannot be written; the message names `path`.
  """
  aside = path.with_name(f"{path.name}.{os.getpid()}{PART}")
  try:
    write(aside)
    sync(aside)
    os.replace(aside, path)
    sync(path.parent)
  except OSError as error:
    raise named(error, path) from error
  finally:
    remove(aside)


def sync(path: Path) -> None:
  """Returns once what was written to a file, or renamed in a folder, is on disk."""
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)


def named(error: OSError, path: Path) -> OSError:
  """The same error with a file named, which a full disk's lacks."""
  return type(error)(error.errno, error.strerror or str(error), str(path))


def clear_parts(folder: Path, name: str | None = None) -> None:
  """Removes the files and folders aside that processes which have ended left in a folder.

  Args:
    folder: where.
    name: those that were to become that; by default all.
  """
  for part in folder.glob(f"*{PART}"):
    meant, _, process = part.name.removesuffix(PART).rpartition(".")
    if name in (None, meant) and process.isdigit() and not _alive(int(process)):
      remove(part)


def remove(path: Path) -> None:
  """Removes a file, or a folder with all that is in it; or nothing, where nothing is."""
  if path.is_dir() and not path.is_symlink():
    shutil.rmtree(path)
  else:
    path.unlink(missing_ok=True)


def _alive(process: int) -> bool:
  try:
    os.kill(process, 0)
  except ProcessLookupError:
    return False
  except OSError:
    pass  # somebody else's
  return process != os.getpid()


def write_text(path: Path, text: str) -> None:
  """Writes `text` as UTF-8, in whole or not at all."""
  write_aside(path, lambda aside: aside.write_text(text, encoding="utf-8"))


def write_json(path: Path, value) -> None:
  """Writes `value` in whole or not at all; arrays become lists, NaN becomes null."""
  write_text(path, json.dumps(plain(value), indent=2, allow_nan=False) + "\n")


def read_json(path: Path):
  """The value of a JSON file.

  Raises:
    ValueError: it is missing or is not JSON.
  """
  try:
    return json.loads(path.read_text(encoding="utf-8"))
  except FileNotFoundError:
    raise ValueError(f"{path} is missing: that run has not finished, or it is no workdir") from None
  except json.JSONDecodeError as error:
    raise ValueError(f"{path}, line {error.lineno}: expected JSON: {error.msg}") from None
  except (RecursionError, ValueError) as error:  # nested too deeply, too long a number, no UTF-8
    raise ValueError(f"{path}: expected JSON: {str(error).splitlines()[0]}") from None


def append_line(path: Path, value: Mapping) -> None:
  """Appends `value` as one line of JSON that is on disk when this returns, and its checksum."""
  line = (sealed(value) + "\n").encode()
  try:
    with path.open("ab") as file:
      file.write(line)
      file.flush()
      os.fsync(file.fileno())
  except OSError as error:
    raise named(error, path) from error


def sealed(value: Mapping) -> str:
  """`value` as one line of JSON, which `opened` knows to be whole."""
  text = json.dumps(plain(value), allow_nan=False)
  return f'{text[:-1]}, "crc": {zlib.crc32(text.encode())}}}'


def opened(line: str) -> dict | None:
  """What `sealed` was given, or None if the line was cut short or altered since."""
  text, found, crc = line.rstrip("\n").rpartition(', "crc": ')
  whole = bool(found) and crc[-1:] == "}" and crc[:-1].isascii() and crc[:-1].isdigit()
  text += "}"
  if not whole or int(crc[:-1]) != zlib.crc32(text.encode()):
    return None
  return json.loads(text)


def plain(value):
  """Nested dicts, tuples and arrays as JSON has them."""
  if isinstance(value, Mapping):
    return {str(key): plain(v) for key, v in value.items()}
  if isinstance(value, list | tuple):
    return [plain(v) for v in value]
  if hasattr(value, "__array__"):
    return plain(np.asarray(value).tolist())
  if isinstance(value, float) and not np.isfinite(value):
    return None
  return value


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
  """Writes an `.npz`, in whole or not at all; every array in it carries a checksum."""

  def write(aside):
    with aside.open("wb") as file:
      np.savez(file, **arrays)

  write_aside(path, write)


def read_arrays(path: Path, most_bytes: int | None = None) -> dict[str, np.ndarray]:
  """The arrays of an `.npz`, all of them checked.

  Args:
    path: the file.
    most_bytes: that they may take; by default 8 GiB more than the file, since `write_arrays` does
      not compress. Checked before memory is taken.

  Raises:
    ValueError: the file is damaged, larger than that, or holds Python objects.
  """
  try:
    with zipfile.ZipFile(path) as archive:
      needed = sum(entry.file_size for entry in archive.infolist())
    limit = path.stat().st_size + 2**33 if most_bytes is None else most_bytes
    if needed > limit:
      raise ValueError(f"it unpacks to {needed:,} bytes, where at most {limit:,} were expected")
    with np.load(path, allow_pickle=False) as arrays:
      return {name: arrays[name] for name in arrays.files}
  except DAMAGE as error:
    told = (str(error).splitlines() or [type(error).__name__])[0]
    raise ValueError(f"{path} is damaged or no .npz file: {told}") from None


def check_arrays(path: Path) -> None:
  """Raises what `read_arrays` does if a file is damaged, with no array of it in memory."""
  try:
    with zipfile.ZipFile(path) as archive:
      if name := archive.testzip():
        raise ValueError(f"{name!r} has another checksum")
  except DAMAGE as error:
    told = (str(error).splitlines() or [type(error).__name__])[0]
    raise ValueError(f"{path} is damaged or no .npz file: {told}") from None


def read_array(path: Path) -> np.ndarray:
  """The array of an `.npy`, mapped and not yet in memory.

  Raises:
    ValueError: the file is damaged, or holds Python objects.
  """
  try:
    return np.lib.format.open_memmap(path, mode="r")
  except DAMAGE as error:
    told = (str(error).splitlines() or [type(error).__name__])[0]
    raise ValueError(f"{path} is damaged or no .npy file: {told}") from None
