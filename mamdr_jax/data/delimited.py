"""CSV files: the columns that are named, and no more than those in memory."""

import csv
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow

from mamdr_jax.data.files import (
  LONGEST_LINE,
  bounded_lines,
  brief,
  check_columns,
  explained,
  open_bytes,
)

TEXT = pa.dictionary(pa.int32(), pa.string())  # every distinct cell once, and a code per row
BLOCK = 2**22  # bytes that are parsed at a time; no row may be longer
FEW = 2**18  # texts that may wait to be compared with those that are known


def read_columns(
  path: Path,
  columns: Mapping[str, str],
  *,
  numbers: Collection[str] = (),
  names: Sequence[str] | None = None,
  delimiter: str = ",",
) -> pd.DataFrame:
  """Columns of a CSV file; blank lines are skipped, and blanks around a name in the header.

  Args:
    path: the file, gzipped if its name ends in `.gz`.
    columns: name here -> name there.
    numbers: names here of columns that are float64, NaN where empty, if all their cells are numbers
      or empty; other columns are categories of text.
    names: those of a file without a header.
    delimiter: the character between cells.

  Returns:
    A frame whose index `record` counts lines that are not blank, from 0 with the header. See
    `line_of`.

  Raises:
    ValueError: the file is empty or broken, lacks a column or has it twice, or a row has more or
      fewer cells than the header.
  """
  header, skip = (list(names), 0) if names else header_of(path, delimiter)
  check_columns(path, list(columns.values()), header)
  at = {here: str(header.index(there)) for here, there in columns.items()}
  kinds = {at[here]: pa.float64() if here in numbers else TEXT for here in columns}
  try:
    made = _parse(path, len(header), skip, kinds, delimiter)
  except pa.ArrowInvalid as error:
    if "conversion error to double" not in str(error):
      raise broken(path, len(header), str(error), delimiter) from None
    # A cell is no number, or is one in a way of writing of its own: `columns.numbers` will say.
    made = _parse(path, len(header), skip, dict.fromkeys(kinds, TEXT), delimiter)
  frame = pd.DataFrame({here: made[name] for here, name in at.items()}, copy=False)
  if frame.empty:
    raise ValueError(f"{path} has no rows")
  first = 0 if names else 1
  frame.index = pd.RangeIndex(first, first + len(frame), name="record")
  return frame


def read_separated(path: Path, names: Sequence[str], separator: str) -> pd.DataFrame:
  """All columns of a file without a header, as text; `separator` is a character, once or more.

  Raises:
    ValueError: as `read_columns`.
  """
  # Between the characters of a separator lie cells that are empty.
  filler = lambda k: [f"{names[k]}{i}" for i in range(len(separator) - 1)]
  every = [cell for k, name in enumerate(names) for cell in (name, *filler(k))]
  every = every[: len(every) - len(separator) + 1]
  return read_columns(path, {name: name for name in names}, names=every, delimiter=separator[0])


def as_pandas(column: pa.ChunkedArray) -> pd.Categorical | np.ndarray:
  """A column of numbers, or of codes of text, without a Python object per text."""
  if not column.num_chunks:
    return pd.Categorical([])
  return _whole(map(_cells, column.chunks), column)


def _cells(part: pa.Array) -> np.ndarray:
  """Numbers, or codes of text."""
  coded = pa.types.is_dictionary(part.type)
  return (part.indices if coded else part).to_numpy(zero_copy_only=False)


def _whole(parts: Iterable[np.ndarray], like: pa.ChunkedArray) -> pd.Categorical | np.ndarray:
  """`_cells` part after part, codes with the texts that `like` has in its dictionary."""
  whole = np.concatenate(list(parts))
  if not pa.types.is_dictionary(like.type):
    return whole
  text = pd.array(like.chunk(0).dictionary, pd.StringDtype("pyarrow", na_value=np.nan))
  return pd.Categorical.from_codes(whole, pd.Index(text))


def line_of(path: Path, record: int) -> int:
  """The line, from 1, where a record begins that `read_columns` numbers so."""
  return next(line for k, (line, _) in enumerate(records(path)) if k == record)


def first_cells(path: Path, delimiter: str = ",") -> list[str]:
  """The cells of the first line, without blanks around; ValueError if the file is empty."""
  for _, cells in records(path, delimiter):
    return [cell.strip().lstrip("\ufeff").strip() for cell in cells]
  raise ValueError(f"{path} is empty")


def records(path: Path, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
  """The line where it begins, and the cells, of every record that is not a blank line."""
  limit = csv.field_size_limit(LONGEST_LINE)
  try:
    reader = csv.reader(bounded_lines(path, errors="replace"), delimiter=delimiter)
    line = 1
    for cells in reader:
      if cells:
        yield line, cells
      line = reader.line_num + 1
  except csv.Error as error:
    raise ValueError(f"{path}, line {reader.line_num} cannot be parsed: {error}") from None
  finally:
    csv.field_size_limit(limit)


def header_of(path: Path, delimiter: str = ",") -> tuple[list[str], int]:
  """The names of the columns, and how many lines they take with the blank ones before."""
  names, lines = first_cells(path, delimiter), 0
  for k, (line, _) in enumerate(records(path)):
    lines = line
    if k == 1:
      return names, line - 1
  return names, lines


def _parse(
  path: Path, width: int, skip: int, kinds: Mapping[str, pa.DataType], delimiter: str
) -> dict[str, pd.Categorical | np.ndarray]:
  """Columns by their place in the line, "0" the first."""
  with explained(path), opened(path) as file:
    try:
      return _joined(
        arrow.open_csv(
          file,
          read_options=arrow.ReadOptions(
            column_names=[str(k) for k in range(width)], skip_rows=skip, block_size=BLOCK
          ),
          parse_options=arrow.ParseOptions(delimiter=delimiter, newlines_in_values=True),
          convert_options=arrow.ConvertOptions(
            column_types=dict(kinds),
            include_columns=list(kinds),
            null_values=["", "nan", "NaN", "NAN"],
            strings_can_be_null=False,
          ),
        )
      )
    except pa.ArrowInvalid as error:
      if "Empty CSV" in str(error) or "Could not skip" in str(error):
        raise ValueError(f"{path} has no rows") from None
      raise


def _joined(blocks: arrow.CSVStreamingReader) -> dict[str, pd.Categorical | np.ndarray]:
  """The columns of all blocks, each of which comes with the texts that are in it.

  Those are compared with the known ones whenever they are as many: so time stays linear, and memory
  is that of the distinct texts and of a code per row.
  """
  parts = {name: [] for name in blocks.schema.names}
  known, waiting, num_known, num_waiting = blocks.schema.empty_table(), [], 0, 0

  def join():
    # Texts that are known keep their codes, since those of the first part come first.
    table = pa.concat_tables([known, pa.Table.from_batches(waiting, blocks.schema)])
    table = table.unify_dictionaries()
    for name, column in zip(table.column_names, table.columns, strict=True):
      parts[name] += map(_cells, column.chunks)
    return table.slice(0, 0)

  for block in blocks:
    waiting.append(block)
    num_waiting += _num_texts(block.columns)
    if num_waiting > max(num_known, FEW):
      known, waiting, num_waiting = join(), [], 0
      num_known = _num_texts(column.chunk(0) for column in known.columns)
  known = join()
  columns = zip(known.column_names, known.columns, strict=True)
  return {name: _whole(parts.pop(name), column) for name, column in columns}


def _num_texts(columns: Iterable[pa.Array]) -> int:
  return sum(len(x.dictionary) for x in columns if pa.types.is_dictionary(x.type))


def opened(path: Path) -> pa.NativeFile:
  """A file for Arrow, unpacked if its name ends in `.gz`."""
  return pa.PythonFile(open_bytes(path), "r") if path.suffix == ".gz" else pa.OSFile(str(path))


def broken(path: Path, width: int, message: str, delimiter: str = ",") -> ValueError:
  """What is wrong with a file that cannot be parsed, with the line where it is found."""
  if "columns, got" in message:
    for line, cells in records(path, delimiter):
      if len(cells) != width:
        return ValueError(f"{path}, line {line}: expected {width} cells, found {len(cells)}")
  if "UTF8" in message:
    with explained(path), open_bytes(path) as lines:
      for line, text in enumerate(lines, 1):
        try:
          text.decode()
        except UnicodeDecodeError as error:
          return ValueError(f"{path}, line {line} is not UTF-8: {error.reason}")
  return ValueError(f"{path} cannot be parsed: {brief(message, 150)}")
