"""Tables appended to a file, CSV or Parquet as its name ends."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.parquet import ParquetWriter

from mamdr_jax.data import streams

TEXT = pa.large_string()
SPECIAL = b'"', b",", b"\r", b"\n"  # what only a cell in quotes may have


@contextlib.contextmanager
def writer(aside: Path, out: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], object]]:
  """A function that appends a table of this schema to `aside`, a file of the kind of `out`."""
  if streams.is_parquet(out):
    with ParquetWriter(aside, schema) as made:
      yield made.write_table
    return
  if odd := [field for field in schema if pa.types.is_nested(field.type)]:
    raise ValueError(f"{out}: CSV has no cells of {odd[0].type}, as {odd[0].name!r} is; drop it")
  with pa.output_stream(str(aside), compression="gzip" if out.suffix == ".gz" else None) as file:
    file.write(lines([pa.array([name]) for name in schema.names]))
    yield lambda table: file.write(lines([column.combine_chunks() for column in table.columns]))


def lines(columns: list[pa.Array]) -> pa.Buffer:
  """Rows as lines of CSV: a cell has quotes around it only if it needs them.

  >>> columns = [pa.array(["a", "b, c", None]), pa.array([0.5, None, 2])]
  >>> lines(columns).to_pybytes().decode().splitlines()
  ['a,0.5', '"b, c",', ',2']
  """
  text = lambda x: pa.scalar(x, TEXT)
  join = lambda *parts: pc.binary_join_element_wise(
    *parts, null_handling="replace", null_replacement=""
  )

  def cells(column):
    made = pc.cast(column, TEXT)
    if pa.types.is_primitive(column.type) or not may_need_quotes(made):
      return made
    needy = pc.match_substring_regex(made, '[",\r\n]')
    if not pc.any(needy).as_py():
      return made
    doubled = pc.replace_substring(made, '"', '""')
    return pc.if_else(needy, join(text('"'), doubled, text('"'), text("")), made)

  rows = join(*map(cells, columns), text(","))
  return join(rows, text(""), text("\n")).buffers()[2]


def may_need_quotes(column: pa.Array) -> bool:
  """Whether any cell may: seen in all of the text, as a look at each cell takes half of writing."""
  data = column.buffers()[2]
  return data is not None and any(x in data.to_pybytes() for x in SPECIAL)
