"""How well the rows of a user are ordered: GAUC, NDCG@k and HR@k, exact, ties included.

A list is the rows of a user in a domain. Rows are sorted once; what follows is linear in them.
Tied rows come in an order drawn by chance, and a figure is its mean over these orders.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln


class Lists(NamedTuple):
  """L lists, and their K ties: rows of a list with one score, the highest first."""

  domain: np.ndarray  # [L]
  rows: np.ndarray  # [L]
  positives: np.ndarray  # [L]
  broken: np.ndarray  # [L] bool, a score is NaN
  of: np.ndarray  # [K], whose tie it is
  above: np.ndarray  # [K], how many rows of the list have a higher score
  size: np.ndarray  # [K], rows
  liked: np.ndarray  # [K], positives


class Averaged(NamedTuple):
  """A figure of lists, averaged over those of each domain that have one."""

  value: np.ndarray  # [D] float64, NaN where none has
  counted: np.ndarray  # [D] int64, lists that have one
  left_out: np.ndarray  # [D] int64, lists that have none


def lists_of(score: np.ndarray, label: np.ndarray, user: np.ndarray, domain: np.ndarray) -> Lists:
  """Sorts rows [n] into lists.

  Args:
    score: [n] float, the higher the better.
    label: [n], 0 or 1.
    user, domain: [n] integer.
  """
  score = np.asarray(score, np.float64)
  order = np.lexsort((-score, user, domain))
  score, user, domain = (np.asarray(x)[order] for x in (score, user, domain))
  label = np.asarray(label)[order].astype(np.int64)
  begins, opens = np.ones((2, score.size), bool)
  begins[1:] = (user[1:] != user[:-1]) | (domain[1:] != domain[:-1])
  opens[1:] = begins[1:] | (score[1:] != score[:-1])
  first, opens = np.flatnonzero(begins), np.flatnonzero(opens)
  of = np.cumsum(begins)[opens] - 1
  rows = np.diff(np.append(first, score.size))
  return Lists(
    domain=domain[first],
    rows=rows,
    positives=np.add.reduceat(label, first) if label.size else rows,
    broken=np.bincount(of, np.isnan(score[opens]), first.size) > 0,
    of=of,
    above=opens - first[of],
    size=np.diff(np.append(opens, score.size)),
    liked=np.add.reduceat(label, opens) if label.size else rows,
  )


def auc(lists: Lists) -> np.ndarray:
  """The AUC of each list, a tie counting half: [L]; NaN where a list lacks a label."""
  disliked, negatives = lists.size - lists.liked, lists.rows - lists.positives
  below = np.cumsum(negatives)[lists.of] - np.cumsum(disliked)
  won = _total(lists, lists.liked * (2 * below + disliked))
  return _ratio(won, 2.0 * lists.positives * negatives, lists.broken)


def ndcg(lists: Lists, k: int) -> np.ndarray:
  """NDCG@k of each list, its mean over orders of tied rows: [L]; NaN where it has no positive.

  The r-th of the first k rows counts 1 / log₂(r + 1) if it is a positive. That is divided by what
  it would come to with all positives first, or as many as k or the list holds.
  """
  most = min(k, int(lists.rows.max(initial=0)))
  gain = np.append(0.0, np.cumsum(1 / np.log2(np.arange(2, most + 2))))  # of the first r places
  upto = lambda place: gain[np.minimum(place, most)]
  mean = (upto(lists.above + lists.size) - upto(lists.above)) / lists.size
  return _ratio(_total(lists, lists.liked * mean), upto(lists.positives), lists.broken)


def hit_rate(lists: Lists, k: int) -> np.ndarray:
  """HR@k of each list: [L]; NaN where it has no positive.

  That is the probability that one of the first k rows is a positive, tied rows in random order.
  """
  places = np.clip(k - lists.above, 0, lists.size)  # among the first k
  disliked = lists.size - lists.liked
  choices = lambda n: gammaln(n + 1) - gammaln(np.maximum(n - places, 0) + 1)  # of these, ordered
  miss = np.where(places <= disliked, np.exp(choices(disliked) - choices(lists.size)), 0.0)
  # One tie at most is cut by k, and those before it have a hit for certain or none.
  hit = np.minimum(_total(lists, np.where(lists.liked > 0, 1 - miss, 0.0)), 1.0)
  return np.where(lists.broken | (lists.positives == 0), np.nan, hit)


def averaged(
  value: np.ndarray,
  domain: np.ndarray,
  broken: np.ndarray,
  num_domains: int,
  weight: np.ndarray | None = None,
) -> Averaged:
  """The mean over lists of each domain, those left out whose value [L] is NaN.

  Args:
    value: [L].
    domain, broken: [L], as `Lists` has them. A domain in which a list is broken has no figure.
    num_domains: D.
    weight: [L], of the lists; by default they count alike.
  """
  there = ~np.isnan(value)
  weight = np.where(there, 1.0 if weight is None else weight, 0.0)
  count = lambda x: np.bincount(domain, x, num_domains)
  total = count(np.where(there, value, 0.0) * weight)
  counted = count(there).astype(np.int64)
  left_out = count(~there).astype(np.int64)
  return Averaged(_ratio(total, count(weight), count(broken) > 0), counted, left_out)


def gauc(lists: Lists, num_domains: int) -> Averaged:
  """GAUC: the `auc` of users, averaged by their rows; those whose rows have one label are left out.

  As in Zhou et al., Deep Interest Network, KDD 2018.
  """
  return averaged(auc(lists), lists.domain, lists.broken, num_domains, lists.rows)


def _total(lists: Lists, of_ties: np.ndarray) -> np.ndarray:
  """Sums over the ties of each list: [K] -> [L]."""
  return np.bincount(lists.of, of_ties, lists.rows.size)


def _ratio(of: np.ndarray, by: np.ndarray, broken: np.ndarray) -> np.ndarray:
  """NaN where it is broken, or divided by 0."""
  return np.divide(of, by, out=np.full(by.shape, np.nan), where=(by > 0) & ~broken)
