"""Rows that a caller in Python gives, as a table of Arrow."""

import functools
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from mamdr_jax.data import streams
from mamdr_jax.serve.raw import Source

ROWS = Path("the rows")  # what an error calls them


def given(rows) -> Source:
  """Rows that come from no file."""
  return Source(ROWS, table_of(rows), lambda row: f"row {row}")


def table_of(rows) -> pa.Table:
  """Columns as Arrow has them; a single value is repeated."""
  if isinstance(rows, pa.Table):
    return rows
  if isinstance(rows, Mapping):
    sizes = {len(x) for x in rows.values() if not _single(x)}
    if len(sizes) > 1:
      raise ValueError(f"columns have {' and '.join(map(str, sorted(sizes)))} rows")
    size = sizes.pop() if sizes else 1
    return pa.table({name: _column(name, values, size) for name, values in rows.items()})
  return pa.Table.from_pandas(rows, preserve_index=False)


def _column(name: str, values, size: int) -> pa.Array:
  try:
    return pa.array([values] * size if _single(values) else values)
  except pa.ArrowException as error:
    raise ValueError(f"column {name!r}: {error}") from None


def _single(value) -> bool:
  return isinstance(value, str) or not hasattr(value, "__len__")


def whole(path: Path) -> Source:
  """All rows of a file."""
  table = pa.concat_tables(streams.blocks(path)).combine_chunks()
  return Source(path, table, functools.partial(streams.place, path))
