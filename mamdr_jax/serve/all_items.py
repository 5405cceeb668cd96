"""NDCG@k and HR@k over all items of a domain, exact, for some users drawn by a fixed seed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mamdr_jax import ranking
from mamdr_jax.data import streams
from mamdr_jax.data.files import check_columns
from mamdr_jax.data.lookup import distinct
from mamdr_jax.measures import Measure
from mamdr_jax.serve.evaluate import Labelled
from mamdr_jax.serve.model import Model
from mamdr_jax.serve.predict import Rows

CHUNK = 2**20  # rows that are scored together, about


class Task(NamedTuple):
  """A list that is to be scored: a user in a domain, and m items."""

  domain: int
  context: int  # the row whose other columns go with every item
  item: np.ndarray  # [m], numbers of items
  liked: np.ndarray  # [m] bool


class Groups(NamedTuple):
  """Numbers by key."""

  keys: np.ndarray  # [K], rising and distinct
  first: np.ndarray  # [K + 1], where those of each begin
  numbers: np.ndarray  # [n], key after key

  def of(self, key: int) -> np.ndarray:
    """Those of a key, none of one that is not there."""
    at = int(np.searchsorted(self.keys, key))
    there = at < self.keys.size and self.keys[at] == key
    return self.numbers[self.first[at] : self.first[at + 1]] if there else self.numbers[:0]


def over_all_items(
  model: Model,
  labelled: Labelled,
  seen: Sequence[Path],
  *,
  num_users: int,
  k: int = 10,
  seed: int = 0,
) -> dict[str, Measure]:
  """NDCG@k and HR@k of lists in which positives stand among all items that a user has not had.

  A list is a user in a domain who has a positive there. Its items are all that any row of the
  domain has, in `labelled` or in `seen`, without those of the user's own `seen` rows in the domain;
  its positives are among them in any case. What else a row has, such as a device, is that of the
  list's first positive.

  Args:
    model: what scores.
    labelled: the rows whose positives are to be found.
    seen: files of the other rows, of training and validation: their users, items and domains.
    num_users: so many lists at most, drawn as evenly over domains as can be.
    k: as for `ranking.ndcg`.
    seed: of that draw.

  Raises:
    ValueError: a file is broken or lacks a column.
  """
  parts = [
    (lists.domain, lists.broken, ranking.ndcg(lists, k), ranking.hit_rate(lists, k))
    for lists in _scored(model, labelled, seen, num_users, seed)
  ]
  domain, broken, *values = (np.concatenate(x) for x in zip(*parts, strict=True))
  found = {}
  for name, value in zip((f"ndcg@{k}/all", f"hr@{k}/all"), values, strict=True):
    users = ranking.averaged(value, domain, broken, len(labelled.domains))
    found[name] = Measure(users.value, users)
  return found


def drawn(domain: np.ndarray, most: int, seed: int) -> np.ndarray:
  """Which of some lists, whose domains are given [L], count: at most so many.

  The domains have one each before one has two, as far as there are as many.
  """
  order = np.random.default_rng(seed).permutation(domain.size)
  order = order[np.argsort(domain[order], kind="stable")]
  size = np.bincount(domain)
  turn = np.arange(domain.size) - np.repeat(np.cumsum(size) - size, size)
  taken = order[np.lexsort((np.random.default_rng([seed, 1]).random(domain.size), turn))[:most]]
  return np.sort(taken)


def _scored(
  model: Model, labelled: Labelled, seen: Sequence[Path], num_users: int, seed: int
) -> Iterator[ranking.Lists]:
  """The lists of tasks, some at a time."""
  rows, row_of, tasks = labelled.rows, *_tasks(model, labelled, seen, num_users, seed)
  waiting, size = [], 0

  def lists():
    sizes = [task.item.size for task in waiting]
    again = lambda values: np.repeat(np.array(values), sizes)
    context = again([task.context for task in waiting])
    columns = lambda of: {name: column[context] for name, column in of.items()}
    item, domain = row_of[np.concatenate([t.item for t in waiting])], rows.domain[context]
    ids = columns(rows.ids) | {"item": model.reader().within("item", item, domain)}
    asked = Rows(ids, columns(rows.dense), domain)
    liked = np.concatenate([task.liked for task in waiting])
    number = np.repeat(np.arange(len(waiting)), sizes)
    return ranking.lists_of(model.predict(asked), liked, number, again([t.domain for t in waiting]))

  for task in tasks:
    waiting.append(task)
    size += task.item.size
    if size >= CHUNK:
      yield lists()
      waiting, size = [], 0
  yield lists() if waiting else ranking.lists_of(*np.empty((4, 0), int))


def _tasks(
  model: Model, labelled: Labelled, seen: Sequence[Path], num_users: int, seed: int
) -> tuple[np.ndarray, Iterator[Task]]:
  """Which row of its table each numbered item is, and what is to be scored."""
  scored = labelled.scored
  had = _read(model, labelled, seen)
  row_of = np.zeros(len(labelled.numbers["item"].of), np.int32)
  for item, row in ((had.item, had.row), (labelled.item, labelled.rows.ids["item"])):
    np.maximum.at(row_of, item, row)  # an item that some domains alone have is the mean to others
  every = len(labelled.numbers["user"].of)
  pair = lambda domain, user: domain * every + user
  positive = np.flatnonzero(scored.label > 0)
  mine = pair(scored.domain, scored.user)
  liked, own = _groups(mine[positive], positive), _groups(pair(had.domain, had.user), had.item)
  items = _groups(
    np.concatenate([scored.domain, had.domain]), np.concatenate([labelled.item, had.item])
  )
  domains = liked.keys // every

  def tasks():
    for at in drawn(domains, num_users, seed):
      key, domain = int(liked.keys[at]), int(domains[at])
      where = liked.of(key)
      wanted = np.unique(labelled.item[where])
      left = np.setdiff1d(items.of(domain), own.of(key))
      item = np.union1d(left, wanted)
      yield Task(domain, int(where[0]), item, np.isin(item, wanted, assume_unique=True))

  return row_of, tasks()


class _Had(NamedTuple):
  """Rows that were seen: [n] each."""

  domain: np.ndarray
  user: np.ndarray
  item: np.ndarray  # its number
  row: np.ndarray  # of its table


def _read(model: Model, labelled: Labelled, paths: Sequence[Path]) -> _Had:
  """The rows of some files, in domains that have figures."""
  reader, found = model.reader(), []
  named = reader.columns.ids | {"domain": reader.columns.domain}
  names = [named[key] for key in ("domain", "user", "item")]
  for path in paths:
    for block in streams.blocks(path):
      check_columns(path, names, block.column_names)
      domain, user, item = (distinct(path, name, block[name]) for name in names)
      columns = [labelled.numbers["domain"](*domain), labelled.numbers["user"](*user)]
      columns += [labelled.numbers["item"](*item), reader.found("item", *item, late=True)[0]]
      there = columns[0] < len(labelled.domains)
      found.append([column[there] for column in columns])
  return _Had(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _groups(key: np.ndarray, number: np.ndarray) -> Groups:
  """Numbers [n] by their keys [n], in the order in which they come."""
  order = np.argsort(key, kind="stable")
  keys, first = np.unique(key[order], return_index=True)
  return Groups(keys, np.append(first, key.size), number[order])
