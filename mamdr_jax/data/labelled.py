"""Rows that come with their labels, and are taken as they are."""

from pathlib import Path

import numpy as np
import pandas as pd

from mamdr_jax.data.columns import numbers, one_of, place
from mamdr_jax.data.dataset import SPLITS, Dataset
from mamdr_jax.data.split import as_vocab, counted, finish

SPLIT_CODES = {name: code for code, name in enumerate(SPLITS)} | {"0": 0, "1": 1, "2": 2}


def labelled(
  path: Path, frame: pd.DataFrame, categorical: tuple[str, ...], dense: tuple[str, ...], seed: int
) -> Dataset:
  """Rows as they are, repeated ones dropped, split where there is no split column."""
  label = one_of(path, frame["label"], {"0": 0, "1": 1})
  split = one_of(path, frame["split"], SPLIT_CODES) if "split" in frame else np.zeros_like(label)
  row = np.zeros((len(frame), len(dense)), np.float32)
  for k, name in enumerate(dense):
    column = frame[f"dense/{name}"].rename(name)
    row[:, k] = numbers(path, column)
    empty = np.isnan(row[:, k])
    if empty.any():
      raise ValueError(f"{place(path, column, empty)}: the {name} is empty, expected a number")
  columns = {"user": frame["user"], "item": frame["item"]}
  columns |= {name: frame[f"categorical/{name}"] for name in categorical}
  coded = {field: pd.factorize(column) for field, column in columns.items()}
  domain, domains = pd.factorize(frame["domain"])
  # The split is not looked at: a row in train and again in test would leak.
  content = pd.DataFrame({field: codes for field, (codes, _) in coded.items()})
  content = pd.concat([content, pd.DataFrame({"d": domain, "l": label}), pd.DataFrame(row)], axis=1)
  stays = ~content.duplicated().to_numpy()
  repeated = np.bincount(domain[~stays], minlength=len(domains))
  notes = (counted("repeated rows were dropped", tuple(domains), repeated),)
  dataset = Dataset(
    ids={field: codes[stays].astype(np.int32) for field, (codes, _) in coded.items()},
    dense={"row": row[stays]} if dense else {},
    label=label[stays],
    domain=domain[stays].astype(np.int32),
    split=split[stays],
    domains=tuple(domains),
    vocab={field: as_vocab(known) for field, (_, known) in coded.items()},
    frozen={},
    truth=None,
    notes=notes if repeated.any() else (),
  )
  return finish(dataset, split_seed=None if "split" in frame else seed)
