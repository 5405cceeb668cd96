"""The best items for the users of a file, written to another."""

from pathlib import Path

import pyarrow as pa

from mamdr_jax import files
from mamdr_jax.serve.columns import whole
from mamdr_jax.serve.model import Model
from mamdr_jax.serve.raw import ERROR
from mamdr_jax.serve.writers import writer


def recommend_file(
  model: Model,
  source: Path,
  out: Path,
  *,
  top: int = 10,
  items: Path | str | None = None,
  seen: Path | str | None = None,
  unknown_domain: str = ERROR,
) -> int:
  """Writes `top` rows for each row of a file: its columns, then `rank`, the item, `probability`.

  Args:
    model: what scores.
    source: a .csv, .csv.gz or .parquet file of users and domains, and of what else a row has.
    out: likewise.
    top: see `Model.recommend`.
    items: a file with a column of items, to choose from, or "domain"; see `Model.recommend`.
    seen: a file with a user and an item in each row, which that user is not to get, or "training".
    unknown_domain: see `Model.score`.

  Returns:
    How many rows it wrote.

  Raises:
    ValueError: as for `score_file`, or an item to choose from is not known.
  """
  reader, asked = model.reader(unknown_domain), whole(source)
  item = reader.columns.ids["item"]
  more = ("rank", item, "probability")
  if taken := [name for name in more if name in asked.table.column_names]:
    raise ValueError(f"{source} has a column {taken[0]!r}, which is to be added; rename it")
  listed, had = (whole(x) if isinstance(x, Path) else x for x in (items, seen))
  best = model.best(reader, asked, top, listed, had)
  table = asked.table.take(pa.array(best["row"]))
  for name in more:
    table = table.append_column(name, pa.array(best["item" if name == item else name]))

  def fill(aside):
    with writer(aside, out, table.schema) as write:
      write(table)

  files.clear_parts(out.parent, out.name)  # of one that was killed
  files.write_aside(out, fill)
  return table.num_rows
