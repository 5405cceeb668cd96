"""A stored model in Python."""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from mamdr_jax.calibration import corrected, probability
from mamdr_jax.data import streams
from mamdr_jax.serve import base_rates as rates
from mamdr_jax.serve.predict import Predictor, Rows
from mamdr_jax.serve.raw import ERROR, Columns, Reader, Source, columns_of, fields
from mamdr_jax.serve.recommend import Recommender
from mamdr_jax.serve.stored import Stored, read, with_features

ROWS = Path("the rows")  # what an error calls them that come from no file


def load(
  path: str | os.PathLike,
  *,
  user_features: str | os.PathLike | None = None,
  item_features: str | os.PathLike | None = None,
  base_rates: str | os.PathLike | None = None,
) -> "Model":
  """The model in a folder, such as the `model` of a workdir; see `stored.read` for errors.

  Args:
    path: the folder.
    user_features: given features of users that training never saw, an `.npy` or `.npz` file as for
      `data/table.py`, of a model that was trained with such. They serve them in place of the mean.
    item_features: the same of items.
    base_rates: a file with the columns `domain` and `rate`, the true share of positives. Of a model
      that was trained on some of the negatives, probabilities are then those of all impressions:
      see `calibration.corrected`.
  """
  found = read(Path(path))
  for field, file in {"user": user_features, "item": item_features}.items():
    if file:
      found = with_features(found, field, Path(file))
  return Model(found, base_rates and rates.read(whole(Path(base_rates)), found))


class Model:
  """What serves the domains of a run.

  Attributes:
    stored: what is in its folder.
    domains: names of the domains.
  """

  def __init__(self, stored: Stored, base_rates: rates.BaseRates | None = None):
    self.stored, self.domains, self._rates = stored, stored.domains, base_rates
    self.predict = Predictor(stored)
    self._by_column, self._by_field = columns_of(stored), fields(stored)
    self._readers = {}

  def score(self, rows=None, *, unknown_domain: str = ERROR, **columns) -> np.ndarray:
    """Probabilities of the label 1, [n] float64, in the order of the rows.

    An id that training never saw is served by the mean of its table or of its given features.

    Args:
      rows: a data frame, an Arrow table or a dict of columns, named as in the file that the model
        was trained on.
      unknown_domain: "error", or "shared" to have rows of a domain that is not known scored by what
        all domains share.
      columns: in place of `rows` the columns by field, `user`, `item`, `domain` and further ones;
        one value stands for all rows.

    Raises:
      ValueError: a column is missing, a domain is not known, a number is none.
    """
    named, source = self._asked(rows, columns)
    numbered, _ = self.reader(unknown_domain, named)(source)
    return probability(self.logits(numbered, source.place))

  def logits(self, rows: Rows, place: Callable[[int], str]) -> np.ndarray:
    """Those of rows as a reader has them, [n], corrected by the base rates if there are any."""
    return self._corrected(self.predict(rows), rows.domain, place)

  def _corrected(self, logits, domain, place):
    return corrected(logits, self._rates.of(domain, place)) if self._rates else logits

  def recommend(
    self,
    rows=None,
    *,
    top: int = 10,
    items: Sequence | None = None,
    seen=None,
    unknown_domain: str = ERROR,
    **columns,
  ) -> dict[str, np.ndarray]:
    """The items with the highest probabilities for each row: exact, of equal ones the lower id.

    Args:
      rows: as for `score`, without items.
      top: how many for each row; fewer where there are not as many.
      items: raw ids to choose from; by default all that the model knows.
      seen: rows, users and items alone, that are left out: what a user has had.
      unknown_domain: as for `score`.
      columns: as for `score`.

    Returns:
      `row`, from 0, `rank`, from 1, `item`, its raw id, and `probability`: [m] each, row by row.

    Raises:
      ValueError: as for `score`, or an item to choose from is not known.
    """
    named, asked = self._asked(rows, columns)
    listed = None if items is None else given({named.ids["item"]: list(items)})
    had = None if seen is None else given(seen)
    return self.best(self.reader(unknown_domain, named), asked, top, listed, had)

  def best(
    self, reader: Reader, asked: Source, top: int, items: Source | None, seen: Source | None
  ) -> dict[str, np.ndarray]:
    """`recommend`, of rows that a reader is to read."""
    if top < 1:
      raise ValueError(f"top={top}; choose 1 or more")
    raw, item = self.stored.vocab["item"], reader.columns.ids["item"]
    table = asked.table
    if item not in table.column_names:  # a reader wants one
      table = table.append_column(item, pa.array(raw[:1].tolist() * table.num_rows))
    rows, _ = reader(asked._replace(table=table))
    found = self._recommender(
      rows, top, items and reader.items(items), seen and reader.seen(asked, seen)
    )
    place = lambda at: asked.place(int(found.row[at]))
    logits = self._corrected(found.logit, rows.domain[found.row], place)
    return {
      "row": found.row,
      "rank": found.rank,
      "item": raw[found.item],
      "probability": probability(logits),
    }

  @functools.cached_property
  def _recommender(self) -> Recommender:
    return Recommender(self.predict)

  def _asked(self, rows, columns) -> tuple[Columns, Source]:
    """How the columns are named that a caller gave, and these."""
    if (rows is None) == (not columns):
      raise ValueError("give rows, or columns by name, and not both")
    if rows is None:
      return self._by_field, given(columns)
    return self._by_column, given(rows)

  def reader(self, unknown_domain: str = ERROR, named=None) -> Reader:
    """Raw columns -> rows, named as in the file that the model was trained on unless said."""
    named = named or self._by_column
    key = unknown_domain, named is self._by_field
    if key not in self._readers:
      self._readers[key] = Reader(self.stored, named, unknown_domain)
    return self._readers[key]


def whole(path: Path) -> Source:
  """All rows of a file."""
  table = pa.concat_tables(streams.blocks(path)).combine_chunks()
  return Source(path, table, functools.partial(streams.place, path))


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
