"""Columns of strings as ids and numbers; every error names the file and the line.

The index of a column is the 1-based line in `path` (of Parquet: the row), and its name says which.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd


def place(path: Path, column: pd.Series, wrong: np.ndarray) -> str:
  """Where the first `wrong: [n]` cell of a column stands."""
  return f"{path}, {column.index.name} {column.index[int(np.argmax(wrong))]}"


def check_ids(path: Path, frame: pd.DataFrame, columns: Sequence[str]) -> None:
  """Raises a ValueError at the first empty id."""
  for name in columns:
    empty = (frame[name] == "").to_numpy()
    if empty.any():
      raise ValueError(f"{place(path, frame[name], empty)}: the {name} is empty, expected an id")


def integers(path: Path, column: pd.Series) -> np.ndarray:
  """A column of integer ids, `[n] int64`; ValueError at the first that is not one."""
  try:
    return column.to_numpy(object).astype(np.int64)
  except (ValueError, OverflowError):
    pass
  wrong = ~column.str.fullmatch(r"\s*[+-]?\d{1,18}\s*").to_numpy(bool)
  raise ValueError(
    f"{place(path, column, wrong)}: the {column.name} is {column[wrong].iloc[0]!r},"
    " expected an integer id"
  )


def numbers(path: Path, column: pd.Series) -> np.ndarray:
  """A column of numbers, `[n] float64`, NaN where a cell is empty or says nan.

  ValueError at the first cell that is neither.
  """
  values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
  odd = np.flatnonzero(~np.isfinite(values))
  wrong = np.zeros(len(values), bool)
  wrong[odd] = ~column.iloc[odd].str.strip().str.lower().isin(("", "nan")).to_numpy()
  if wrong.any():
    raise ValueError(
      f"{place(path, column, wrong)}: the {column.name} is {column[wrong].iloc[0]!r},"
      " expected a number"
    )
  return values


def one_of(path: Path, column: pd.Series, choices: dict[str, int]) -> np.ndarray:
  """The code of every cell, `[n] int8`; ValueError at the first that is no choice."""
  codes = column.str.strip().str.lower().str.removesuffix(".0").map(choices)
  wrong = codes.isna().to_numpy()
  if wrong.any():
    raise ValueError(
      f"{place(path, column, wrong)}: the {column.name} is {column[wrong].iloc[0]!r},"
      f" expected one of {', '.join(choices)}"
    )
  return codes.to_numpy(np.int8)
