"""AliExpress: impressions of a search, a domain a country.

Li et al., ECML PKDD 2020 ("AliExpress searching system dataset").
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mamdr_jax.data.cache import cached
from mamdr_jax.data.columns import filled, identifiers, joined, one_of
from mamdr_jax.data.dataset import Dataset
from mamdr_jax.data.delimited import header_of, read_columns
from mamdr_jax.data.files import check_columns, find_file
from mamdr_jax.data.labelled import labelled
from mamdr_jax.data.rules import Rules, check_split, split_of

COUNTRIES = ("NL", "ES", "FR", "US")
PARTS = ("train", "test")
LABELS = ("click", "conversion")


def load(
  root: str | os.PathLike,
  countries: Sequence[str] = COUNTRIES,
  *,
  label: str = "click",
  item: str = "categorical_1",
  scale: str = "linear",
  rare: int = 0,
  split: str = "given",
  split_seed: int = 0,
  cache: str | os.PathLike | None = None,
) -> Dataset:
  """Impressions as rows: every categorical column a field, every numerical one a number.

  The set names no item and no user. The search is the user here, so that what is measured by user
  is by search; `item`, by whose popularity a baseline scores, is one of the categorical columns.

  Args:
    root: the folder, which holds `AliExpress_NL/train.csv`, `AliExpress_NL/test.csv` and the like.
    countries: some of "NL", "ES", "FR", "US".
    label: "click" or "conversion".
    item: the column that stands for the item.
    scale: of the numbers: "linear", "log" or "quantile", see `table.load`.
    rare: ids with fewer rows to train on become one.
    split: "given" tests with `test.csv`, and validates with a fourth of `train.csv`, drawn;
      "random" splits all rows 60/20/20.
    split_seed: of what is drawn.
    cache: a folder that keeps what was read for the next start; by default nothing is kept.
  """
  if label not in LABELS:
    raise ValueError(f"unknown label {label!r}; choose one of {', '.join(LABELS)}")
  check_split(split)
  folder = lambda country: Path(root) / f"AliExpress_{country}"
  files = {
    (country, part): find_file(folder(country), [f"{part}.csv", f"{part}.csv.gz"])[0]
    for country in countries
    for part in PARTS
  }
  rules = Rules(split_seed=split_seed, rare=rare).checked()

  def read(key, path):
    country, part = key
    names, _ = header_of(path)
    fields = [name for name in names if name.startswith("categorical_") and name != item]
    dense = [name for name in names if name.startswith("numerical_")]
    check_columns(path, ["search_id", item, label, "categorical_1", "numerical_1"], names)
    columns = {"user": "search_id", "item": item, "label": label}
    columns |= {f"categorical/{name}": name for name in fields}
    columns |= {f"dense/{name}": name for name in dense}
    rows = read_columns(path, columns, numbers=[f"dense/{name}" for name in dense])
    rows = identifiers(path, rows, ("user", "item"))
    for name in dense:
      rows[f"dense/{name}"] = filled(path, rows[f"dense/{name}"].rename(name))
    one_of(path, rows["label"], {"0": 0, "1": 1})
    rows["domain"] = pd.Categorical.from_codes(np.zeros(len(rows), np.int8), [country])
    rows["split"] = split_of(np.full(len(rows), part == "test"), split_seed)
    return rows, fields, dense

  def build() -> Dataset:
    parts, fields, dense = zip(*(read(*of) for of in files.items()), strict=True)
    frame = pd.DataFrame({name: joined([part[name] for part in parts]) for name in parts[0]})
    if split == "random":
      del frame["split"]
    return labelled(
      Path(root), frame.rename_axis("row"), fields[0], dense[0], rules=rules, scale=scale
    )

  told = {"reader": "aliexpress", "label": label, "item": item, "scale": scale, "split": split}
  told |= {"countries": list(countries), **rules._asdict()}
  return cached(build, files.values(), told, cache)
