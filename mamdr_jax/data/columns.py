"""Columns as ids and numbers; every error names the file and the line.

A column of text is categorical: every distinct text once, and a code per row, so that what is said
of a text is worked out once. The index of a column says where a row is: its `line` or, of Parquet,
its `row`, or which `record` of a CSV file it is, whose line is looked up when it is told.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from mamdr_jax.data.delimited import line_of
from mamdr_jax.data.files import brief

LONGEST_ID = 1000  # characters


def place(path: Path, column: pd.Series, wrong: np.ndarray) -> str:
  """Where the first `wrong: [n]` cell of a column stands."""
  name, at = column.index.name, int(column.index[int(np.argmax(wrong))])
  return f"{path}, line {line_of(path, at)}" if name == "record" else f"{path}, {name} {at}"


def identifiers(path: Path, frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
  """The frame with ids compared without the blanks around them.

  Raises:
    ValueError: at the first id that is empty, longer than any id, or that has a line end, which
      two stray quotes make of lines between them, or a character that arrays of text cannot end in.
  """
  made = {}
  for name in names:
    column = frame[name]
    known, codes = column.cat.categories.str.strip(), column.cat.codes.to_numpy()
    if not (known == column.cat.categories).all():
      same, known = pd.factorize(known)
      codes = same.astype(np.int32)[codes]
      column = pd.Series(pd.Categorical.from_codes(codes, known), column.index, name=name)
    for wrong, what in (
      (known == "", "is empty, expected an id"),
      (known.str.len() > LONGEST_ID, f"has more than {LONGEST_ID:,} characters, expected an id"),
      (known.str.contains("[\n\r\0]"), "has a line end or a NUL in it, expected an id"),
    ):
      if np.any(wrong):
        wrong = np.asarray(wrong)[codes]
        raise ValueError(f"{place(path, column, wrong)}: the {name} {what}")
    made[name] = column
  return frame.assign(**made)


def joined(columns: Sequence[pd.Series]) -> pd.Categorical | np.ndarray:
  """Columns one after the other, categories of text kept as such."""
  if isinstance(columns[0].dtype, pd.CategoricalDtype):
    return union_categoricals([column.cat.remove_unused_categories() for column in columns])
  return np.concatenate([column.to_numpy() for column in columns])


def integers(path: Path, column: pd.Series) -> np.ndarray:
  """A column of integer ids, `[n] int64`; ValueError at the first that is not one."""
  known, codes = column.cat.categories, column.cat.codes.to_numpy()
  right = np.asarray(known.str.fullmatch("[+-]?[0-9]{1,18}"))
  if not right.all():
    raise _odd(path, column, ~right[codes], "an integer id")
  return known.to_numpy(object).astype(np.int64)[codes]


def numbers(path: Path, column: pd.Series) -> np.ndarray:
  """A column of numbers, `[n] float64`, NaN where a cell is empty or says nan.

  ValueError at the first cell that is neither, or that float32 cannot hold.
  """
  if isinstance(column.dtype, pd.CategoricalDtype):
    known, codes = column.cat.categories, column.cat.codes.to_numpy()
    values = pd.to_numeric(known, errors="coerce").to_numpy(np.float64)
    empty = known.str.strip().str.lower().isin(("", "nan"))
    wrong, values = (np.isnan(values) & ~empty)[codes], values[codes]
    if wrong.any():
      raise _odd(path, column, wrong, "a number")
  else:
    values = column.to_numpy(np.float64)
  wrong = np.abs(values) > np.finfo(np.float32).max
  if wrong.any():
    raise _odd(path, column, wrong, "a number that float32 holds")
  return values


def filled(path: Path, column: pd.Series) -> np.ndarray:
  """As `numbers`; ValueError at the first cell that is empty."""
  values = numbers(path, column)
  if (empty := np.isnan(values)).any():
    raise ValueError(f"{place(path, column, empty)}: the {column.name} is empty, expected a number")
  return values


def times(path: Path, column: pd.Series, needed: bool = True) -> np.ndarray:
  """A column of times, `[n] float64`: numbers as they are, dates as seconds since 1970.

  NaN where a cell is empty or says nan, unless all are `needed`. ValueError at the first cell that
  is neither.
  """
  if isinstance(column.dtype, pd.CategoricalDtype):
    known, codes = column.cat.categories, column.cat.codes.to_numpy()
    values = pd.to_numeric(known, errors="coerce").to_numpy(np.float64).copy()
    dates = np.isnan(values)
    if dates.any():
      read = pd.to_datetime(known[dates].str.strip(), format="ISO8601", errors="coerce", utc=True)
      since = (read - pd.Timestamp(0, tz="UTC")).total_seconds().to_numpy(np.float64)
      values[dates] = since
    empty = np.asarray(known.str.strip().str.lower().isin(("", "nan")))
    values, empty = values[codes], empty[codes]
  else:
    values = column.to_numpy(np.float64)
    empty = np.isnan(values)
  if (wrong := ~np.isfinite(values) & (needed | ~empty)).any():
    raise _odd(path, column, wrong, "a time, as a number or a date such as 2024-01-31 12:00:00")
  return values


def one_of(path: Path, column: pd.Series, choices: dict[str, int]) -> np.ndarray:
  """The code of every cell, `[n] int8`; ValueError at the first that is no choice."""
  known, codes = column.cat.categories, column.cat.codes.to_numpy()
  chosen = known.str.strip().str.lower().str.removesuffix(".0").map(choices)
  wrong = np.asarray(chosen.isna())
  if wrong[codes].any():
    raise _odd(path, column, wrong[codes], f"one of {', '.join(choices)}")
  return chosen.to_numpy(np.int8)[codes]


def _odd(path: Path, column: pd.Series, wrong: np.ndarray, expected: str) -> ValueError:
  value = brief(column[wrong].iloc[0])
  return ValueError(
    f"{place(path, column, wrong)}: the {column.name} is {value!r}, expected {expected}"
  )
