"""The rows of a CSV or Parquet file a block at a time, with all the columns that it has."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import csv
from pyarrow.parquet import ParquetFile

from mamdr_jax.data.delimited import BLOCK, broken, header_of, line_of, opened
from mamdr_jax.data.files import brief, explained
from mamdr_jax.data.parquet import BROKEN

ROWS = 2**18  # of a block, at most of a CSV file


def is_parquet(path: Path) -> bool:
  """What the ending of a name says; other files are CSV, gzipped where it is `.gz`."""
  return path.suffix == ".parquet"


def blocks(path: Path) -> Iterator[pa.Table]:
  """The rows in order, in blocks of one chunk; of a CSV file all columns are text as it stands.

  Raises:
    ValueError: the file is missing, empty or broken, names two columns alike, or a row has more or
      fewer cells than the header; what came before has then been given.
  """
  if not path.is_file():
    raise ValueError(f"{path} is not a file; expected a .csv, .csv.gz or .parquet file")
  some = False
  for block in (_parquet if is_parquet(path) else _csv)(path):
    some = some or block.num_rows > 0
    yield block
  if not some:
    raise ValueError(f"{path} has no rows")


def schema(path: Path) -> pa.Schema:
  """The columns of such a file."""
  if is_parquet(path):
    try:
      with ParquetFile(path) as file:
        return file.schema_arrow
    except BROKEN as error:
      raise ValueError(f"{path} cannot be parsed: {brief(error, 150)}") from None
  return pa.schema([(name, pa.string()) for name in header_of(path)[0]])


def place(path: Path, row: int) -> str:
  """Where a row stands, counted from 0."""
  return f"{path}, row {row + 1}" if is_parquet(path) else f"{path}, line {line_of(path, row + 1)}"


def num_rows(path: Path) -> int | None:
  """How many rows there are, where the file says so."""
  if not is_parquet(path):
    return None
  with ParquetFile(path) as file:
    return file.metadata.num_rows


def _parquet(path: Path) -> Iterator[pa.Table]:
  try:
    with ParquetFile(path) as file:
      for batch in file.iter_batches(batch_size=ROWS):
        yield pa.Table.from_batches([batch])
  except BROKEN as error:
    raise ValueError(f"{path} cannot be parsed: {brief(error, 150)}") from None


def _csv(path: Path) -> Iterator[pa.Table]:
  names, skip = header_of(path)
  if twice := sorted({name for name in names if names.count(name) > 1}):
    raise ValueError(f"{path} has two columns {twice[0]!r}, expected one")
  with explained(path), opened(path) as file:
    try:
      yield from _gathered(
        csv.open_csv(
          file,
          read_options=csv.ReadOptions(column_names=names, skip_rows=skip, block_size=BLOCK),
          parse_options=csv.ParseOptions(newlines_in_values=True),
          convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
          ),
        )
      )
    except pa.ArrowInvalid as error:
      if "Empty CSV" in str(error) or "Could not skip" in str(error):
        return
      raise broken(path, len(names), str(error)) from None


def _gathered(batches: csv.CSVStreamingReader) -> Iterator[pa.Table]:
  """Some parsed blocks together, so that a domain has more than a few of the rows."""
  waiting, count = [], 0
  for batch in batches:
    waiting.append(batch)
    count += batch.num_rows
    if count + batch.num_rows > ROWS:
      yield pa.Table.from_batches(waiting).combine_chunks()
      waiting, count = [], 0
  if waiting:
    yield pa.Table.from_batches(waiting).combine_chunks()
