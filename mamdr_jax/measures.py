"""Measures beside AUC, by the names that a config asks for them with.

`gauc`, `ndcg@K` and `hr@K` are of `ranking.py`, over the rows of a user in a domain; `calibration`,
which is `pcoc` and `ece`, and `log_loss` of `calibration.py`.
"""

import functools
import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mamdr_jax import calibration, ranking
from mamdr_jax.core import DomainBatches

RANKING = re.compile(r"(ndcg|hr)@([1-9][0-9]{0,5})")
OF_RATES = "calibration", "log_loss"  # what scores that are no probabilities do not have
MEASURES, MEAN, BY_DOMAIN = "measures", "mean", "by_domain"  # the keys of a result
COUNTED, LEFT_OUT = "users", "left_out"
SAMPLED = """\
NDCG@K and HR@K are over the rows that a user has in a domain, not over all items. Such sampled
metrics can order models otherwise than those over all items do (Krichene & Rendle, KDD 2020), and a
user with K rows or fewer has HR@K = 1 whatever the scores. Users without a positive, and for GAUC
those whose rows have one label, are left out."""


class Scored(NamedTuple):
  """Rows and what a model says of them: [n] each."""

  logit: np.ndarray  # float; where no probability is asked for, any score
  label: np.ndarray  # 0 or 1
  user: np.ndarray  # integer
  domain: np.ndarray  # integer


class Measure(NamedTuple):
  """A figure of every domain: [D] each."""

  value: np.ndarray  # NaN where there is none
  users: ranking.Averaged | None = None  # that it is the mean of, if it is one


def check(key: str, names) -> None:
  """Raises a ValueError if one of the `names` of a config's key is no measure."""
  if not isinstance(names, list | tuple):
    raise ValueError(f"{key}={names!r}; expected a tuple, e.g. ('gauc', 'ndcg@10')")
  for name in names:
    if not isinstance(name, str) or not (name in ("gauc", *OF_RATES) or RANKING.fullmatch(name)):
      raise ValueError(
        f"{key}: unknown measure {name!r}; choose some of gauc, ndcg@K, hr@K, calibration, log_loss"
      )


def measured(names: Collection[str], rows: Scored, num_domains: int) -> dict[str, Measure]:
  """name -> what it comes to on the rows; `calibration` gives `pcoc` and `ece`."""
  logit, label, user, domain = rows
  lists = functools.cache(lambda: ranking.lists_of(logit, label, user, domain))
  probability = functools.cache(lambda: calibration.probability(logit))
  found = {}
  for name in dict.fromkeys(names):
    if name == "calibration":
      of = probability(), label, domain, num_domains
      found |= {"pcoc": Measure(calibration.pcoc(*of)), "ece": Measure(calibration.ece(*of))}
    elif name == "log_loss":
      found[name] = Measure(calibration.log_loss(logit, label, domain, num_domains))
    else:
      users = of_users(name, lists(), num_domains)
      found[name] = Measure(users.value, users)
  return found


def of_users(name: str, lists: ranking.Lists, num_domains: int) -> ranking.Averaged:
  """One of the measures that are means over users."""
  if name == "gauc":
    return ranking.gauc(lists, num_domains)
  kind, k = RANKING.fullmatch(name).groups()
  value = (ranking.ndcg if kind == "ndcg" else ranking.hit_rate)(lists, int(k))
  return ranking.averaged(value, lists.domain, lists.broken, num_domains)


def keys_of(names: Collection[str]) -> list[str]:
  """Under which names `measured` gives what is asked for."""
  every = (("pcoc", "ece") if name == "calibration" else (name,) for name in names)
  return list(dict.fromkeys(key for keys in every for key in keys))


def told(found: Mapping[str, Measure], domains: Sequence[str]) -> dict[str, dict]:
  """What a result has of each: the plain mean over domains that have one, and each by name.

  Of a mean over users, how many `users` count and are `left_out`, in all domains together.
  """
  results = {}
  for name, (value, users) in found.items():
    results[name] = {MEAN: mean(value), BY_DOMAIN: dict(zip(domains, value.tolist(), strict=True))}
    if users is not None:
      counts = {COUNTED: users.counted.sum(), LEFT_OUT: users.left_out.sum()}
      results[name] |= {key: int(count) for key, count in counts.items()}
  return results


def mean(value: np.ndarray) -> float:
  """Over the domains that have a number."""
  known = value[~np.isnan(value)]
  return float(known.mean()) if known.size else float("nan")


def rows_of(logits, data: DomainBatches) -> Scored:
  """The rows of a split, or of a part of it, and their logits [T, B], on the host."""
  batch = data.batch
  logits, label, weight, user, domain = (
    np.asarray(x) for x in (logits, batch.label, batch.weight, batch.ids["user"], batch.domain)
  )
  real = weight > 0
  domain = np.broadcast_to(domain[:, None], real.shape)
  return Scored(logits[real], label[real], user[real], domain[real])


def all_rows(parts: Sequence[Scored]) -> Scored:
  """The rows of all parts."""
  return Scored(*(np.concatenate(column) for column in zip(*parts, strict=True)))
