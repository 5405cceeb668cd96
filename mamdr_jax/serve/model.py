"""A stored model in Python."""

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from mamdr_jax.calibration import corrected, probability
from mamdr_jax.serve import added, adding
from mamdr_jax.serve import base_rates as rates
from mamdr_jax.serve.choice import items_of, seen_of
from mamdr_jax.serve.columns import given, whole
from mamdr_jax.serve.export import write
from mamdr_jax.serve.had import Had
from mamdr_jax.serve.predict import Both, Predictor, Rows, apart
from mamdr_jax.serve.raw import ERROR, Columns, Reader, Source, columns_of, fields
from mamdr_jax.serve.recommend import Recommender
from mamdr_jax.stored import Stored, read, shared_state, with_features


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
  return Model(found, base_rates and whole(Path(base_rates)))


class Model:
  """What serves the domains of a run.

  Attributes:
    stored: what is in its folder.
    domains: names of the domains.
  """

  def __init__(self, stored: Stored, base_rates: Source | None = None):
    self.stored, self.domains, self.added = stored, stored.domains, None
    self.predict = self.base = Predictor(stored)
    self._additions = [added.read(folder) for folder in added.folders(stored.path)]
    if self._additions:
      self.added = added.joined(stored, shared_state(stored), self._additions)
      self.domains += self.added.domains
      self.predict = Both(self.base, Predictor(self.added))
    self._rates = base_rates and rates.read(base_rates, stored, self.added)
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
    items: Sequence | str | None = None,
    seen=None,
    unknown_domain: str = ERROR,
    **columns,
  ) -> dict[str, np.ndarray]:
    """The items with the highest probabilities for each row: exact, of equal ones the lower id.

    Args:
      rows: as for `score`, without items.
      top: how many for each row; fewer where there are not as many.
      items: raw ids to choose from, or "domain" for those that training rows of the row's domain
        had; by default all that the model knows.
      seen: rows, users and items alone, that are left out: what a user has had. Or "training" for
        the items that the user had in the domain in training, with label 1.
      unknown_domain: as for `score`.
      columns: as for `score`.

    Returns:
      `row`, from 0, `rank`, from 1, `item`, its raw id, and `probability`: [m] each, row by row.

    Raises:
      ValueError: as for `score`, an item to choose from is not known, or the model has no such
        list.
    """
    named, asked = self._asked(rows, columns)
    listed = items
    if items is not None and not isinstance(items, str):
      listed = given({named.ids["item"]: list(items)})
    had = seen if seen is None or isinstance(seen, str) else given(seen)
    return self.best(self.reader(unknown_domain, named), asked, top, listed, had)

  def export(self, domain: str, out: str | os.PathLike, *, exact: bool = True) -> None:
    """Writes a folder that scores the rows of a domain with JAX alone; see `export.write`."""
    predict = self.base
    if alone := [addition for addition in self._additions if addition.domain == domain]:
      predict = Predictor(added.joined(self.stored, shared_state(self.stored), alone))
    write(predict, domain, Path(out), exact)

  def best(
    self,
    reader: Reader,
    asked: Source,
    top: int,
    items: Source | str | None,
    seen: Source | str | None,
  ) -> dict[str, np.ndarray]:
    """`recommend`, of rows that a reader is to read."""
    if not isinstance(top, int | np.integer) or top < 1:
      raise ValueError(f"top={top!r}; choose a whole number from 1 up")
    item, table = reader.columns.ids["item"], asked.table
    if item not in table.column_names:  # a reader wants one
      one = self.stored.vocab["item"][:1].tolist()
      table = table.append_column(item, pa.array(one * table.num_rows))
    rows, _ = reader(asked._replace(table=table))
    choice = items_of(reader, rows, asked, items, len(self.stored.domains))
    not_again, found = seen_of(reader, asked, seen), []
    parts = zip(self._recommenders, self._had, apart(rows, self.base), strict=False)
    for recommend, had, (which, some) in parts:
      best = recommend(some, top, choice(had), not_again(had, which, some))
      item = recommend.stored.vocab["item"][best.item]
      row = which[best.row]
      place = lambda at, row=row: asked.place(int(row[at]))
      logits = self._corrected(best.logit, rows.domain[row], place)
      found.append((row, best.rank, item, probability(logits)))
    row, *rest = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.argsort(row, kind="stable")
    names = ("row", "rank", "item", "probability")
    return {name: x[order] for name, x in zip(names, (row, *rest), strict=True)}

  def add(
    self,
    rows: str | os.PathLike,
    out: str | os.PathLike,
    helpers: str | os.PathLike | None = None,
    **plan,
  ) -> dict:
    """Trains a domain that the model lacks and writes the model that has it: see `adding.add`.

    Args:
      rows: a file of the new domain's rows, columns named as in the file that the model was trained
        on; without a column of splits they are drawn.
      out: the folder of the new model, or that of this one, to which the domain is then added.
      helpers: a file of rows of other domains, of which those to train on are used.
      plan: fields of `adding.Plan`, in place of how the model was trained.

    Returns:
      How it was trained, and its AUC by split: that of what all domains share, and its own.

    Raises:
      ValueError: see `adding.add`; `out` is there.
    """
    out, here = Path(out), self.stored.path
    read = lambda path: adding.rows_of_file(self.stored, Path(path), plan.get("seed", 0))
    rows = read(rows)
    if rows.domains[0] in self.domains:
      raise ValueError(f"the model has a domain {rows.domains[0]!r} already")
    addition = adding.add(self.stored, rows, helpers and read(helpers), **plan)
    if out.resolve() != here.resolve():
      added.copied(here, out)
    added.write(out, addition)
    return addition.told

  @functools.cached_property
  def _recommenders(self) -> list[Recommender]:
    """Those of the domains that the model was trained with and, if there are any, of the others."""
    of = [self.base] if self.added is None else [self.base, self.predict.added]
    return [Recommender(predict) for predict in of]

  @functools.cached_property
  def _had(self) -> list[Had]:
    """The lists of the same."""
    return [Had(of) for of in (self.stored, self.added) if of is not None]

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
      self._readers[key] = Reader(self.stored, named, unknown_domain, self.added)
    return self._readers[key]
