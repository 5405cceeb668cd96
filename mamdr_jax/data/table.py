"""Any CSV or Parquet file whose columns the config names, or a folder of such, one a domain."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mamdr_jax.data import delimited, parquet, recipe
from mamdr_jax.data.cache import cached
from mamdr_jax.data.columns import filled, identifiers, integers, joined, numbers, one_of, times
from mamdr_jax.data.dataset import Dataset
from mamdr_jax.data.features import align, read_features
from mamdr_jax.data.labelled import SPLIT_CODES, check_options, labelled
from mamdr_jax.data.rules import Rules

ENDINGS = (".csv", ".csv.gz", ".parquet")


def load(
  path: str | os.PathLike,
  *,
  user: str = "user",
  item: str = "item",
  domain: str = "domain",
  label: str | None = None,
  rating: str | None = None,
  timestamp: str | None = None,
  split: str | None = None,
  categorical: Sequence[str] = (),
  dense: Sequence[str] = (),
  user_features: str | os.PathLike | None = None,
  item_features: str | os.PathLike | None = None,
  positive_from: float | None = None,
  negatives: str = "sampled",
  repeated: str = "keep",
  scale: str = "linear",
  standardize: bool = True,
  split_by: str = "random",
  split_at: Sequence[float | str] = (0.6, 0.8),
  core: int = 0,
  rare: int = 0,
  split_seed: int = 0,
  cache: str | os.PathLike | None = None,
) -> Dataset:
  """Rows of a CSV or Parquet file, or of all those in a folder.

  Domains are in order of appearance. With a `label` rows are taken as they are; numbers are
  `dense["row"]: [n, f]`. Without one `recipe.build` makes the labels. Features of users and items
  become `frozen`. Ids are compared without the blanks around them.

  Args:
    path: a `.csv`, `.csv.gz` or `.parquet` file; or a folder of them, each a domain by the name of
      the file, in the order of names.
    user: name of the column of users.
    item: name of the column of items.
    domain: name of the column of domains.
    label: name of a column of labels, 0 or 1; by default every row is a positive.
    rating: name of a column of ratings, of which `positive_from` makes labels.
    timestamp: name of a column of times, numbers or dates: of a pair that repeats the latest rating
      counts, and splits can go by it.
    split: name of a column of train, valid and test, or 0, 1 and 2; needs `label`.
    categorical: names of more columns that are ids; needs `label`.
    dense: names of columns that are numbers; needs `label`.
    user_features: given features of users, `.npy`, where row i is that of the integer id i, or
      `.npz` with `id: [n]` and `feature: [n, f]`.
    item_features: the same of items.
    positive_from: the lowest rating of a positive.
    negatives: "sampled" draws them, "rated" takes the pairs that are rated lower.
    repeated: "keep" or "drop" rows with a `label` that say what another says: impressions of a log
      repeat, and each counts.
    scale: of `dense` numbers: "linear", "log", which is ±log(1 + |x|), or "quantile", which makes
      each an id, that of one of 20 bins of equally many training rows.
    standardize: whether `dense` numbers become their distance from the mean of the training rows,
      in standard deviations of the training rows.
    split_by: "random" splits 60/20/20 within domain and label. "time" splits by two times for all,
      "last" tests a user's last time in a domain, and validates the last but one. A negative that
      is drawn has the time of one of its user's positives.
    split_at: of a split by time, the times from which rows are to validate and to test with,
      numbers or dates as the column has them; or shares of all rows.
    core: drops rows until every user and every item has so many.
    rare: ids with fewer rows to train on become one, which stands for unknown ones when serving.
    split_seed: of the negatives and the splits.
    cache: a folder that keeps what was read for the next start; by default nothing is kept.
  """
  options = {"positive_from": positive_from, "negatives": negatives}
  rules = Rules(split_by, tuple(split_at), split_seed, core, rare).checked()
  path = Path(path)
  named = {"user": user, "item": item, "domain": domain, "label": label, "rating": rating}
  named |= {"timestamp": timestamp, "split": split}
  named = {here: there for here, there in named.items() if there}
  _check(named, categorical, dense, positive_from, rules)
  taken = {"repeated": repeated, "standardize": standardize, "scale": scale}
  check_options(repeated, scale)
  recipe.check_options(positive_from, negatives)
  domains = domains_of(path)
  if domains:
    del named["domain"]
  features = {"user": user_features, "item": item_features}
  features = {field: Path(source) for field, source in features.items() if source}

  def build() -> Dataset:
    tables = {field: read_features(source) for field, source in features.items()}
    columns = named | {f"categorical/{c}": c for c in categorical}
    columns |= {f"dense/{c}": c for c in dense}
    plain = [field for field, (ident, _) in tables.items() if ident.dtype.kind in "iu"]
    read = lambda file: _read(file, columns, plain, rules.timed)
    frames = {name: read(file) for name, file in (domains or {"": path}).items()}
    if label:
      frame = _together(frames) if domains else frames[""]
      dataset = labelled(path, frame, categorical, dense, rules=rules, **taken)
    elif domains:
      dataset = recipe.build(frames, rules=rules, **options)
    else:
      by_domain = dict(list(frames[""].groupby("domain", sort=False, observed=True)))
      dataset = recipe.build(by_domain, rules=rules, **options)
    frozen = {
      field: align(features[field], dataset.vocab[field], *table) for field, table in tables.items()
    }
    return dataset._replace(frozen=frozen)

  told = {"reader": "table", "columns": named, "features": list(features), **options, **taken}
  told |= {"categorical": list(categorical), "dense": list(dense), **rules._asdict()}
  told |= {"domains": list(domains)}
  return cached(build, [*(domains.values() or [path]), *features.values()], told, cache)


def domains_of(path: Path) -> dict[str, Path]:
  """Domain -> its file, of a folder; nothing, of a file.

  Raises:
    FileNotFoundError: it is neither, or a folder without a table.
    ValueError: two files have the name of one domain.
  """
  if path.is_file():
    return {}
  if not path.is_dir():
    raise FileNotFoundError(
      f"{path} is not there; expected a .csv, .csv.gz or .parquet file, or a folder of them"
    )
  found = {}
  for file in sorted(path.iterdir()):
    name = next((file.name.removesuffix(end) for end in ENDINGS if file.name.endswith(end)), None)
    if name and name in found:
      raise ValueError(f"{path} has {found[name].name} and {file.name}, expected one of a domain")
    if name:
      found[name] = file
  if not found:
    raise FileNotFoundError(f"{path} has no {', '.join(ENDINGS)} file; expected one a domain")
  return found


def _read(
  path: Path, columns: Mapping[str, str], plain: Sequence[str], timed: bool
) -> pd.DataFrame:
  """Columns of a file, name here -> name there, ids of the fields `plain` as integers.

  If it is `timed` every row has to say when it was.
  """
  read = parquet.read_columns if path.suffix == ".parquet" else delimited.read_columns
  dense = [name for name in columns if name.startswith("dense/")]
  frame = read(path, columns, numbers=("rating", "timestamp", *dense))
  ids = [name for name in ("user", "item", "domain") if name in columns]
  frame = identifiers(path, frame, ids)
  for field in plain:
    frame[field] = integers(path, frame[field])
  # What is said of a cell names its file, so that it is looked at while that is known.
  if "rating" in frame:
    frame["rating"] = numbers(path, frame["rating"])
  for name in dense:
    frame[name] = filled(path, frame[name].rename(name.removeprefix("dense/")))
  if "timestamp" in frame:
    frame["timestamp"] = times(path, frame["timestamp"], needed=timed)
  for name, choices in (("label", {"0": 0, "1": 1}), ("split", SPLIT_CODES)):
    if name in frame:
      one_of(path, frame[name], choices)
  return frame


def _together(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
  """Frames of domains, one after the other, their names in a column."""
  first, *_ = frames.values()
  whole = {name: joined([frame[name] for frame in frames.values()]) for name in first}
  sizes = [len(frame) for frame in frames.values()]
  codes = np.repeat(np.arange(len(frames), dtype=np.int32), sizes)
  whole["domain"] = pd.Categorical.from_codes(codes, pd.Index(list(frames), dtype="str"))
  return pd.DataFrame(whole, copy=False).rename_axis("row")


def _check(named, categorical, dense, positive_from, rules: Rules) -> None:
  """Raises a ValueError for columns that do not go together."""
  if "label" not in named:
    needy = [*categorical, *dense, *([named["split"]] if "split" in named else [])]
    if needy:
      raise ValueError(
        f"column {needy[0]!r} needs a label column: negatives that are drawn have no such value"
      )
    if ("rating" in named) != (positive_from is not None):
      raise ValueError("give a rating column and positive_from both, or neither")
    if "timestamp" in named and "rating" not in named and not rules.timed:
      raise ValueError(
        "a timestamp column needs a rating column, to say which rating counts, or split_by"
      )
  elif "rating" in named or positive_from is not None:
    raise ValueError("a label column leaves rating and positive_from without use")
  elif "timestamp" in named and not rules.timed:
    raise ValueError("a label column leaves timestamp without use unless split_by goes by it")
  if rules.timed and "timestamp" not in named:
    raise ValueError(f"split_by={rules.split_by!r} needs a timestamp column")
  if rules.timed and "split" in named:
    raise ValueError(f"a split column leaves split_by={rules.split_by!r} without use")
  if taken := {"user", "item", "domain"} & set(categorical):
    raise ValueError(f"categorical column {min(taken)!r} has the name of a field that exists")
