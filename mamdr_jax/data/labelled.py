"""Rows that come with their labels, and are taken as they are."""

from pathlib import Path

import numpy as np
import pandas as pd

from mamdr_jax.data.columns import numbers, one_of, place
from mamdr_jax.data.dataset import SPLITS, Dataset, standardized
from mamdr_jax.data.split import as_vocab, counted, finish

SPLIT_CODES = {name: code for code, name in enumerate(SPLITS)} | {"0": 0, "1": 1, "2": 2}
REPEATED = {
  "keep": "rows say what another row says, and were kept; repeated='drop' drops them",
  "drop": "repeated rows were dropped",
}


def labelled(
  path: Path,
  frame: pd.DataFrame,
  categorical: tuple[str, ...],
  dense: tuple[str, ...],
  *,
  repeated: str,
  standardize: bool,
  split_seed: int,
) -> Dataset:
  """Rows as they are, split where there is no split column; `table.load` describes the options."""
  label = one_of(path, frame["label"], {"0": 0, "1": 1})
  split = one_of(path, frame["split"], SPLIT_CODES) if "split" in frame else np.zeros_like(label)
  row = np.empty((len(frame), len(dense)), np.float64 if standardize else np.float32)
  for k, name in enumerate(dense):
    column = frame[f"dense/{name}"].rename(name)
    row[:, k] = numbers(path, column)
    empty = np.isnan(row[:, k])
    if empty.any():
      raise ValueError(f"{place(path, column, empty)}: the {name} is empty, expected a number")
  columns = {"user": frame["user"], "item": frame["item"]}
  columns |= {name: frame[f"categorical/{name}"] for name in categorical}
  ids, vocab = {}, {}
  for field, column in columns.items():
    codes, known = pd.factorize(column)
    ids[field], vocab[field] = codes.astype(np.int32), as_vocab(known)
  domain, domains = pd.factorize(frame["domain"])
  domain, domains = domain.astype(np.int32), tuple(domains)
  # The split is not looked at: a row in train and again in test would leak.
  content = dict(enumerate((domain, label, *ids.values(), *row.T)))
  again = pd.DataFrame(content, copy=False).duplicated().to_numpy()
  notes = ()
  if again.any():
    notes = (
      counted(REPEATED[repeated], domains, np.bincount(domain[again], minlength=len(domains))),
    )
  stays = ~again if repeated == "drop" and again.any() else slice(None)
  dataset = Dataset(
    ids={field: codes[stays] for field, codes in ids.items()},
    dense={"row": row[stays]} if dense else {},
    label=label[stays],
    domain=domain[stays],
    split=split[stays],
    domains=domains,
    vocab=vocab,
    frozen={},
    moments={},
    truth=None,
    notes=notes,
  )
  dataset = finish(dataset, split_seed=None if "split" in frame else split_seed)
  return standardized(dataset) if standardize else dataset
