"""Douban: books, movies and music that the same people rate, a domain each.

As handed out in `douban_dataset(text information)` (Zhu et al., CIKM 2019).
"""

import os
from collections.abc import Sequence
from pathlib import Path

from mamdr_jax.data import recipe
from mamdr_jax.data.cache import cached
from mamdr_jax.data.columns import identifiers, numbers, times
from mamdr_jax.data.dataset import Dataset
from mamdr_jax.data.delimited import first_cells, read_columns
from mamdr_jax.data.files import check_columns, find_file
from mamdr_jax.data.rules import Rules

DOMAINS = ("book", "movie", "music")


def load(
  root: str | os.PathLike,
  domains: Sequence[str] = DOMAINS,
  *,
  positive_from: float = 4.0,
  negatives: str = "rated",
  split_by: str = "random",
  split_at: Sequence[float | str] = (0.6, 0.8),
  core: int = 0,
  split_seed: int = 0,
  cache: str | os.PathLike | None = None,
) -> Dataset:
  """Ratings of 1 to 5 of `domains`; an item's id is of its domain alone.

  Args:
    root: the folder, which holds `bookreviews_cleaned.txt` and the like: tabs, with a header of
      `user_id`, `book_id` and the like, `rating`, and `time` where splits go by it.
    domains: some of "book", "movie", "music", or of others with such a file.
    positive_from: the lowest rating of a positive.
    negatives: "rated" takes what is rated lower, "sampled" draws them.
    split_by: "random" splits 60/20/20; "time" and "last" go by `time`, see `table.load`.
    split_at: the two times, or shares of the rows, of a split by time.
    core: drops rows until every user and every item has so many.
    split_seed: of the splits, and of negatives that are drawn.
    cache: a folder that keeps what was read for the next start; by default nothing is kept.
  """
  names = {name: f"{name}reviews_cleaned.txt" for name in domains}
  files = {name: find_file(Path(root), [file, f"{file}.gz"])[0] for name, file in names.items()}
  rules = Rules(split_by, tuple(split_at), split_seed, core).checked()
  options = {"positive_from": positive_from, "negatives": negatives}
  recipe.check_options(positive_from, negatives)

  def read(name, path):
    columns = {"user": "user_id", "item": f"{name}_id", "rating": "rating"}
    if rules.timed:
      columns["timestamp"] = "time"
    check_columns(path, list(columns.values()), first_cells(path, "\t"))
    rows = read_columns(path, columns, numbers=("rating",), delimiter="\t")
    rows = identifiers(path, rows, ("user", "item"))
    known = rows["item"].cat.categories
    rows["item"] = rows["item"].cat.rename_categories(name + "/" + known)
    rows["rating"] = numbers(path, rows["rating"])
    if rules.timed:
      rows["timestamp"] = times(path, rows["timestamp"])
    return rows

  def build() -> Dataset:
    frames = {name: read(name, path) for name, path in files.items()}
    return recipe.build(frames, rules=rules, **options)

  told = {"reader": "douban", "domains": list(domains), **options, **rules._asdict()}
  return cached(build, files.values(), told, cache)
