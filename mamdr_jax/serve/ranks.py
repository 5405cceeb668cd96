"""The rank of a row among those of its user in its domain."""

from collections.abc import Sequence

import numpy as np


class Pairs:
  """Numbers pairs of domain and user, whose texts may be known to no model: block after block."""

  def __init__(self):
    self._numbers = {"domain": {}, "user": {}}

  def __call__(self, domain: tuple[np.ndarray, list[str]], user: tuple[np.ndarray, list[str]]):
    """[n] int64, equal where both are; each is given as `data.lookup.distinct` has it."""
    domain, user = self._number("domain", *domain), self._number("user", *user)
    return domain << 32 | user

  def _number(self, of: str, codes: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    known = self._numbers[of]
    return np.array([known.setdefault(text, len(known)) for text in texts], np.int64)[codes]


def ranks(pair: np.ndarray, score: np.ndarray) -> np.ndarray:
  """1 + how many rows of the same pair have a higher score: [n] int32, whatever the order of rows.

  >>> ranks(np.array([7, 7, 5, 7]), np.array([0.1, 0.9, 0.5, 0.9])).tolist()
  [3, 1, 1, 1]
  """
  order = np.lexsort((-score, pair))
  pair, score = pair[order], score[order]
  begins = np.append(True, pair[1:] != pair[:-1])[: pair.size]
  fresh = begins | np.append(True, score[1:] != score[:-1])[: pair.size]
  index = np.arange(pair.size)
  latest = lambda at: np.maximum.accumulate(np.where(at, index, 0))
  found = np.empty(pair.size, np.int32)
  found[order] = 1 + latest(fresh) - latest(begins)
  return found
