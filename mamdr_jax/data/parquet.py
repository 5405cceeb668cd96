"""Parquet files: the columns that are named, as a CSV file would give them."""

from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types
from pyarrow.parquet import ParquetFile

from mamdr_jax.data.delimited import as_pandas
from mamdr_jax.data.files import brief, check_columns

BROKEN = (pa.ArrowException, OSError, MemoryError, UnicodeDecodeError, OverflowError)


def read_columns(
  path: Path, columns: Mapping[str, str], *, numbers: Collection[str] = ()
) -> pd.DataFrame:
  """Columns, name here -> name there, as `delimited.read_columns` gives them, indexed by `row`.

  What is missing is an empty text, or NaN. Truth values are 0 and 1, times are numbers that grow.

  Raises:
    ValueError: the file is empty or broken, lacks a column, or has lists and the like in one.
  """
  try:
    with ParquetFile(path) as file:
      present = file.schema_arrow.names
      check_columns(path, list(columns.values()), present)
      table = file.read(columns=sorted(set(columns.values())))
      made = {
        here: as_pandas((_number if here in numbers else text)(path, there, table[there]))
        for here, there in columns.items()
      }
  except BROKEN as error:
    raise ValueError(f"{path} cannot be parsed: {brief(error, 150)}") from None
  frame = pd.DataFrame(made, copy=False)
  if frame.empty:
    raise ValueError(f"{path} has no rows")
  frame.index = pd.RangeIndex(1, len(frame) + 1, name="row")
  return frame


def _number(path: Path, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
  kind = column.type
  if types.is_temporal(kind) and not types.is_time(kind):
    column = pc.cast(pc.cast(column, pa.timestamp("us"), safe=False), pa.int64())
  elif not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
    return text(path, name, column)
  return pc.cast(column, pa.float64(), safe=False)


def text(path: Path, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
  """Any column as codes of text, what is missing as an empty one."""
  kind = column.type
  if types.is_dictionary(kind):
    return text(path, name, pc.cast(column, kind.value_type))
  if types.is_nested(kind):
    raise ValueError(f"{path}: column {name!r} is of {brief(kind)}, expected text or numbers")
  if types.is_boolean(kind):
    column = pc.cast(column, pa.int8())
  if types.is_floating(kind):
    column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
  column = pc.fill_null(pc.cast(column, pa.string()), "")
  return column.dictionary_encode().unify_dictionaries()
