"""Columns as they come become the numbers that a model reads; what it does not know is told."""

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mamdr_jax.data.files import brief, check_columns
from mamdr_jax.data.lookup import distinct, index, rows_of
from mamdr_jax.data.rules import RARE
from mamdr_jax.data.scales import binned, logarithmic
from mamdr_jax.serve.predict import Rows
from mamdr_jax.stored import Stored

ERROR, SHARED = "error", "shared"  # what becomes of a domain that is not known


class Columns(NamedTuple):
  """The names of the columns."""

  ids: dict[str, str]  # field -> its column
  domain: str
  dense: tuple[str, ...]  # in the order in which the model has them


class Source(NamedTuple):
  """Rows as they came."""

  path: Path  # where they are from, to be told
  table: pa.Table
  place: Callable[[int], str]  # where a row of the table stands


def columns_of(stored: Stored) -> Columns:
  """Those of the file that a model was trained on; of other data the names of the fields."""
  data = stored.about["config"]["data"]
  told = data if data["name"] == "table" else {}
  ids = {field: told.get(field) or field for field in stored.vocab}
  dense = () if scale_of(stored) == "quantile" else tuple(told.get("dense") or ())
  return Columns(ids, told.get("domain") or "domain", dense)


def scale_of(stored: Stored) -> str:
  """On which scale numbers of rows are, see `table.load`."""
  return stored.about["config"]["data"].get("scale", "linear")


def fields(stored: Stored) -> Columns:
  """The names by which a caller in Python gives columns one by one."""
  return Columns({field: field for field in stored.vocab}, "domain", columns_of(stored).dense)


class Reader:
  """Raw columns -> `Rows`, and which of their ids are not known.

  Args:
    stored: the model.
    columns: how they are named.
    unknown_domain: "error", or "shared" to have such rows scored by what all domains share.
    added: the domains that were added to it, see `added.joined`; they are numbered after D, which
      is the domain that is not known.

  Raises:
    ValueError: a method that trains domains apart shares nothing.
  """

  def __init__(
    self,
    stored: Stored,
    columns: Columns,
    unknown_domain: str = ERROR,
    added: Stored | None = None,
  ):
    if unknown_domain not in (ERROR, SHARED):
      raise ValueError(f"unknown_domain={unknown_domain!r}; choose {ERROR} or {SHARED}")
    if unknown_domain == SHARED and stored.method.choose is not None:
      raise ValueError(
        f"unknown_domain={SHARED}: {stored.path} has a model for each domain and none that they "
        "share, so that another domain cannot be scored"
      )
    self.stored, self.columns, self.unknown_domain = stored, columns, unknown_domain
    self._ids = {field: index(raw) for field, raw in stored.vocab.items()}
    self._more = {field: index(raw) for field, raw in stored.more.items()}
    self._names = stored.domains + (added.domains if added else ())
    self._domains = index(np.array(self._names, str))
    self._rare = {
      field: np.int32(np.flatnonzero(raw == RARE)[0])
      for field, raw in stored.vocab.items()
      if raw.dtype.kind == "U" and (raw == RARE).any()
    }
    self._fresh = {}
    if added:
      tails = {field: added.vocab[field][len(raw) + 1 :] for field, raw in stored.vocab.items()}
      self._fresh = {field: index(raw) for field, raw in tails.items() if len(raw)}

  def __call__(self, source: Source) -> tuple[Rows, np.ndarray]:
    """The rows, and for each a code of what is not known, for `marks`; other columns are left."""
    path, block, place = source
    named = self.columns
    check_columns(path, [*named.ids.values(), named.domain, *named.dense], block.column_names)
    domain, unknown = self._domain(source)
    ids, late = {}, domain > len(self.stored.domains)
    for i, field in enumerate(self._ids):
      if self.stored.vocab[field].dtype.kind == "f":  # numbers in bins
        number = _numbers(block[named.ids[field]], named.ids[field], place)
        ids[field] = binned(number, self.stored.vocab[field])
        continue
      cells = distinct(path, named.ids[field], block[named.ids[field]])
      ids[field], lacking = self.found(field, *cells, late)
      unknown |= lacking.astype(np.int32) << i
    dense = {}
    if named.dense:
      numbers = [_numbers(block[name], name, place) for name in named.dense]
      row = np.stack(numbers, axis=1)
      row = logarithmic(row) if scale_of(self.stored) == "log" else row
      dense["row"] = _in_units(row, self.stored.units.get("row"))
    return Rows(ids, dense, domain), unknown

  def _domain(self, source: Source) -> tuple[np.ndarray, np.ndarray]:
    """The domain of every row, and the code of those that are not known."""
    name, num = self.columns.domain, np.int32(len(self.stored.domains))
    codes, texts = distinct(source.path, name, source.table[name])
    domain = rows_of(self._domains, codes, texts)
    strange = domain < 0
    if strange.any() and self.unknown_domain == ERROR:
      at = int(np.argmax(strange))
      raise ValueError(f"{source.place(at)}: {self._no_domain(texts[codes[at]])}")
    domain = np.where(strange, num, domain + (domain >= num))
    return domain.astype(np.int32), strange.astype(np.int32) << len(self._ids)

  def found(
    self, field: str, codes: np.ndarray, texts: list[str], late: np.ndarray | bool = False
  ) -> tuple[np.ndarray, np.ndarray]:
    """The rows of a table that cells, as `distinct` gives them, stand for, and which are not known.

    What is not known, [n] bool, has the row of given features that came later, or that of rare ids
    where there is one, or the mean. `late`,
    [n] or for all, says where ids are known that only domains that were added have.
    """
    known, more = self._ids[field], self._more.get(field)
    found, mean = rows_of(known, codes, texts), np.int32(len(known))
    if field in self._fresh:
      new = rows_of(self._fresh[field], codes, texts)
      found = np.where((found < 0) & (new >= 0) & late, mean + 1 + new, found)
    lacking = found < 0
    instead = self._rare.get(field, mean)
    if more is not None:
      instead = mean + 1 + rows_of(more, codes, texts)
    return np.where(lacking, instead, found), lacking

  def within(self, field: str, rows: np.ndarray, domain: np.ndarray) -> np.ndarray:
    """Rows of a table, [n], as other domains have them: the mean for those that these lack."""
    if field not in self._fresh:
      return rows
    late = domain > len(self.stored.domains)
    return np.where(late, rows, np.minimum(rows, len(self._ids[field]))).astype(np.int32)

  def items(self, source: Source) -> np.ndarray:
    """The items of rows that need no other column: [n] int32; ValueError at one not known.

    Those that only domains that were added have are known.
    """
    name = self.columns.ids["item"]
    check_columns(source.path, [name], source.table.column_names)
    codes, texts = distinct(source.path, name, source.table[name])
    found, lacking = self.found("item", codes, texts, late=True)
    if lacking.any():
      at = int(np.argmax(lacking))
      raise ValueError(f"{source.place(at)}: the model has no item {brief(texts[codes[at]])!r}")
    return found

  def seen(self, asked: Source, source: Source) -> dict[int, np.ndarray]:
    """Row of `asked` -> the items that its user has in `source`, as far as the model has them."""
    path, block, _ = source
    named = [self.columns.ids[field] for field in ("user", "item")]
    check_columns(path, named, block.column_names)
    codes, texts = distinct(path, named[0], block[named[0]])
    item, lacking = self.found("item", *distinct(path, named[1], block[named[1]]), late=True)
    order = np.argsort(codes, kind="stable")
    order = order[~lacking[order]]
    first = np.searchsorted(codes[order], np.arange(len(texts) + 1))
    of = {text: item[order[first[i] : first[i + 1]]] for i, text in enumerate(texts)}
    users, names = distinct(asked.path, named[0], asked.table[named[0]])
    return {row: of[names[code]] for row, code in enumerate(users.tolist()) if names[code] in of}

  def marks(self, unknown: np.ndarray) -> pa.Array:
    """The fields that are not known, "user+item", of codes [n]; an empty text where all are."""
    codes, at = np.unique(unknown, return_inverse=True)
    names = [*self._ids, "domain"]
    texts = ["+".join(x for i, x in enumerate(names) if code >> i & 1) for code in codes.tolist()]
    return pa.array(texts, pa.string()).take(pa.array(at))

  def _no_domain(self, name: str) -> str:
    return (
      f"{no_domain(name, self._names)}unknown_domain={SHARED} has it scored by what all "
      "domains share"
    )


def no_domain(name: str, known: Sequence[str]) -> str:
  """The beginning of a sentence about it."""
  near = difflib.get_close_matches(name, known, n=1)
  hint = f"did you mean {brief(near[0])!r}? " if near else ""
  return f"the model has no domain {brief(name)!r}; {hint}"


def _in_units(number: np.ndarray, units: np.ndarray | None) -> np.ndarray:
  """As `data.dataset.scaled` has them: [n, f] float32."""
  return (number if units is None else (number - units[0]) / units[1]).astype(np.float32)


def _numbers(column: pa.ChunkedArray, name: str, place: Callable[[int], str]) -> np.ndarray:
  """A column of numbers, [n] float64; ValueError at the first cell that is none or not finite."""
  kind = column.type
  try:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
      column = pc.utf8_trim_whitespace(column)
    values = pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False)
  except pa.ArrowInvalid:
    values = np.array([_number(cell) for cell in column.to_pylist()])
  wrong = ~(np.abs(values) <= np.finfo(np.float32).max)
  if wrong.any():
    at = int(np.argmax(wrong))
    cell = brief(column[at].as_py())
    raise ValueError(f"{place(at)}: the {name} is {cell!r}, expected a number that float32 holds")
  return values


def _number(cell) -> float:
  try:
    return float(cell)
  except (TypeError, ValueError):
    return float("nan")
