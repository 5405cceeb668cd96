"""The rank of a row among those of its user in its domain."""

from collections.abc import Sequence

import numpy as np


class Numbers:
  """Numbers texts, which may be known to no model, as they come: block after block.

  Attributes:
    of: text -> its number, in rising order.
  """

  def __init__(self, first: Sequence[str] = ()):
    self.of = {text: i for i, text in enumerate(first)}

  def __call__(self, codes: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """[n] int64, equal where the texts are; they are given as `data.lookup.distinct` has them."""
    known = self.of
    return np.array([known.setdefault(text, len(known)) for text in texts], np.int64)[codes]


class Pairs:
  """Numbers pairs of domain and user."""

  def __init__(self):
    self._domain, self._user = Numbers(), Numbers()

  def __call__(self, domain: tuple[np.ndarray, list[str]], user: tuple[np.ndarray, list[str]]):
    """[n] int64, equal where both are; each is given as `data.lookup.distinct` has it."""
    return self._domain(*domain) << 32 | self._user(*user)


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
