"""How rows are split, and which rows and ids are too few to stay."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from mamdr_jax.data.dataset import SPLITS, Dataset

SPLIT_BY = ("random", "time", "last")
RARE = "<rare>"  # the id that stands for all that are rare


class Rules(NamedTuple):
  """What a reader does with rows once it has them; `table.load` describes each."""

  split_by: str = "random"
  split_at: Sequence[float | str] = (0.6, 0.8)
  split_seed: int = 0
  core: int = 0
  rare: int = 0

  def checked(self) -> "Rules":
    """The same; ValueError if one of them cannot be."""
    if self.split_by not in SPLIT_BY:
      raise ValueError(f"unknown split_by {self.split_by!r}; choose one of {', '.join(SPLIT_BY)}")
    for name in ("core", "rare"):
      if getattr(self, name) < 0:
        raise ValueError(f"{name}={getattr(self, name)}; choose 0 or more")
    _moments(self.split_at)
    return self

  @property
  def timed(self) -> bool:
    """Whether rows have to say when they were."""
    return self.split_by != "random"


PLAIN = Rules()


def splits_of(rules: Rules, time: np.ndarray, user: np.ndarray, domain: np.ndarray) -> np.ndarray:
  """Index into SPLITS of every row, [n] int8, by when it was: `time` [n] float64.

  By "time", rows before the first of `split_at` are to train on, and those from the second on to
  test with; shares stand for the times before which so many of all rows are. By "last", those of
  the last time at which a user was in a domain are to test with, and those of the last but one to
  validate with, where there are three. Rows of the same time are never in different splits of a
  user, nor by "time" of anybody.
  """
  if rules.split_by == "time":
    first, second = _moments(rules.split_at)
    if max(first, second) <= 1:
      order, last = np.sort(time), len(time) - 1
      first, second = (order[min(int(share * len(time)), last)] for share in (first, second))
    return (time >= first).astype(np.int8) + (time >= second)
  owner = user.astype(np.int64) * (int(domain.max(initial=0)) + 1) + domain
  owner = np.unique(owner, return_inverse=True)[1]
  order = np.lexsort((-time, owner))
  new_owner = np.append(True, owner[order][1:] != owner[order][:-1])
  new_time = new_owner | np.append(True, time[order][1:] != time[order][:-1])
  rank = np.cumsum(new_time)
  rank = rank - np.maximum.accumulate(np.where(new_owner, rank, 0))  # 0 the last, 1 the one before
  num = np.zeros(owner.max(initial=-1) + 1, np.int64)
  np.maximum.at(num, owner[order], rank + 1)
  split = np.where(num[owner[order]] < 3, 0, np.maximum(2 - rank, 0)).astype(np.int8)
  found = np.empty_like(split)
  found[order] = split
  return found


def check_split(split: str) -> None:
  """Raises a ValueError if files that are to test with are used in no known way."""
  if split not in ("given", "random"):
    raise ValueError(f"unknown split {split!r}; choose given or random")


def split_of(tested: np.ndarray, seed: int) -> pd.Categorical:
  """What is to test with is given, [n] bool; of the other rows a fourth, drawn, validates."""
  drawn = np.random.default_rng(seed).random(len(tested)) < 0.25
  return pd.Categorical.from_codes(np.where(tested, 2, drawn), list(SPLITS))


def _moments(split_at: Sequence[float | str]) -> tuple[float, float]:
  """The two times, or shares; ValueError if they are not two that rise."""
  found = [when(at) for at in split_at]
  if len(found) != 2 or None in found or not found[0] < found[1]:
    raise ValueError(
      f"split_at={tuple(split_at)}; expected two times, or two shares of the rows, that rise, such "
      "as (0.6, 0.8) or ('2024-01-01', '2024-02-01')"
    )
  return tuple(found)


def when(text: object) -> float | None:
  """A time as a number: that of a number, or of a date the seconds since 1970; None if neither."""
  try:
    return float(text)
  except (TypeError, ValueError):
    pass
  moment = pd.to_datetime(str(text).strip(), format="ISO8601", errors="coerce", utc=True)
  return None if pd.isna(moment) else moment.timestamp()


def in_core(core: int, *columns: np.ndarray) -> np.ndarray:
  """Which rows stay, [n] bool, so that every id of `columns` [n] has `core` of those that do.

  Rows go until that holds, so that it may be none.
  """
  stays = np.ones(len(columns[0]), bool)
  while core > 1:
    few = np.zeros(len(stays), bool)
    for column in columns:
      count = np.bincount(column[stays], minlength=column.max(initial=0) + 1)
      few |= count[column] < core
    few &= stays
    if not few.any():
      break
    stays &= ~few
  return stays


def rare_as_one(dataset: Dataset, rare: int) -> Dataset:
  """Ids with fewer than `rare` rows to train on become one, `RARE`; a note counts them.

  A field whose ids have given features keeps them all.
  """
  train = dataset.split == SPLITS.index("train")
  ids, vocab, notes = dict(dataset.ids), dict(dataset.vocab), []
  for field, column in dataset.ids.items():
    known = vocab[field]
    few = np.bincount(column[train], minlength=len(known)) < rare
    if field in dataset.frozen or known.dtype.kind == "f" or not few.any():
      continue
    place = np.cumsum(~few) - 1
    place[few] = len(known) - few.sum()
    ids[field] = place[column].astype(np.int32)
    vocab[field] = np.append(known[~few].astype(str), RARE)
    notes.append(f"{few.sum():,} of {len(known):,} ids of {field} are rare, and share one")
  return dataset._replace(ids=ids, vocab=vocab, notes=(*dataset.notes, *notes))
