"""Synthetic domains with the counts of a paper data set and a truth that is known."""

import random

import numpy as np

from mamdr_jax.data.dataset import Dataset

# Luo et al. 2023, Table IV: rows of D1..D30; Table I: domains, users and items of each data set.
TAOBAO_SIZES = (
  *(13255, 7007, 20130, 62460, 11563, 7190, 4185, 24052, 5582, 17860),
  *(29302, 6472, 8873, 125586, 15560, 5458, 14095, 53910, 12102, 2936),
  *(4710, 29256, 41609, 7354, 68119, 5308, 24918, 38919, 24297, 34253),
)
PRESETS = {
  "taobao10": (10, 23778, 6932),
  "taobao20": (20, 58190, 16319),
  "taobao30": (30, 99143, 29945),
}
FEATURES = ("frozen", "ids")
OWN = 0.4  # length of the part of a domain's taste (length 1) that is its own
# Factors have a standard deviation of 1 around these, so that an item (2.25 of the variance of a
# truth of 4.25) or a user (1) matters by itself, besides how the two of them match (1).
MEAN = {"user": 1.5, "item": 1.0}
FEATURE_NOISE = 0.1  # beside features with a standard deviation of about 1


def synthetic(
  *,
  preset: str | None = None,
  sizes: tuple[int, ...] = (),
  ctr: tuple[float, ...] = (),
  num_users: int | None = None,
  num_items: int | None = None,
  features: str = "frozen",
  feature_size: int = 128,
  num_factors: int = 4,
  conflict: float = 0.5,
  noise: float = 0.4,
  seed: int = 0,
  split_seed: int = 0,
) -> Dataset:
  """Draws a data set of `D` domains: one of `PRESETS`, or any list of `sizes` in rows.

  Users have factors `z: [num_users, num_factors]` and items `w: [num_items, num_factors]`. A domain
  weighs them by `taste: [D, num_factors]`, and the truth of a row is `Σₖ tasteₖ zₖ wₖ`. The rows
  with the largest truth + `noise` · logistic noise are the positives, `n ctr / (1 + ctr)` of them,
  so that positives / negatives is `ctr` (Luo et al. 2023, Eq. 23); by default the ratios are those
  of Table IV. The tastes of two domains have a cosine of about 1 or `1 - 2 conflict`.

  With `features="frozen"` every user and item has `feature_size` given features, a linear image of
  its factors; with "ids" nothing but its id. Pairs, labels and splits do not depend on `features`,
  and pairs do not depend on `conflict` or `noise`.
  """
  if (preset is None) == (not sizes):
    raise ValueError(f"give a preset ({', '.join(PRESETS)}) or sizes, one of the two")
  if preset is not None:
    if preset not in PRESETS:
      raise ValueError(f"unknown preset {preset!r}; choose one of {', '.join(PRESETS)}")
    num_domains, preset_users, preset_items = PRESETS[preset]
    sizes = TAOBAO_SIZES[:num_domains]
    num_users = preset_users if num_users is None else num_users
    num_items = preset_items if num_items is None else num_items
  total = sum(sizes)
  # Without other counts, about as many rows for a user and for an item as in Taobao-10.
  num_users = max(total // 7, 40) if num_users is None else num_users
  num_items = max(total // 25, 20) if num_items is None else num_items
  ctr = tuple(ctr) or _ctr_ratios(len(sizes))
  if len(ctr) != len(sizes):
    raise ValueError(f"{len(sizes)} sizes but {len(ctr)} ctr ratios; give one ratio a domain")
  if min(ctr) <= 0:
    raise ValueError(f"a ctr ratio is positives / negatives, so {min(ctr)} must be above 0")
  positives = [round(n * ratio / (1 + ratio)) for n, ratio in zip(sizes, ctr, strict=True)]
  for n, count in zip(sizes, positives, strict=True):
    if min(count, n - count) < 5:
      raise ValueError(
        f"a domain of {n} rows has {count} positives; splitting 60/20/20 by label needs 5 of each"
      )
  if max(num_users, num_items) > total:
    raise ValueError(f"{total} rows cannot show all of {num_users} users and {num_items} items")
  if num_users * num_items < 2 * max(sizes):
    raise ValueError(
      f"{num_users} users and {num_items} items are too few for {max(sizes)} distinct pairs;"
      " give at least twice as many pairs as the largest domain has rows"
    )
  if features not in FEATURES:
    raise ValueError(f"unknown features {features!r}; choose one of {', '.join(FEATURES)}")
  if num_factors < 2 or num_factors % 2:
    raise ValueError(f"num_factors {num_factors} must be even: half agree, half are in conflict")
  if not 0 <= conflict <= 1:
    raise ValueError(f"conflict {conflict} is outside [0, 1]")
  if noise < 0:
    raise ValueError(f"noise {noise} is below 0")

  rng = np.random.Generator(np.random.PCG64(seed))
  domain = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
  user, item = _pairs(rng, domain, sizes, num_users, num_items)
  factors = {
    "user": MEAN["user"] + rng.standard_normal((num_users, num_factors)),
    "item": MEAN["item"] + rng.standard_normal((num_items, num_factors)),
  }
  taste = _taste(rng, len(sizes), num_factors, conflict)
  truth = np.zeros(total)
  # Summed in a fixed order and rounded before anything is sorted by it: a BLAS that adds in
  # another order would move labels from machine to machine.
  for k in range(num_factors):
    truth += taste[domain, k] * factors["user"][user, k] * factors["item"][item, k]
  # To a variance of 1, so that `noise` means the same whatever the means of the factors.
  truth = np.round(truth / np.sqrt(MEAN["user"] ** 2 + MEAN["item"] ** 2 + 1), 6)
  drawn = np.round(truth + noise * rng.logistic(size=total), 6)
  rank = np.empty(total, np.int64)  # within a domain, 0 is the largest
  first = np.cumsum(sizes) - sizes
  rank[np.lexsort((-drawn, domain))] = np.arange(total) - first[domain]
  label = (rank < np.array(positives)[domain]).astype(np.int8)
  return Dataset(
    ids={"user": user, "item": item},
    dense={},
    label=label,
    domain=domain,
    split=_split(label, domain, split_seed),
    domains=tuple(f"D{d + 1}" for d in range(len(sizes))),
    vocab={"user": np.arange(num_users), "item": np.arange(num_items)},
    frozen={field: _embed(rng, z - MEAN[field], feature_size) for field, z in factors.items()}
    if features == "frozen"
    else {},
    truth=truth.astype(np.float32),
    notes=(),
  )


def _pairs(rng, domain, sizes, num_users, num_items):
  """`user, item: [n]` int32: distinct in a domain, and everyone in at least one row.

  A domain is home to its share of the users and items, and about as many others visit it.
  """
  homes = {}
  for field, count in (("user", num_users), ("item", num_items)):
    # Distinct rows, one each: no domain gets more to show than it has rows.
    homes[field] = rng.permutation(domain[np.arange(count) * len(domain) // count])
  pairs = []
  for d, n in enumerate(sizes):
    home_users, home_items = (rng.permutation(np.flatnonzero(homes[f] == d)) for f in homes)
    items = _pool(rng, home_items, num_items, int(np.sqrt(4 * n)))
    users = _pool(rng, home_users, num_users, -(-4 * n // len(items)))
    user = np.concatenate([home_users, _popular(rng, users, 2 * n - len(home_users))])
    item = np.concatenate([home_items, _popular(rng, items, 2 * n - len(home_items))])
    key = _distinct(user.astype(np.int64) * num_items + item)
    while len(key) < n:  # the popular pairs are used up, so the rest is drawn evenly
      user, item = rng.choice(users, 2 * n), rng.choice(items, 2 * n)
      key = _distinct(np.concatenate([key, user.astype(np.int64) * num_items + item]))
    pairs.append(key[:n])
  user, item = np.divmod(np.concatenate(pairs), num_items)
  return user.astype(np.int32), item.astype(np.int32)


def _pool(rng, home, count, at_least):
  """Sorted ids: `home` and as many of all `count` again, or `at_least` where that is more."""
  visitors = rng.permutation(count)[: max(len(home), at_least)]
  return np.union1d(home, visitors)


def _popular(rng, pool, size):
  """Draws ids; one in the first `q` of the pool with probability `q^(2/3)`, in every domain."""
  u = rng.random(size)
  return pool[(len(pool) * u * np.sqrt(u)).astype(np.int64)]


def _distinct(key):
  """The distinct keys in order of first appearance."""
  return key[np.sort(np.unique(key, return_index=True)[1])]


def _taste(rng, num_domains, num_factors, conflict):
  """`[D, num_factors]`, rows of length about 1: the first half agrees, the second takes sides."""
  half = num_factors // 2
  agreed, opposed = (_unit(rng.choice((-1.0, 1.0), half)) for _ in range(2))
  side = rng.permutation(np.where(np.arange(num_domains) % 2, -1.0, 1.0))[:, None]
  common = np.hstack(
    [np.sqrt(1 - conflict) * np.tile(agreed, (num_domains, 1)), np.sqrt(conflict) * side * opposed]
  )
  own = _unit(rng.standard_normal((num_domains, num_factors)))
  return _unit(np.sqrt(1 - OWN**2) * common + OWN * own)


def _unit(x):
  return x / np.sqrt(np.sum(x**2, axis=-1, keepdims=True))


def _embed(rng, factors, feature_size):
  """`[N, feature_size]` float32: factors times a random matrix, and a little noise."""
  num_factors = factors.shape[1]
  basis = (rng.standard_normal((num_factors, feature_size)) / np.sqrt(num_factors)).astype("f4")
  out = np.float32(FEATURE_NOISE) * rng.standard_normal((len(factors), feature_size), np.float32)
  for k in range(num_factors):
    out += factors[:, k, None].astype("f4") * basis[k]
  return out


def _ctr_ratios(num_domains):
  rng = random.Random(123)
  return tuple(round(rng.uniform(0.2, 0.5), 2) for _ in range(num_domains))


def _split(label, domain, seed):
  """`[n]` int8: 60/20/20 of every label of every domain."""
  rng = np.random.Generator(np.random.PCG64(seed))
  shuffled = rng.permutation(len(label))
  group = 2 * domain[shuffled].astype(np.int64) + label[shuffled]
  order = np.argsort(group, kind="stable")
  count = np.bincount(group)
  place = np.arange(len(label)) - np.repeat(np.cumsum(count) - count, count)
  num_rows = np.repeat(count, count)
  split = np.empty(len(label), np.int8)
  valid, test = num_rows * 3 // 5, num_rows * 4 // 5
  split[shuffled[order]] = (place >= valid).astype(np.int8) + (place >= test)
  return split
