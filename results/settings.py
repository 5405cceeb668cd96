"""Real settings of both kinds: `python -m results.settings AMAZON EPINIONS OUT`.

AMAZON is the folder of the categories' files, EPINIONS the file of ratings. OUT gets tables of
`user,item,domain` and, where there are ratings, `rating`. In some every domain has items of its own
and users are shared; in others every domain is a group of users, over the same items.
"""

import argparse
import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from mamdr_jax.data.amazon import AMAZON
from mamdr_jax.data.files import find_file
from mamdr_jax.files import write_aside
from mamdr_jax.markdown import table

# Of so many users one has its rows kept; few are for what takes whole passes of a large net.
ONE_IN = {"amazon": 4, "cores": 1, "cores_few": 4, "epinions": 2, "epinions_few": 8}
SMALLEST = 1000  # ratings of a group
CORE = 3000  # rows of a category's core
COLUMNS = ["user", "item", "domain", "rating"]


def category(root: Path, name: str) -> pd.DataFrame:
  """The rows of a category, each (user, item) once."""
  path, *_ = find_file(root, (f"{name}.csv.gz", f"{name}.csv"))
  return pd.read_csv(path).drop_duplicates(["user", "item"])


def amazon_of(
  amazon: Path, epinions: Path, *, domains: str = "13", users: str = "amazon", cores: bool = False
) -> pd.DataFrame:
  """Some of the users of the six or thirteen categories; items are a category's own.

  With `cores` the densest core of each category: few rows, and yet many of a user and of an item.
  """
  cut = densest if cores else lambda rows: rows
  rows = pd.concat(cut(category(amazon, name)[["user", "item"]]).assign(domain=name)
                   for name in AMAZON[domains])  # fmt: skip
  return of_some_users(rows, ONE_IN[users])


amazon_cores = functools.partial(amazon_of, users="cores", cores=True)


def densest(rows: pd.DataFrame) -> pd.DataFrame:
  """The k-core of `user` and `item` with the largest k that has CORE rows, or all rows."""
  within, k = rows, 1
  while len(within) >= CORE:
    rows, k = within, k + 1
    within = core(rows, k)
  return rows


def core(rows: pd.DataFrame, k: int) -> pd.DataFrame:
  """What is left when users and items of fewer than k rows are dropped until there are none."""
  size = None
  while len(rows) != size:
    size = len(rows)
    for field in ("user", "item"):
      rows = rows[rows.groupby(field)[field].transform("size") >= k]
  return rows


def of_some_users(rows: pd.DataFrame, one_in: int) -> pd.DataFrame:
  """All rows of one user in so many, drawn by chance."""
  users = rows["user"].unique()
  kept = users[np.random.default_rng(0).random(users.size) < 1 / one_in]
  return rows[rows["user"].isin(kept)]


def epinions_categories(amazon: Path, epinions: Path) -> pd.DataFrame:
  """Ratings of half of the users, a domain a category: users are shared, items nearly not."""
  rows = pd.read_csv(epinions).rename(columns={"category": "domain"})
  return of_some_users(rows, ONE_IN["epinions"])


def epinions_groups(amazon: Path, epinions: Path, *, users: str = "epinions") -> pd.DataFrame:
  """Ratings of some of the users, a domain those who rate most in the same category."""
  rows = of_some_users(pd.read_csv(epinions), ONE_IN[users])
  counts = rows.groupby(["user", "category"]).size()
  favourite = counts.reset_index(name="n").sort_values(["user", "n", "category"], kind="stable")
  favourite = favourite.drop_duplicates("user", keep="last").set_index("user")["category"]
  rows["domain"] = rows["user"].map(favourite)
  return rows[rows.groupby("domain")["user"].transform("size") >= SMALLEST]


def music_groups(amazon: Path, epinions: Path) -> pd.DataFrame:
  """Digital_Music, a domain the users who have written about as many reviews: eight groups."""
  rows = category(amazon, "Digital_Music")[["user", "item"]]
  count = rows.groupby("user")["item"].transform("size")
  return rows.assign(domain=pd.qcut(count, 8, labels=False, duplicates="drop"))


def pantry_at_random(amazon: Path, epinions: Path) -> pd.DataFrame:
  """Prime_Pantry, users dealt into ten groups by chance: domains that mean nothing."""
  rows = category(amazon, "Prime_Pantry")[["user", "item"]]
  users, number = np.unique(rows["user"], return_inverse=True)
  return rows.assign(domain=np.random.default_rng(0).integers(10, size=users.size)[number])


SETTINGS: dict[str, Callable[[Path, Path], pd.DataFrame]] = {
  "amazon_13_quarter": amazon_of,
  "amazon_13_cores": amazon_cores,
  "epinions_categories": epinions_categories,
  "epinions_groups": epinions_groups,
  "music_groups": music_groups,
  "pantry_at_random": pantry_at_random,
  "amazon_6_few": functools.partial(amazon_cores, domains="6", users="cores_few"),
  "amazon_13_few": functools.partial(amazon_cores, users="cores_few"),
  "epinions_groups_few": functools.partial(epinions_groups, users="epinions_few"),
}


def main(amazon: Path, epinions: Path, out: Path) -> None:
  """Writes each setting, and prints what they hold."""
  out.mkdir(parents=True, exist_ok=True)
  told = []
  for name, make in SETTINGS.items():
    rows = make(amazon, epinions)
    rows = rows[[column for column in COLUMNS if column in rows]]
    write = functools.partial(rows.to_csv, index=False, compression="gzip")
    write_aside(out / f"{name}.csv.gz", write)
    count = rows.groupby("domain").size()
    shared = [rows.groupby(field)["domain"].nunique().gt(1).mean() for field in ("user", "item")]
    told.append([name, f"{len(rows):,}", f"{count.size}", f"{count.max():,}", f"{count.min():,}",
                 *(f"{100 * share:.0f}" for share in shared)])  # fmt: skip
  header = ("setting", "rows", "domains", "largest", "smallest")
  print(table([*header, "users in several, %", "items in several, %"], told))


if __name__ == "__main__":
  parser = argparse.ArgumentParser()
  for argument in ("amazon", "epinions", "out"):
    parser.add_argument(argument, type=Path)
  main(**vars(parser.parse_args()))
