"""Rows that come with their labels, and are taken as they are."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mamdr_jax.data.columns import filled, one_of, times
from mamdr_jax.data.dataset import SPLITS, Dataset, standardized
from mamdr_jax.data.rules import PLAIN, Rules
from mamdr_jax.data.scales import binned, check_scale, edges_of, logarithmic
from mamdr_jax.data.split import as_vocab, counted, finish, rows_of

SPLIT_CODES = {name: code for code, name in enumerate(SPLITS)} | {"0": 0, "1": 1, "2": 2}
REPEATED = {
  "keep": "rows say what another row says, and were kept; repeated='drop' drops them",
  "drop": "repeated rows were dropped",
}


def labelled(
  path: Path,
  frame: pd.DataFrame,
  categorical: Sequence[str] = (),
  dense: Sequence[str] = (),
  *,
  rules: Rules = PLAIN,
  repeated: str = "keep",
  standardize: bool = True,
  scale: str = "linear",
) -> Dataset:
  """Rows as they are, split where there is no split column; `table.load` describes the options.

  Args:
    path: where they are from, to be told.
    frame: `user`, `item`, `domain` and `label`, categories of text; `split` and `timestamp` where
      they are to count; `categorical/NAME`, and `dense/NAME`, which may be numbers.
    categorical: those names.
    dense: those names.
    rules, repeated, standardize, scale: as there.
  """
  check_options(repeated, scale)
  label = one_of(path, frame["label"], {"0": 0, "1": 1})
  given = "split" in frame
  split = one_of(path, frame["split"], SPLIT_CODES) if given else np.zeros_like(label)
  time = times(path, frame["timestamp"]) if rules.timed else None
  row = np.empty((len(frame), len(dense)), np.float64 if standardize else np.float32)
  for k, name in enumerate(dense):
    row[:, k] = filled(path, frame[f"dense/{name}"].rename(name))
  columns = {"user": frame["user"], "item": frame["item"]}
  columns |= {name: frame[f"categorical/{name}"] for name in categorical}
  ids, vocab = {}, {}
  for field, column in columns.items():
    codes, known = pd.factorize(column)
    ids[field], vocab[field] = codes.astype(np.int32), as_vocab(known)
  domain, domains = pd.factorize(frame["domain"])
  domain, domains = domain.astype(np.int32), tuple(domains)
  # Neither the split nor the time is looked at: a row in train and again in test would leak.
  content = dict(enumerate((domain, label, *ids.values(), *row.T)))
  again = pd.DataFrame(content, copy=False).duplicated().to_numpy()
  notes = ()
  if again.any():
    notes = (
      counted(REPEATED[repeated], domains, np.bincount(domain[again], minlength=len(domains))),
    )
  if scale == "log":
    row = logarithmic(row)
  dataset = Dataset(
    ids=ids,
    dense={"row": row} if dense else {},
    label=label,
    domain=domain,
    split=split,
    domains=domains,
    vocab=vocab,
    frozen={},
    moments={},
    truth=None,
    notes=notes,
  )
  if repeated == "drop" and again.any():
    dataset, time = rows_of(dataset, ~again), None if time is None else time[~again]
  dataset = finish(dataset, rules, given=given, time=time)
  if scale == "quantile":
    return in_bins(dataset, tuple(dense))
  return standardized(dataset) if standardize else dataset


def check_options(repeated: str, scale: str) -> None:
  """Raises a ValueError for a rule that does not exist."""
  if repeated not in REPEATED:
    raise ValueError(f"unknown repeated {repeated!r}; choose one of {', '.join(REPEATED)}")
  check_scale(scale)


def in_bins(dataset: Dataset, names: Sequence[str]) -> Dataset:
  """Numbers of rows as ids: of as many bins as have about equally many of the training rows."""
  if not names:
    return dataset
  number, train = dataset.dense["row"], dataset.split == SPLITS.index("train")
  ids, vocab = dict(dataset.ids), dict(dataset.vocab)
  for k, name in enumerate(names):
    vocab[name] = edges_of(number[train, k])
    ids[name] = binned(number[:, k], vocab[name])
  return dataset._replace(ids=ids, vocab=vocab, dense={})
