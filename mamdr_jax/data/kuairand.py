"""KuaiRand: impressions of short videos in a phone's app, a domain a tab of it.

Gao et al., CIKM 2022.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mamdr_jax.data.cache import cached
from mamdr_jax.data.columns import identifiers, joined, one_of, times
from mamdr_jax.data.dataset import Dataset
from mamdr_jax.data.delimited import first_cells, read_columns
from mamdr_jax.data.files import check_columns, find_file
from mamdr_jax.data.labelled import labelled
from mamdr_jax.data.rules import Rules

LOGS = {
  "first": "log_standard_4_08_to_4_21_{}.csv",
  "second": "log_standard_4_22_to_5_08_{}.csv",
  "random": "log_random_4_22_to_5_08_{}.csv",
}
VERSIONS = ("1k", "pure", "27k")
COLUMNS = {"user": "user_id", "item": "video_id", "domain": "tab"}
TIME = "time_ms"
# What is known only after the click, so that it tells the label.
AFTER = (
  *("is_click", "is_like", "is_follow", "is_comment", "is_forward", "is_hate", "long_view"),
  *("play_time_ms", "profile_stay_time", "comment_stay_time", "is_profile_enter"),
)


def load(
  root: str | os.PathLike,
  version: str = "1k",
  logs: Sequence[str] = ("first", "second"),
  tabs: Sequence[str | int] = (),
  *,
  label: str = "is_click",
  user_columns: Sequence[str] = (),
  video_columns: Sequence[str] = (),
  split_by: str = "random",
  split_at: Sequence[float | str] = (0.6, 0.8),
  core: int = 0,
  rare: int = 0,
  split_seed: int = 0,
  cache: str | os.PathLike | None = None,
) -> Dataset:
  """Impressions as rows, those that repeat among them.

  Args:
    root: the folder `data` of the set, or one that has its files.
    version: "1k", "pure" or "27k".
    logs: some of "first" (8 to 21 April), "second" (22 April to 8 May) and "random" (videos shown
      at random, the same weeks as the second).
    tabs: those to take, such as (0, 1, 2, 4, 6); by default all.
    label: the column of labels: is_click, or another that says what a user did.
    user_columns: more fields, columns of `user_features_*.csv`.
    video_columns: more fields, columns of `video_features_basic_*.csv`.
    split_by: "random" splits 60/20/20; "time" and "last" go by `time_ms`, see `table.load`.
    split_at: the two times, or shares of the rows, of a split by time.
    core: drops rows until every user and every video has so many.
    rare: ids with fewer rows to train on become one.
    split_seed: of the splits.
    cache: a folder that keeps what was read for the next start; by default nothing is kept.
  """
  if version not in VERSIONS:
    raise ValueError(f"unknown version {version!r}; choose one of {', '.join(VERSIONS)}")
  for log in logs:
    if log not in LOGS:
      raise ValueError(f"unknown log {log!r}; choose some of {', '.join(LOGS)}")
  if label not in AFTER:
    told = ", ".join(AFTER)
    raise ValueError(f"label {label!r} says nothing that a user did; choose one of {told}")
  find = lambda name: find_file(Path(root), [name, f"{name}.gz"])[0]
  files = [find(LOGS[log].format(version)) for log in logs]
  joins = {}
  for field, name, columns in (
    ("user", "user_features_{}.csv", user_columns),
    ("item", "video_features_basic_{}.csv", video_columns),
  ):
    if columns:
      joins[field] = find(name.format(version)), tuple(columns)
  rules = Rules(split_by, tuple(split_at), split_seed, core, rare).checked()
  wanted = [str(tab) for tab in tabs]

  def read(path):
    columns = COLUMNS | {"label": label} | ({"timestamp": TIME} if rules.timed else {})
    rows = identifiers(path, read_columns(path, columns, numbers=("timestamp",)), tuple(COLUMNS))
    one_of(path, rows["label"], {"0": 0, "1": 1})
    if rules.timed:
      rows["timestamp"] = times(path, rows["timestamp"])
    if wanted:
      known = rows["domain"].cat.categories
      rows = rows[known.isin(wanted)[rows["domain"].cat.codes]]
    return rows

  def build() -> Dataset:
    rows = [read(path) for path in files]
    frame = pd.DataFrame({name: joined([part[name] for part in rows]) for name in rows[0]})
    frame = frame.rename_axis("row")
    lacking = [tab for tab in wanted if tab not in set(frame["domain"].unique())]
    if lacking or frame.empty:
      raise ValueError(f"{files[0].parent} has no rows of tab {', '.join(lacking) or 'any'}")
    more = []
    for field, (path, columns) in joins.items():
      for name, values in looked_up(path, COLUMNS[field], columns, frame[field]).items():
        frame[f"categorical/{name}"] = values
        more.append(name)
    return labelled(files[0].parent, frame, more, rules=rules)

  sources = [*files, *(path for path, _ in joins.values())]
  told = {"reader": "kuairand", "tabs": wanted, "label": label, **rules._asdict()}
  told |= {"joins": {field: list(columns) for field, (_, columns) in joins.items()}}
  return cached(build, sources, told, cache)


def looked_up(path: Path, key: str, columns: Sequence[str], ids: pd.Series) -> dict:
  """Columns of a file, as text, for each of `ids` [n], which one of its columns has.

  What the file lacks is the text "unknown".

  Raises:
    ValueError: it lacks a column, or tells one id twice.
  """
  check_columns(path, [key, *columns], first_cells(path))
  table = read_columns(path, {name: name for name in (key, *columns)})
  table = identifiers(path, table, (key,))
  place = pd.Index(table[key].astype(str))
  if not place.is_unique:
    raise ValueError(f"{path} has {key} {place[place.duplicated()][0]} twice, expected once")
  at = place.get_indexer(ids.cat.categories.astype(str))
  found = {}
  for name in columns:
    texts = np.append(table[name].to_numpy(object), "unknown")[at]
    codes, names = pd.factorize(texts)
    found[name] = pd.Categorical.from_codes(codes[ids.cat.codes], pd.Index(names, dtype="str"))
  return found
