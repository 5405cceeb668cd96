"""Synthetic domains with the counts of a paper data set and a truth that is known."""

import os
from collections.abc import Iterator

import numpy as np

from mamdr_jax import machine
from mamdr_jax.data import ground_truth
from mamdr_jax.data.blocks import blocks
from mamdr_jax.data.counts import (
  ONLINE_ROWS,
  PRESETS,
  TAOBAO_SIZES,
  num_positives,
  positive_shares,
  zipf_sizes,
)
from mamdr_jax.data.dataset import Dataset
from mamdr_jax.data.exposure import FEW, Dials, draw_pairs
from mamdr_jax.data.mapped import Empty, mapped
from mamdr_jax.data.split import stratify

FEATURES = ("frozen", "ids")
MOST_FACTORS = 4096


def load(
  *,
  preset: str | None = None,
  sizes: tuple[int, ...] = (),
  num_domains: int | None = None,
  rows: int | None = None,
  zipf: float = 1.0,
  one_in: int = 1,
  ctr: tuple[float, ...] = (),
  num_users: int | None = None,
  num_items: int | None = None,
  features: str = "frozen",
  feature_size: int = 128,
  num_factors: int = 8,
  conflict: float = 0.5,
  own_share: float = 0.4,
  own_factors: int | None = None,
  noise: float = 0.55,
  shared_users: float = 0.5,
  shared_items: float = 0.5,
  skew: float = 1.5,
  seed: int = 0,
  split_seed: int = 0,
  cache: str | os.PathLike | None = None,
) -> Dataset:
  """Draws `D` domains: one of `PRESETS`, any `sizes: [D]` in rows, or `num_domains` by Zipf's law.

  Users have factors `z: [num_users, K]`, items `w: [num_items, K]`, and domains a taste
  `a: [D, K]`. The truth of a row is `Σₖ aₖ zₖ wₖ`, scaled to a variance of 1, and the rows of a
  domain where truth + `noise` · logistic noise is largest are its positives: `n ctr / (1 + ctr)`
  of `n`, so that positives / negatives is `ctr` (Luo et al. 2023, Eq. 23). `ctr` and the counts
  of users and items are those of Tables IV and I unless given; beyond the thirty domains of Table
  IV, ctr is uniform on [0.2, 0.5] as there.

  At `conflict` 0 all tastes agree but for a small part of each domain's own; else domains take one
  of two sides, and the cosine of tastes across them is about `1 - 2 conflict`. `features="frozen"`
  gives every user and item `feature_size` numbers, a linear image of its factors and a little
  noise; "ids" gives none. With the same seed, pairs depend on counts only, labels not on features.

  Where sizes are not given, every domain has the rows that it needs to be split, and what is left
  of `rows` is shared as `1 / rank^zipf`, the first domain having the largest share, whatever the
  seed. So it is with Taobao-online, of which the paper has the rows in all.

  More than 100 domains take time and memory that is linear in rows, users and items (see
  `exposure`), and are split one by one: the split of a row depends on `split_seed` and the number
  of its domain, not on what other domains have.

  Args:
    preset: the counts of a paper data set, `taobao10`, `taobao20`, `taobao30` or `taobao_online`.
    sizes: rows of each domain, instead of a preset.
    num_domains: how many, instead of a preset; needs `rows`.
    rows: of all `num_domains` together.
    zipf: exponent of the law that shares rows among domains whose sizes are not given; 0 is evenly.
    one_in: rows, users and items of a preset are divided by it; the domains stay.
    ctr: positives / negatives of each domain; by default those of Table IV, then from its range.
    num_users: by default the preset's, or a seventh of the rows and at least 40.
    num_items: by default the preset's, or a 25th of the rows and at least 20.
    features: "frozen" or "ids": whether users and items have given features, or their ids alone.
    feature_size: numbers given for a user and an item.
    num_factors: K, an even number.
    conflict: how much domains disagree, from 0 to 1.
    own_share: length of the part of a domain's taste, of length 1, that no other domain has.
    own_factors: so many factors, drawn for each domain, are all that matters there; by default all.
    noise: scale of the logistic noise on the truth.
    shared_users: of the users that a domain draws from, the share at home in others, from 0, none,
      to 1, all users; more where there would be too few pairs. For up to 100 domains.
    shared_items: the same of items.
    skew: how unlike in popularity users and items are; 1 is not at all. For up to 100 domains.
    seed: of all that is drawn but the splits.
    split_seed: of the splits.
    cache: a folder that keeps the rows, 18 bytes each, as files that are mapped and not read; with
      more than 100 domains they are then never in memory together. By default nothing is kept.

  Raises:
    ValueError: no such preset or features, a number out of its range, a domain too small to split,
      or more than the machine's memory can hold.

  >>> dataset = load(sizes=(120, 90), ctr=(0.5, 0.2), features="ids")
  >>> dataset.domains, dataset.label.shape, int(dataset.label[:120].sum())
  (('D1', 'D2'), (210,), 40)
  """
  choices = {"preset": preset, "sizes": sizes, "num_domains": num_domains}
  if len(given := [name for name, value in choices.items() if value]) != 1:
    told = " and ".join(given) or "none"
    raise ValueError(f"expected one of preset, sizes and num_domains; got {told}")
  if preset and preset not in PRESETS:
    raise ValueError(f"unknown preset {preset!r}; choose one of {', '.join(PRESETS)}")
  if (num_domains is None) != (rows is None):
    raise ValueError(f"expected num_domains and rows together; got {num_domains} and {rows}")
  if num_domains is not None and num_domains < 1:
    raise ValueError(f"num_domains is {num_domains}, below 1")
  if one_in < 1 or (one_in > 1 and not preset):
    raise ValueError(f"one_in is {one_in}; expected 1, or with a preset a number to divide it by")
  if not 0 <= zipf <= 10:
    raise ValueError(f"zipf is {zipf}, outside [0, 10]")
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
  shares = {"own_share": own_share, "shared_users": shared_users, "shared_items": shared_items}
  for name, share in shares.items():
    if not 0 <= share <= 1:
      raise ValueError(f"{name} is {share}, outside [0, 1]")
  if not 1 <= skew <= 10:
    raise ValueError(f"skew is {skew}, outside [1, 10]")
  if own_factors is not None and not 1 <= own_factors <= num_factors:
    raise ValueError(f"own_factors is {own_factors}; expected 1 to num_factors={num_factors}")
  if preset:
    num_domains, *counts = PRESETS[preset]
    rows, counts = ONLINE_ROWS // one_in, [count // one_in for count in counts]
    sizes = [size // one_in for size in TAOBAO_SIZES[:num_domains]]
  share = positive_shares(ctr, num_domains or len(sizes))
  of_zipf = num_domains and num_domains > len(sizes)
  sizes = zipf_sizes(rows, zipf, share) if of_zipf else np.array(sizes, np.int64)
  positives, num_rows = num_positives(sizes, share), int(sizes.sum())
  if not preset:  # about as many rows for a user and an item as Taobao-10
    counts = max(num_rows // 7, 40), max(num_rows // 25, 20)
  num_users = counts[0] if num_users is None else num_users
  num_items = counts[1] if num_items is None else num_items
  width = 12 + 8 * num_factors + 4 * feature_size * (features == "frozen")
  _check_memory(sizes, num_users + num_items, width, on_disk=bool(cache))
  rng = np.random.Generator(np.random.PCG64(seed))
  dials = Dials(shared_users, shared_items, skew)
  pairs = draw_pairs(rng, sizes, num_users, num_items, dials)
  drawn = {
    "num_ids": {"user": num_users, "item": num_items},
    "feature_size": feature_size if features == "frozen" else 0,
    "num_factors": num_factors,
    "conflict": conflict,
    "own_share": own_share,
    "own_factors": own_factors,
    "noise": noise,
    "split_seed": split_seed,
  }
  recipe = {"sizes": sizes.tolist(), "positives": positives.tolist(), "seed": seed, **drawn}
  recipe |= {"dials": list(dials)}
  return mapped(lambda empty: _fill(empty, rng, pairs, sizes, positives, **drawn), recipe, cache)


def _fill(
  empty: Empty,
  rng: np.random.Generator,
  pairs: Iterator[tuple[np.ndarray, np.ndarray]],
  sizes: np.ndarray,
  positives: np.ndarray,
  *,
  num_ids: dict[str, int],
  feature_size: int,
  num_factors: int,
  conflict: float,
  own_share: float,
  own_factors: int | None,
  noise: float,
  split_seed: int,
) -> Dataset:
  """Draws the columns in the order in which `rng` is read, a part at a time."""
  num_rows, num_domains = int(sizes.sum()), len(sizes)
  ids = {field: empty(f"ids/{field}", (num_rows,), np.int32) for field in num_ids}
  start = 0
  for part in pairs:
    rows = slice(start, start := start + len(part[0]))
    for column, some in zip(ids.values(), part, strict=True):
      column[rows] = some
  factors = {
    field: ground_truth.factors(rng, field, count, num_factors) for field, count in num_ids.items()
  }
  taste = ground_truth.tastes(rng, num_domains, num_factors, conflict, own_share, own_factors)
  domain, truth = empty("domain", (num_rows,), np.int32), empty("truth", (num_rows,), np.float32)
  label, split = (empty(name, (num_rows,), np.int8) for name in ("label", "split"))
  seeds = np.random.SeedSequence(split_seed).generate_state(num_domains, np.uint64)
  start = 0
  for part in blocks(sizes):
    rows = slice(start, start := start + int(sizes[part].sum()))
    of = np.repeat(np.arange(part.start, part.stop, dtype=np.int32), sizes[part])
    some = [ids[field][rows] for field in num_ids]
    true = ground_truth.truth(taste, *factors.values(), of, *some)
    score = np.round(true + noise * rng.logistic(size=len(of)), 6)
    labels = _best(score, sizes[part], positives[part])
    domain[rows], truth[rows], label[rows] = of, true, labels
    if num_domains > FEW:
      split[rows] = _each_split(labels, sizes[part], seeds[part])
  if num_domains <= FEW:
    split[:] = stratify(domain * 2 + label, split_seed)
  frozen = {}
  if feature_size:
    for field, drawn in factors.items():
      frozen[field] = empty(f"frozen/{field}", (len(drawn), feature_size), np.float32)
      ground_truth.embed(rng, field, drawn, out=frozen[field])
  return Dataset(
    ids=ids,
    dense={},
    label=label,
    domain=domain,
    split=split,
    domains=tuple(f"D{d + 1}" for d in range(num_domains)),
    vocab={field: np.arange(count) for field, count in num_ids.items()},
    frozen=frozen,
    moments={},
    truth=truth,
    notes=(),
  )


def _best(score: np.ndarray, sizes: np.ndarray, positives: np.ndarray) -> np.ndarray:
  """`[n]` int8: 1 for the largest scores of each domain, as many as its positives."""
  label, start = np.zeros(len(score), np.int8), 0
  for n, count in zip(sizes.tolist(), positives.tolist(), strict=True):
    label[start + np.argsort(-score[start : start + n], kind="stable")[:count]] = 1
    start += n
  return label


def _each_split(label: np.ndarray, sizes: np.ndarray, seeds: np.ndarray) -> np.ndarray:
  """`[n]` int8: the rows of each domain split by a seed of its own."""
  split, start = np.empty(len(label), np.int8), 0
  for n, seed in zip(sizes.tolist(), seeds.tolist(), strict=True):
    split[start : start + n] = stratify(label[start : start + n], seed)
    start += n
  return split


def _check_memory(sizes: np.ndarray, num_ids: int, width: int, on_disk: bool) -> None:
  """Raises a ValueError if rows, and a user's or item's `width` bytes, are more than memory has.

  A row is two ids, a domain, a truth, a label and a split, 18 bytes, which a cache keeps on disk;
  and 20 more while few domains are split together.
  """
  few = len(sizes) <= FEW
  each = 38 if few else 18 * (not on_disk)
  where = " on disk" if on_disk else ""
  told = (
    f"synthetic data of {sizes.sum():,} rows{where} and {num_ids:,} users and items of "
    f"{width:,} bytes"
  )
  machine.check_memory(told, each * int(sizes.sum()) + width * num_ids)
