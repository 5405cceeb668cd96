"""A stored model in Python."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from mamdr_jax.serve.predict import Predictor
from mamdr_jax.serve.raw import ERROR, Reader, columns_of, fields
from mamdr_jax.serve.stored import Stored, read, with_features

ROWS = Path("the rows")  # what an error calls them that come from no file


def load(
  path: str | os.PathLike,
  *,
  user_features: str | os.PathLike | None = None,
  item_features: str | os.PathLike | None = None,
) -> "Model":
  """The model in a folder, such as the `model` of a workdir; see `stored.read` for errors.

  Args:
    path: the folder.
    user_features: given features of users that training never saw, an `.npy` or `.npz` file as for
      `data/table.py`, of a model that was trained with such. They serve them in place of the mean.
    item_features: the same of items.
  """
  found = read(Path(path))
  for field, file in {"user": user_features, "item": item_features}.items():
    if file:
      found = with_features(found, field, Path(file))
  return Model(found)


class Model:
  """What serves the domains of a run.

  Attributes:
    stored: what is in its folder.
    domains: names of the domains.
  """

  def __init__(self, stored: Stored):
    self.stored, self.domains = stored, stored.domains
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
    if (rows is None) == (not columns):
      raise ValueError("give rows, or columns by name, and not both")
    named = self._by_field if rows is None else self._by_column
    reader = self.reader(unknown_domain, named)
    numbered, _ = reader(ROWS, table_of(columns if rows is None else rows), _place)
    return probability(self.predict(numbered))

  def reader(self, unknown_domain: str = ERROR, named=None) -> Reader:
    """Raw columns -> rows, named as in the file that the model was trained on unless said."""
    named = named or self._by_column
    key = unknown_domain, named is self._by_field
    if key not in self._readers:
      self._readers[key] = Reader(self.stored, named, unknown_domain)
    return self._readers[key]


def probability(logits: np.ndarray) -> np.ndarray:
  """1 / (1 + e⁻ˣ) in float64, in which logits that differ stay apart."""
  with np.errstate(over="ignore"):
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


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


def _place(row: int) -> str:
  return f"row {row}"
