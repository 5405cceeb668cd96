"""The truth of synthetic rows: factors of users and items, and what domains like of them."""

import numpy as np

# Factors have a standard deviation of 1 around these, so that an item (2.25 of a variance of 4.25)
# or a user (1) matters by itself, besides how well the two of them match (1).
MEAN = {"user": 1.5, "item": 1.0}
FEATURE_NOISE = 0.1  # the features it is added to have a standard deviation of about 1
CHUNK = 2**17  # numbers that are worked on at a time


def factors(rng: np.random.Generator, field: str, count: int, num_factors: int) -> np.ndarray:
  """`[count, K]` float64, of users or of items."""
  drawn = rng.standard_normal((count, num_factors))
  drawn += MEAN[field]
  return drawn


def tastes(
  rng: np.random.Generator,
  num_domains: int,
  num_factors: int,
  conflict: float,
  own_share: float,
  own_factors: int | None,
) -> np.ndarray:
  """`[D, K]`, rows of length 1: on half of the factors domains agree, on half they take sides.

  Of each, a part of length `own_share` no other domain has. With `own_factors` so many factors of a
  domain, drawn, are all that matters there.
  """
  half = (num_domains, num_factors // 2)
  agreed, opposed = (np.ones(half) * rng.choice((-1.0, 1.0), half[1]) for _ in range(2))
  side = rng.permutation(np.where(np.arange(num_domains) % 2, -1.0, 1.0))[:, None]
  common = np.hstack([np.sqrt(1 - conflict) * agreed, np.sqrt(conflict) * side * opposed])
  own = rng.standard_normal((num_domains, num_factors))
  taste = _unit(np.sqrt(1 - own_share**2) * _unit(common) + own_share * _unit(own))
  if own_factors is None or own_factors == num_factors:
    return taste
  (chosen,) = rng.spawn(1)
  rank = np.argsort(chosen.random(taste.shape), axis=1)
  return _unit(np.where(rank < own_factors, taste, 0.0))


def truth(taste: np.ndarray, z: np.ndarray, w: np.ndarray, domain, user, item) -> np.ndarray:
  """`Σₖ aₖ zₖ wₖ` of rows `domain, user, item: [n]`, scaled to a variance of 1: [n] float64.

  Summed in a fixed order, and rounded so that it can be sorted: a BLAS that adds up in another
  order would move labels from machine to machine.
  """
  summed, step = np.empty(len(user)), max(CHUNK // z.shape[1], 1)
  for at in range(0, len(user), step):
    rows = slice(at, at + step)
    summed[rows] = sum((taste[domain[rows]] * z[user[rows]] * w[item[rows]]).T)
  return np.round(summed / np.sqrt(MEAN["user"] ** 2 + MEAN["item"] ** 2 + 1), 6)


def embed(rng: np.random.Generator, field: str, drawn: np.ndarray, out: np.ndarray) -> None:
  """Fills `out: [N, f]` float32 from factors `drawn: [N, K]`: a random image and a little noise."""
  num_factors, size = drawn.shape[1], out.shape[1]
  basis = (rng.standard_normal((num_factors, size)) / np.sqrt(num_factors)).astype(np.float32)
  step = max(CHUNK // size, 1)
  for at in range(0, len(out), step):
    some = (drawn[at : at + step] - MEAN[field]).astype(np.float32)
    part = FEATURE_NOISE * rng.standard_normal((len(some), size), np.float32)
    for k in range(num_factors):  # in a fixed order, as above
      part += some[:, k, None] * basis[k]
    out[at : at + step] = part


def _unit(rows):
  return rows / np.sqrt(np.sum(rows**2, axis=1, keepdims=True))
