"""Distinct pairs of a user and an item, and what their ratings make of them."""

from collections import Counter
from typing import NamedTuple

import numpy as np

UNRATED = "rows without a rating were dropped"
REPEATED = "repeated (user, item) pairs were dropped"


class Pairs(NamedTuple):
  """Rows of a domain."""

  user: np.ndarray  # [p] int
  item: np.ndarray  # [p] int
  label: np.ndarray  # [p] int8
  time: np.ndarray | None = None  # [p] float64, when, NaN where it is not known


def last_of_pairs(
  user: np.ndarray, item: np.ndarray, timestamp: np.ndarray | None = None
) -> np.ndarray:
  """Rows that stay when a pair repeats, ascending: the latest, or without `timestamp` the last.

  All arguments are `[n]`; an unknown timestamp (NaN) is earlier than all others.
  """
  key = user.astype(np.int64) * (int(item.max(initial=0)) + 1) + item
  when = () if timestamp is None else (np.where(np.isnan(timestamp), -np.inf, timestamp),)
  order = np.lexsort((*when, key))  # stable, so the last row of equal times comes last
  key = key[order]
  return np.sort(order[np.append(key[1:] != key[:-1], True)[: len(key)]])


def label_pairs(
  user: np.ndarray,
  item: np.ndarray,
  rating: np.ndarray | None = None,
  timestamp: np.ndarray | None = None,
  *,
  positive_from: float | None = None,
) -> tuple[Pairs, Counter]:
  """One domain's distinct pairs, and what was dropped.

  Without `positive_from` all are positives and ratings are ignored. With it, ratings from there up
  are positive, and rows without a rating are dropped.
  """
  rows = np.arange(len(user))
  if positive_from is not None:
    rows = np.flatnonzero(~np.isnan(rating))
  unrated = len(user) - len(rows)
  when = None if timestamp is None else timestamp[rows]
  rows = rows[last_of_pairs(user[rows], item[rows], when)]
  label = np.ones(len(rows), np.int8)
  if positive_from is not None:
    label = (rating[rows] >= positive_from).astype(np.int8)
  dropped = Counter({UNRATED: unrated, REPEATED: len(user) - unrated - len(rows)})
  return Pairs(user[rows], item[rows], label, None if when is None else timestamp[rows]), dropped
