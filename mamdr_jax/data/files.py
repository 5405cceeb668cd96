"""Text files as columns of strings, and errors that name the file and the line."""

import contextlib
import csv
import difflib
import gzip
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import pandas as pd


def open_text(path: Path) -> IO[str]:
  """Opens a text file, gzipped if its name ends so."""
  return (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8")


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
  """Turns what a parser raises on a broken file into a ValueError of one sentence."""
  try:
    yield
  except pd.errors.EmptyDataError:
    raise ValueError(f"{path} is empty") from None
  except (EOFError, zlib.error, gzip.BadGzipFile) as error:
    raise ValueError(f"{path}: the gzip stream is truncated or corrupt ({error})") from None
  except (pd.errors.ParserError, pd.errors.ParserWarning, UnicodeDecodeError) as error:
    raise ValueError(f"{path} cannot be parsed: {' '.join(str(error).split())}") from None


def find_file(folder: Path, names: Sequence[str]) -> list[Path]:
  """The files of `folder` with one of these names, in their order; FileNotFoundError if none."""
  if not folder.is_dir():
    raise FileNotFoundError(f"{folder} is not a folder; expected one that holds {names[0]}")
  found = [folder / name for name in names if (folder / name).is_file()]
  if not found:
    there = sorted(entry.name for entry in folder.iterdir())
    shown = ", ".join(there[:20]) + (f" and {len(there) - 20} more" if len(there) > 20 else "")
    raise FileNotFoundError(
      f"{folder} has no {', '.join(names[:-1])} or {names[-1]}; it holds {shown or 'nothing'}"
    )
  return found


def first_line(path: Path) -> list[str]:
  """The cells of the first line; ValueError if there is none."""
  with explained(path), open_text(path) as lines:
    line = lines.readline().lstrip("\ufeff")
  if not line.strip():
    raise ValueError(f"{path} is empty")
  return [cell.strip() for cell in next(csv.reader([line]))]


def check_columns(path: Path, wanted: Sequence[str], present: Sequence[str]) -> None:
  """Raises a ValueError that suggests the near name if a column is missing."""
  for name in wanted:
    if name not in present:
      near = difflib.get_close_matches(name, present, n=1)
      hint = f"; did you mean {near[0]!r}?" if near else ""
      raise ValueError(f"{path} has no column {name!r}, only {', '.join(present)}{hint}")


def read_columns(
  path: Path, columns: Mapping[str, str], *, names: Sequence[str] | None = None
) -> pd.DataFrame:
  """Columns of a CSV file as strings, "" where a cell is empty; `columns`: name here -> name there.

  The index is the 1-based line in the file. `names` are those of a file without a header. Blank
  lines are skipped. ValueError if the file is empty, broken, or lacks a column.
  """
  headed = names is None
  present = first_line(path) if headed else list(names)
  check_columns(path, list(columns.values()), present)
  with explained(path), warnings.catch_warnings():
    # All columns are read: with `usecols` pandas takes rows that are longer than the header. If
    # every row is, it only warns and cuts them.
    warnings.simplefilter("error", pd.errors.ParserWarning)
    read = pd.read_csv(
      path,
      header=0 if headed else None,
      names=None if headed else present,
      dtype=str,
      keep_default_na=False,
      skip_blank_lines=False,
      skipinitialspace=True,
      index_col=False,
    )
  frame = pd.DataFrame({here: read[there] for here, there in columns.items()})
  first = 2 if headed else 1
  frame.index = pd.RangeIndex(first, first + len(frame), name="line")
  frame = frame[~(frame == "").all(axis=1)]
  if frame.empty:
    raise ValueError(f"{path} has no rows")
  return frame
