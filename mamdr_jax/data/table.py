"""Any CSV or Parquet file whose columns the config names."""

import os
from collections.abc import Sequence
from pathlib import Path

from mamdr_jax.data import delimited, parquet, recipe
from mamdr_jax.data.cache import cached
from mamdr_jax.data.columns import identifiers, integers, numbers
from mamdr_jax.data.dataset import Dataset
from mamdr_jax.data.features import align, read_features
from mamdr_jax.data.labelled import REPEATED, labelled


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
  standardize: bool = True,
  split_seed: int = 0,
  cache: str | os.PathLike | None = None,
) -> Dataset:
  """Rows of a CSV or Parquet file.

  Domains are in order of appearance. With a `label` rows are taken as they are; numbers are
  `dense["row"]: [n, f]`. Without one `recipe.build` makes the labels. Features of users and items
  become `frozen`. Ids are compared without the blanks around them.

  Args:
    path: a `.csv`, `.csv.gz` or `.parquet` file.
    user: name of the column of users.
    item: name of the column of items.
    domain: name of the column of domains.
    label: name of a column of labels, 0 or 1; by default every row is a positive.
    rating: name of a column of ratings, of which `positive_from` makes labels.
    timestamp: name of a column of times: of a pair that repeats the latest rating counts.
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
    standardize: whether `dense` numbers become their distance from the mean of the training rows,
      in standard deviations of the training rows.
    split_seed: of the negatives and the splits.
    cache: a folder that keeps what was read for the next start; by default nothing is kept.
  """
  options = {"positive_from": positive_from, "negatives": negatives, "split_seed": split_seed}
  named = {"user": user, "item": item, "domain": domain, "label": label, "rating": rating}
  named |= {"timestamp": timestamp, "split": split}
  named = {here: there for here, there in named.items() if there}
  _check(named, categorical, dense, positive_from)
  if repeated not in REPEATED:
    raise ValueError(f"unknown repeated {repeated!r}; choose one of {', '.join(REPEATED)}")
  taken = {"repeated": repeated, "standardize": standardize, "split_seed": split_seed}
  recipe.check_options(positive_from, negatives)
  path = Path(path)
  if not path.is_file():
    raise FileNotFoundError(f"{path} is not a file; expected a .csv, .csv.gz or .parquet file")
  features = {"user": user_features, "item": item_features}
  features = {field: Path(source) for field, source in features.items() if source}

  def build() -> Dataset:
    tables = {field: read_features(source) for field, source in features.items()}
    read = parquet.read_columns if path.suffix == ".parquet" else delimited.read_columns
    frame = read(
      path,
      named | {f"categorical/{c}": c for c in categorical} | {f"dense/{c}": c for c in dense},
      numbers=("rating", "timestamp", *(f"dense/{c}" for c in dense)),
    )
    frame = identifiers(path, frame, ("user", "item", "domain"))
    for field, (ident, _) in tables.items():
      if ident.dtype.kind in "iu":
        frame[field] = integers(path, frame[field])
    if label:
      dataset = labelled(path, frame, tuple(categorical), tuple(dense), **taken)
    else:
      for name in {"rating", "timestamp"} & set(frame):
        frame[name] = numbers(path, frame[name])
      by_domain = dict(list(frame.groupby("domain", sort=False, observed=True)))
      dataset = recipe.build(by_domain, **options)
    frozen = {
      field: align(features[field], dataset.vocab[field], *table) for field, table in tables.items()
    }
    return dataset._replace(frozen=frozen)

  told = {"reader": "table", "columns": named, "features": list(features), **options, **taken}
  told |= {"categorical": list(categorical), "dense": list(dense)}
  return cached(build, [path, *features.values()], told, cache)


def _check(named, categorical: Sequence[str], dense: Sequence[str], positive_from) -> None:
  """Raises a ValueError for columns that do not go together."""
  if "label" not in named:
    needy = [*categorical, *dense, *([named["split"]] if "split" in named else [])]
    if needy:
      raise ValueError(
        f"column {needy[0]!r} needs a label column: negatives that are drawn have no such value"
      )
    if ("rating" in named) != (positive_from is not None):
      raise ValueError("give a rating column and positive_from both, or neither")
    if "timestamp" in named and "rating" not in named:
      raise ValueError("a timestamp column needs a rating column: it says which rating counts")
  elif {"rating", "timestamp"} & set(named) or positive_from is not None:
    raise ValueError("a label column leaves rating, timestamp and positive_from without use")
  if taken := {"user", "item", "domain"} & set(categorical):
    raise ValueError(f"categorical column {min(taken)!r} has the name of a field that exists")
