"""Synthetic domains with the counts of a paper data set and a truth that is known."""

from collections.abc import Sequence

import numpy as np

from mamdr_jax import machine
from mamdr_jax.data.dataset import Dataset
from mamdr_jax.data.exposure import draw_pairs
from mamdr_jax.data.recipe import ctr_ratios
from mamdr_jax.data.split import SMALLEST, stratify

# Luo et al. 2023, Table IV: the rows of D1..D30. Table I: domains, users, items.
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
# Factors have a standard deviation of 1 around these, so that an item (2.25 of a variance of 4.25)
# or a user (1) matters by itself, besides how well the two of them match (1).
MEAN = {"user": 1.5, "item": 1.0}
OWN = 0.4  # length of the part of a taste, itself of length 1, that no other domain has
MOST_FACTORS = 4096  # rows are drawn factor by factor
FEATURE_NOISE = 0.1  # the features it is added to have a standard deviation of about 1


def load(
  *,
  preset: str | None = None,
  sizes: tuple[int, ...] = (),
  ctr: tuple[float, ...] = (),
  num_users: int | None = None,
  num_items: int | None = None,
  features: str = "frozen",
  feature_size: int = 128,
  num_factors: int = 8,
  conflict: float = 0.5,
  noise: float = 0.55,
  seed: int = 0,
  split_seed: int = 0,
) -> Dataset:
  """Draws a data set of `D` domains: one of `PRESETS`, or any `sizes: [D]` in rows.

  Users have factors `z: [num_users, K]`, items `w: [num_items, K]`, and domains a taste
  `a: [D, K]`. The truth of a row is `Σₖ aₖ zₖ wₖ`, scaled to a variance of 1, and the rows of a
  domain where truth + `noise` · logistic noise is largest are its positives: `n ctr / (1 + ctr)`
  of `n`, so that positives / negatives is `ctr` (Luo et al. 2023, Eq. 23). `ctr` and the counts
  of users and items are those of Tables IV and I unless given.

  At `conflict` 0 all tastes agree but for a small part of each domain's own; else domains take one
  of two sides, and the cosine of tastes across them is about `1 - 2 conflict`. `features="frozen"`
  gives every user and item `feature_size` numbers, a linear image of its factors and a little
  noise; "ids" gives none. With the same seed, pairs depend on counts only, labels not on features.

  Args:
    preset: the counts of a paper data set, `taobao10`, `taobao20` or `taobao30`.
    sizes: rows of each domain, instead of a preset.
    ctr: positives / negatives of each domain; by default those of Table IV.
    num_users: by default the preset's, or a seventh of the rows and at least 40.
    num_items: by default the preset's, or a 25th of the rows and at least 20.
    features: "frozen" or "ids": whether users and items have given features, or their ids alone.
    feature_size: numbers given for a user and an item.
    num_factors: K, an even number.
    conflict: how much domains disagree, from 0 to 1.
    noise: scale of the logistic noise on the truth.
    seed: of all that is drawn but the splits.
    split_seed: of the splits.

  Raises:
    ValueError: no such preset or features, a number out of its range, a domain too small to split,
      or more than the machine's memory can hold.

  >>> dataset = load(sizes=(120, 90), ctr=(0.5, 0.2), features="ids")
  >>> dataset.domains, dataset.label.shape, int(dataset.label[:120].sum())
  (('D1', 'D2'), (210,), 40)
  """
  if bool(preset) == bool(sizes):
    raise ValueError(f"expected one of preset and sizes; got preset={preset!r}, sizes={sizes}")
  if preset and preset not in PRESETS:
    raise ValueError(f"unknown preset {preset!r}; choose one of {', '.join(PRESETS)}")
  if features not in FEATURES:
    raise ValueError(f"unknown features {features!r}; choose one of {', '.join(FEATURES)}")
  if num_factors < 2 or num_factors % 2:
    raise ValueError(f"num_factors is {num_factors}, not even: half agree, half are in conflict")
  if num_factors > MOST_FACTORS:
    raise ValueError(f"num_factors is {num_factors}; expected at most {MOST_FACTORS}")
  if feature_size < 1:
    raise ValueError(f"feature_size is {feature_size}, below 1")
  if not 0 <= conflict <= 1:
    raise ValueError(f"conflict is {conflict}, outside [0, 1]")
  if noise < 0:
    raise ValueError(f"noise is {noise}, below 0")
  # Other sizes get about as many rows for a user and an item as Taobao-10.
  num_domains, *counts = PRESETS.get(
    preset, (0, max(sum(sizes) // 7, 40), max(sum(sizes) // 25, 20))
  )
  sizes = np.array(TAOBAO_SIZES[:num_domains] if preset else sizes, np.int64)
  positives = _num_positives(sizes, tuple(ctr) or ctr_ratios(len(sizes)))
  num_users = counts[0] if num_users is None else num_users
  num_items = counts[1] if num_items is None else num_items
  width = 8 * num_factors + 4 * feature_size * (features == "frozen")
  _check_memory(int(sizes.sum()), num_users + num_items, width)

  rng = np.random.Generator(np.random.PCG64(seed))
  user, item = draw_pairs(rng, sizes.tolist(), num_users, num_items)
  domain = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
  z = MEAN["user"] + rng.standard_normal((num_users, num_factors))
  w = MEAN["item"] + rng.standard_normal((num_items, num_factors))
  taste = _taste(rng, len(sizes), num_factors, conflict)
  # Summed in a fixed order, and rounded before it is sorted: a BLAS that adds up in another order
  # would move labels from machine to machine.
  truth = sum(taste[domain, k] * z[user, k] * w[item, k] for k in range(num_factors))
  truth = np.round(truth / np.sqrt(MEAN["user"] ** 2 + MEAN["item"] ** 2 + 1), 6)
  score = np.round(truth + noise * rng.logistic(size=len(truth)), 6)
  rank = np.empty(len(truth), np.int64)  # 0 is the largest score of a domain
  rank[np.lexsort((-score, domain))] = np.arange(len(truth)) - (np.cumsum(sizes) - sizes)[domain]
  label = (rank < positives[domain]).astype(np.int8)
  frozen = {}
  if features == "frozen":
    frozen["user"] = _embed(rng, z - MEAN["user"], feature_size)
    frozen["item"] = _embed(rng, w - MEAN["item"], feature_size)
  return Dataset(
    ids={"user": user, "item": item},
    dense={},
    label=label,
    domain=domain,
    split=stratify(domain * 2 + label, split_seed),
    domains=tuple(f"D{d + 1}" for d in range(len(sizes))),
    vocab={"user": np.arange(num_users), "item": np.arange(num_items)},
    frozen=frozen,
    moments={},
    truth=truth.astype(np.float32),
    notes=(),
  )


def _check_memory(num_rows: int, num_ids: int, width: int) -> None:
  """Raises a ValueError if rows, and a user's or item's `width` bytes, are more than memory has.

  A row is at least two ids, a domain, a truth, a score, a rank, a label and a split: 38 bytes.
  """
  told = f"synthetic data of {num_rows:,} rows and {num_ids:,} users and items of {width:,} bytes"
  machine.check_memory(told, 38 * num_rows + width * num_ids)


def _num_positives(sizes: np.ndarray, ctr: Sequence[float]) -> np.ndarray:
  """`[D]` int64, from `sizes: [D]` and positives / negatives `ctr: [D]`."""
  if len(ctr) != len(sizes) or min(ctr) <= 0:
    raise ValueError(f"expected {len(sizes)} ctr ratios above 0, one a domain; got {ctr}")
  positives = np.round(sizes * np.array(ctr) / (1 + np.array(ctr))).astype(np.int64)
  for n, count in zip(sizes, positives, strict=True):
    if min(count, n - count) < SMALLEST:
      raise ValueError(
        f"a domain of {n} rows would have {count} positives and {n - count} negatives;"
        f" to be split 60/20/20 it needs {SMALLEST} of each"
      )
  return positives


def _taste(rng, num_domains, num_factors, conflict):
  """`[D, K]`, rows of length 1: on half of the factors domains agree, on half they take sides."""
  half = (num_domains, num_factors // 2)
  agreed, opposed = (np.ones(half) * rng.choice((-1.0, 1.0), half[1]) for _ in range(2))
  side = rng.permutation(np.where(np.arange(num_domains) % 2, -1.0, 1.0))[:, None]
  common = np.hstack([np.sqrt(1 - conflict) * agreed, np.sqrt(conflict) * side * opposed])
  own = rng.standard_normal((num_domains, num_factors))
  return _unit(np.sqrt(1 - OWN**2) * _unit(common) + OWN * _unit(own))


def _unit(rows):
  return rows / np.sqrt(np.sum(rows**2, axis=1, keepdims=True))


def _embed(rng, factors, feature_size):
  """`[N, K] -> [N, feature_size]` float32: times a random matrix, plus a little noise."""
  num_rows, num_factors = factors.shape
  basis = rng.standard_normal((num_factors, feature_size)) / np.sqrt(num_factors)
  embedded = FEATURE_NOISE * rng.standard_normal((num_rows, feature_size), np.float32)
  for k in range(num_factors):  # in a fixed order, as above
    embedded += factors[:, k, None].astype(np.float32) * basis[k].astype(np.float32)
  return embedded
