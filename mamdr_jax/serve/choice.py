"""Of which items the best are wanted, and which are not to come again."""

from collections.abc import Callable

import numpy as np

from mamdr_jax.serve.had import Had
from mamdr_jax.serve.predict import Rows
from mamdr_jax.serve.raw import Reader, Source

# What is said in place of a list: items that the domain's training rows had, or the user's there.
DOMAIN, TRAINING = "domain", "training"

# Of some rows, which all are of domains that these are the lists of.
Items = Callable[[Had], Callable[[int], np.ndarray] | None]  # -> (domain -> items), None: all
Seen = Callable[[Had, np.ndarray, Rows], dict[int, np.ndarray]]  # (.., which, rows) -> row -> items


def items_of(
  reader: Reader, rows: Rows, asked: Source, items: Source | str | None, unknown: int
) -> Items:
  """The items to choose from, as `Model.recommend` has them; `unknown` is a domain not known."""
  if items is None:
    return lambda had: None
  if not isinstance(items, str):
    listed = reader.items(items)
    return lambda had: lambda domain: listed
  if items != DOMAIN:
    raise ValueError(f"items={items!r}; give a list of items, or {DOMAIN!r}")
  strange = rows.domain == unknown
  if strange.any():
    place = asked.place(int(np.argmax(strange)))
    raise ValueError(f"{place}: items={DOMAIN}: training had no such domain; give a file")
  return lambda had: had.items


def seen_of(reader: Reader, asked: Source, seen: Source | str | None) -> Seen:
  """The items that rows are not to get, likewise."""
  if not isinstance(seen, str):
    listed = reader.seen(asked, seen) if seen else {}
    return lambda had, which, rows: {
      i: listed[row] for i, row in enumerate(which.tolist()) if row in listed
    }
  if seen != TRAINING:
    raise ValueError(f"seen={seen!r}; give rows of users and items, or {TRAINING!r}")
  pairs = lambda rows: zip(rows.domain.tolist(), rows.ids["user"].tolist(), strict=True)
  return lambda had, which, rows: {i: had.by_user(*pair) for i, pair in enumerate(pairs(rows))}
