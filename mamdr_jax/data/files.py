"""Text files, plain or gzipped: found, opened, and what is said of broken ones."""

import contextlib
import difflib
import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

LONGEST_LINE = 2**24  # characters


def open_text(path: Path, errors: str = "strict") -> IO[str]:
  """Opens UTF-8 text with or without a byte order mark, gzipped if its name ends so."""
  opened = gzip.open if path.suffix == ".gz" else open
  return opened(path, "rt", encoding="utf-8-sig", errors=errors, newline="")


def open_bytes(path: Path) -> IO[bytes]:
  """Opens a file, unpacked if its name ends in `.gz`."""
  return (gzip.open if path.suffix == ".gz" else open)(path, "rb")


def bounded_lines(path: Path, errors: str = "strict") -> Iterator[str]:
  """The lines of a text file; ValueError at one that no table has, before it fills the memory."""
  with explained(path), open_text(path, errors) as file:
    for line in iter(lambda: file.readline(LONGEST_LINE), ""):
      if len(line) == LONGEST_LINE:
        raise ValueError(f"{path} has a line of {LONGEST_LINE:,} characters or more")
      yield line


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
  """Turns what a broken file raises when it is read into a ValueError of one sentence."""
  try:
    yield
  except (EOFError, zlib.error, gzip.BadGzipFile) as error:
    raise ValueError(f"{path}: the gzip stream is truncated or corrupt ({error})") from None
  except UnicodeDecodeError as error:
    raise ValueError(f"{path} is not UTF-8: {error.reason}") from None


def find_file(folder: Path, names: Sequence[str]) -> list[Path]:
  """The files of `folder` with one of these names, in their order; FileNotFoundError if none."""
  if not folder.is_dir():
    raise FileNotFoundError(f"{folder} is not a folder; expected one that holds {names[0]}")
  found = [folder / name for name in names if (folder / name).is_file()]
  if not found:
    there = sorted(entry.name for entry in folder.iterdir())
    raise FileNotFoundError(
      f"{folder} has no {', '.join(names[:-1])} or {names[-1]}; it holds {listed(there)}"
    )
  return found


def check_columns(path: Path, wanted: Sequence[str], present: Sequence[str]) -> None:
  """Raises a ValueError if a column is missing, which suggests the near name, or is there twice."""
  for name in wanted:
    if name not in present:
      near = difflib.get_close_matches(name, present, n=1)
      hint = f"; did you mean {near[0]!r}?" if near else ""
      raise ValueError(f"{path} has no column {name!r}, only {listed(present)}{hint}")
    if list(present).count(name) > 1:
      raise ValueError(f"{path} has two columns {name!r}, expected one")


def listed(names: Sequence[str], most: int = 12) -> str:
  """Names in a sentence, the first few of many, each cut to what can be read."""
  more = f" and {len(names) - most:,} more" if len(names) > most else ""
  return (", ".join(brief(name) for name in names[:most]) or "nothing") + more


def brief(text: object, most: int = 40) -> str:
  """A cell or a name in a sentence: on one line, and cut to what can be read."""
  text = " ".join(str(text)[: 4 * most].split())
  return text if len(text) <= most else f"{text[:most]}…"
