"""Taobao theme clicks: a theme is a domain, users and items have GraphSage features.

Du et al., KDD 2019, as used for Taobao-10/20/30 of Luo et al. 2023.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mamdr_jax.data import recipe
from mamdr_jax.data.cache import cached
from mamdr_jax.data.columns import identifiers, integers, times
from mamdr_jax.data.dataset import Dataset
from mamdr_jax.data.delimited import read_columns
from mamdr_jax.data.features import align, read_embedding
from mamdr_jax.data.files import find_file, listed
from mamdr_jax.data.rules import Rules

FILES = ("theme_click_log", "user_embedding", "item_embedding")
COLUMNS = {"user": "user_id", "item": "item_id", "domain": "theme_id"}
TIME = "reach_time"
WIDTH = 128


def load(
  root: str | os.PathLike,
  num_domains: int = 10,
  themes: Sequence[str | int] = (),
  *,
  split_by: str = "random",
  split_at: Sequence[float | str] = (0.6, 0.8),
  split_seed: int = 0,
  cache: str | os.PathLike | None = None,
) -> Dataset:
  """Themes as domains: the first `num_domains` to appear, or those with the ids `themes`.

  Every click is a positive; clicks of a user or an item without an embedding are dropped and
  counted. The embeddings are `frozen["user"], frozen["item"]: [N, 128] float32`.

  Args:
    root: the folder, which holds the files of `FILES` as `.csv` or `.csv.gz`.
    num_domains: how many themes, the first to appear.
    themes: ids of themes, instead.
    split_by: "random" splits 60/20/20; "time" and "last" go by `reach_time`, see `table.load`.
    split_at: the two times, or shares of the rows, of a split by time.
    split_seed: of the negatives and the splits.
    cache: a folder that keeps what was read for the next start; by default nothing is kept.
  """
  files = [find_file(Path(root), [f"{name}.csv", f"{name}.csv.gz"])[0] for name in FILES]
  chosen = [str(theme) for theme in themes] or num_domains
  rules = Rules(split_by, tuple(split_at), split_seed).checked()
  return cached(
    lambda: _build(*files, chosen, rules),
    files,
    {"reader": "taobao", "domains": chosen, **rules._asdict()},
    cache,
  )


def _build(log: Path, users: Path, items: Path, chosen: int | list[str], rules: Rules):
  columns = COLUMNS | ({"timestamp": TIME} if rules.timed else {})
  clicks = identifiers(log, read_columns(log, columns, numbers=("timestamp",)), tuple(COLUMNS))
  if rules.timed:
    clicks = clicks.assign(timestamp=times(log, clicks["timestamp"]))
  themes = list(pd.unique(clicks["domain"]))
  if isinstance(chosen, int):
    if not 0 < chosen <= len(themes):
      raise ValueError(f"{log} has {len(themes)} themes, expected {chosen} and at least 1")
    chosen = themes[:chosen]
  for theme in chosen:
    if theme not in themes:
      raise ValueError(f"{log} has no theme {theme!r}; it has {listed(themes)}")
  clicks = clicks.assign(user=integers(log, clicks["user"]), item=integers(log, clicks["item"]))
  clicks = clicks[clicks["domain"].isin(chosen)]
  notes, tables, known = [], {}, np.ones(len(clicks), bool)
  for field, path in (("user", users), ("item", items)):
    tables[field] = read_embedding(path, pd.unique(clicks[field]), WIDTH)
    bare = ~clicks[field].isin(tables[field][0]).to_numpy()
    if bare.any():
      notes.append(f"{bare.sum():,} clicks were dropped because {path.name} lacks their {field}")
    known &= ~bare
  clicks = clicks[known]
  frames = {theme: clicks[clicks["domain"] == theme] for theme in chosen}
  dataset = recipe.build(frames, rules=rules, notes=notes)
  return dataset._replace(
    frozen={
      field: align(path, dataset.vocab[field], *tables[field])
      for field, path in (("user", users), ("item", items))
    }
  )
