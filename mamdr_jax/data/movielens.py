"""MovieLens 1M: a domain is a group of users, by age, occupation or gender.

Harper & Konstan, TiiS 2015.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mamdr_jax.data import recipe
from mamdr_jax.data.cache import cached
from mamdr_jax.data.columns import identifiers, numbers, times
from mamdr_jax.data.dataset import Dataset
from mamdr_jax.data.delimited import read_separated
from mamdr_jax.data.files import find_file
from mamdr_jax.data.rules import Rules

RATINGS = ("user", "item", "rating", "timestamp")
USERS = ("user", "gender", "age", "occupation", "zip")
BY = ("age", "occupation", "gender")
# As three domains of about equal size: those of Scenario-Wise-Rec (Li et al. 2024).
THREE = {"1": "18-", "18": "18-", "25": "25"}


def load(
  root: str | os.PathLike,
  by: str = "age",
  *,
  merge_ages: bool = True,
  positive_from: float = 4.0,
  negatives: str = "rated",
  split_by: str = "random",
  split_at: Sequence[float | str] = (0.6, 0.8),
  core: int = 0,
  split_seed: int = 0,
  cache: str | os.PathLike | None = None,
) -> Dataset:
  """Ratings of movies, users grouped `by` something that is known of them.

  Args:
    root: the folder, which holds `ratings.dat` and `users.dat`.
    by: "age", "occupation" or "gender".
    merge_ages: whether ages are three domains, under 25, 25 to 34, and 35 and over, in place of
      the seven of the file.
    positive_from: the lowest rating of a positive.
    negatives: "rated" takes what is rated lower, "sampled" draws them.
    split_by: "random" splits 60/20/20; "time" and "last" go by the times of ratings, see
      `table.load`.
    split_at: the two times, or shares of the rows, of a split by time.
    core: drops rows until every user and every movie has so many.
    split_seed: of the splits, and of negatives that are drawn.
    cache: a folder that keeps what was read for the next start; by default nothing is kept.
  """
  if by not in BY:
    raise ValueError(f"unknown by={by!r}; choose one of {', '.join(BY)}")
  files = [find_file(Path(root), [name, f"{name}.gz"])[0] for name in ("ratings.dat", "users.dat")]
  rules = Rules(split_by, tuple(split_at), split_seed, core).checked()
  options = {"positive_from": positive_from, "negatives": negatives}
  recipe.check_options(positive_from, negatives)

  def build() -> Dataset:
    ratings, users = files
    rows = identifiers(ratings, read_separated(ratings, RATINGS, "::"), ("user", "item"))
    rows = rows.assign(
      rating=numbers(ratings, rows["rating"]), timestamp=times(ratings, rows["timestamp"])
    )
    known = identifiers(users, read_separated(users, USERS, "::"), ("user", by))
    of = known[by].astype(str)
    if by == "age" and merge_ages:
      of = of.map(THREE).fillna("35+")
    group = pd.Series(of.to_numpy(), index=known["user"].astype(str).to_numpy())
    domain = rows["user"].cat.categories.to_series().map(group).to_numpy()[rows["user"].cat.codes]
    if (strange := pd.isna(domain)).any():
      who = rows["user"].iloc[int(np.argmax(strange))]
      raise ValueError(f"{users} lacks user {who}, who is in {ratings.name}")
    frames = dict(list(rows.groupby(domain, sort=True)))
    return recipe.build(frames, rules=rules, **options)

  told = {"reader": "movielens", "by": by, "merge_ages": merge_ages, **options, **rules._asdict()}
  return cached(build, files, told, cache)
