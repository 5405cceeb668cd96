"""Negatives: items that a user never touched, drawn without replacement."""

from collections import Counter
from fractions import Fraction

import numpy as np

from mamdr_jax.data.pairs import Pairs

LOW = "pairs rated below positive_from were dropped, and not drawn as negatives either"
SHORT = "negatives are missing because a user had too few untouched items left"
CHUNK = 2**22  # scores that the exact path holds at a time


def sample_negatives(rng: np.random.Generator, pairs: Pairs, ctr: float) -> tuple[Pairs, Counter]:
  """One domain's positives, then its drawn negatives; what was dropped and what fell short.

  Draws ⌊positives / ctr⌋ per user from the items of `item: [p]` that the user has no pair with,
  or all of those if they are fewer. Pairs with label 0 are dropped, and never drawn. A negative has
  the time of a positive of its user, drawn as well.
  """
  user, item, label, time = pairs
  users, local_user = np.unique(user, return_inverse=True)
  items, local_item = np.unique(item, return_inverse=True)
  want = num_negatives(np.bincount(local_user[label == 1], minlength=len(users)), ctr)
  drawn_user, drawn_item = draw_negatives(rng, local_user, local_item, want, len(items))
  liked = label == 1
  if time is not None:
    owner = local_user[liked]
    order = np.argsort(owner, kind="stable")
    count = np.bincount(owner, minlength=len(users))
    first = np.cumsum(count) - count
    pick = first[drawn_user] + (rng.random(len(drawn_user)) * count[drawn_user]).astype(int)
    time = np.concatenate([time[liked], time[liked][order[pick]]])
  rows = Pairs(
    np.concatenate([user[liked], users[drawn_user]]),
    np.concatenate([item[liked], items[drawn_item]]),
    np.repeat(np.array([1, 0], np.int8), [liked.sum(), len(drawn_user)]),
    time,
  )
  return rows, Counter({LOW: np.sum(~liked), SHORT: want.sum() - len(drawn_user)})


def num_negatives(num_positives: np.ndarray, ctr: float) -> np.ndarray:
  """⌊positives / ctr⌋, in exact arithmetic: 3 / 0.3 is 10 whatever the floats say."""
  ratio = Fraction(str(ctr))
  return num_positives * ratio.denominator // ratio.numerator


def draw_negatives(
  rng: np.random.Generator, user: np.ndarray, item: np.ndarray, want: np.ndarray, num_items: int
) -> tuple[np.ndarray, np.ndarray]:
  """Uniform draws from the items of `[0, num_items)` that a user never touched, all distinct.

  `user, item: [p]` are the distinct touched pairs, `want: [U]` the draws per user. A user with
  fewer untouched items than `want` gets them all. Returns users and items, `[n]`, sorted by user.
  """
  touched = np.bincount(user, minlength=len(want))
  want = np.minimum(want, num_items - touched)
  # Above one half, more than every second candidate would be rejected.
  few = 2 * (touched + want) <= num_items
  key = np.sort(user.astype(np.int64) * num_items + item)
  drawn = np.concatenate(
    [
      _reject(rng, key, np.where(few, want, 0), num_items),
      _rank(rng, key, np.where(few, 0, want), num_items),
    ]
  )
  drawn.sort()
  return drawn // num_items, drawn % num_items


def _reject(rng, taken: np.ndarray, need: np.ndarray, num_items: int) -> np.ndarray:
  """Draws candidates, keeps the new ones, and draws again for what is missing."""
  found = [np.zeros(0, np.int64)]
  while total := need.sum():
    owner = np.repeat(np.arange(len(need)), need)
    candidate = np.unique(owner * num_items + rng.integers(num_items, size=total))
    fresh = candidate[~_contains(taken, candidate)]
    found.append(fresh)
    need = need - np.bincount(fresh // num_items, minlength=len(need))
    taken = np.sort(np.concatenate([taken, fresh]), kind="stable")  # merges two sorted runs
  return np.concatenate(found)


def _rank(rng, taken: np.ndarray, want: np.ndarray, num_items: int) -> np.ndarray:
  """Ranks all items of a user by a random score, the touched ones last."""
  found = [np.zeros(0, np.int64)]
  users = np.flatnonzero(want)
  size = max(CHUNK // max(num_items, 1), 1)
  for chunk in (users[at : at + size] for at in range(0, len(users), size)):
    score = rng.random((len(chunk), num_items))
    for row, who in enumerate(chunk):
      lo, hi = np.searchsorted(taken, (who * num_items, (who + 1) * num_items))
      score[row, taken[lo:hi] - who * num_items] = 2.0
    order = np.argsort(score, axis=1)
    row, rank = np.nonzero(np.arange(num_items) < want[chunk][:, None])
    found.append(chunk[row] * num_items + order[row, rank])
  return np.concatenate(found)


def _contains(keys: np.ndarray, query: np.ndarray) -> np.ndarray:
  """Which of `query: [n]` are among the sorted `keys: [m]`."""
  at = np.minimum(np.searchsorted(keys, query), max(len(keys) - 1, 0))
  return keys[at] == query if len(keys) else np.zeros(len(query), bool)
