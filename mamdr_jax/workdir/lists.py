"""What the training rows had: the items of each domain and, of each user there, the positives.

  lists/items/first  [D + 1]  where the items of a domain begin in
  lists/items/item   [M]      rows of the table of items, distinct and rising within a domain
  lists/had/first    [D + 1]  where the users of a domain begin in
  lists/had/user     [K]      rows of the table of users, distinct and rising within a domain
  lists/had/begin    [K + 1]  where the positives of each of these begin in
  lists/had/item     [P]      rows of the table of items, distinct and rising within a user

What begins somewhere is int64, what is a row of a table int32.
"""

import sys
from collections.abc import Iterator

import numpy as np

from mamdr_jax.data import SPLITS, Dataset

LISTS = "lists"
BLOCK = 2**24  # rows that are looked at together


def of(dataset: Dataset, most: int) -> dict[str, np.ndarray]:
  """Both lists, each of at most so many items; what would be longer is left out, which is told."""
  found = {"items": items(dataset, most), "had": had(dataset, most)}
  for name, arrays in found.items():
    if arrays is None and most:
      print(f"the lists of {name} are left out: longer than model_lists={most:,}", file=sys.stderr)
  return {
    f"{LISTS}/{name}/{part}": array
    for name, arrays in found.items()
    for part, array in (arrays or {}).items()
  }


def items(dataset: Dataset, most: int) -> dict[str, np.ndarray] | None:
  """The items of each domain, or None for more than `most` of all domains together."""
  num_items, key = len(dataset.vocab["item"]), np.empty(0, np.int64)
  for domain, _, item in _training(dataset, positive=False):
    key = np.union1d(key, domain * num_items + item)
    if key.size > most:
      return None
  domain, item = np.divmod(key, num_items)
  return {"first": _first(domain, len(dataset.domains)), "item": item.astype(np.int32)}


def had(dataset: Dataset, most: int) -> dict[str, np.ndarray] | None:
  """The positives of each user of a domain, or None for more than `most` rows of them."""
  found, count = [], 0
  for columns in _training(dataset, positive=True):
    found.append(columns)
    count += columns[0].size
    if count > most:
      return None
  num_users, num_items = (len(dataset.vocab[field]) for field in ("user", "item"))
  domain, user, item = (np.concatenate(x) for x in zip(*found, strict=True))
  pair, of = np.unique(domain * num_users + user, return_inverse=True)
  of, item = np.divmod(np.unique(of * num_items + item), num_items)
  domain, user = np.divmod(pair, num_users)
  return {
    "first": _first(domain, len(dataset.domains)),
    "user": user.astype(np.int32),
    "begin": _first(of, pair.size),
    "item": item.astype(np.int32),
  }


def _training(dataset: Dataset, positive: bool) -> Iterator[tuple[np.ndarray, ...]]:
  """Domain, user and item of the training rows, or of those with label 1: [n] int64 each."""
  for first in range(0, len(dataset.label), BLOCK):
    rows = slice(first, first + BLOCK)
    which = dataset.split[rows] == SPLITS.index("train")
    if positive:
      which &= dataset.label[rows] == 1
    columns = dataset.domain, dataset.ids["user"], dataset.ids["item"]
    yield tuple(column[rows][which].astype(np.int64) for column in columns)


def _first(of: np.ndarray, num: int) -> np.ndarray:
  """Where each of `num` begins in `of`, which rises, and where the last one ends: [num + 1]."""
  return np.searchsorted(of, np.arange(num + 1)).astype(np.int64)
