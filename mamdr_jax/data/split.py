"""The last stages of every reader: splits, domains too small for them, and unused ids."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mamdr_jax.data.dataset import Dataset, num_rows_of
from mamdr_jax.data.files import brief

SMALLEST = 5  # rows of a label that 60/20/20 needs to give every split at least one
MOST_NAMED = 30  # domains in a note
CHUNK = 2**16


def stratify(group: np.ndarray, seed: int) -> np.ndarray:
  """Splits 60/20/20 within every group: `[n]` small integers -> `[n] int8`, index into SPLITS.

  Each split of a group is within one row of its share. A row's split depends on `seed` only.
  """
  shuffled = np.random.default_rng(seed).permutation(len(group))
  order = shuffled[np.argsort(group[shuffled], kind="stable")]
  size = np.bincount(group)
  rank = np.arange(len(group)) - np.repeat(np.cumsum(size) - size, size)
  size = np.repeat(size, size)
  split = np.empty(len(group), np.int8)
  split[order] = (rank >= size * 6 // 10).astype(np.int8) + (rank >= size * 8 // 10)
  return split


def finish(dataset: Dataset, *, split_seed: int | None = None) -> Dataset:
  """Splits the rows, drops domains too small for that, and ids that no row has.

  With `split_seed=None` the splits are taken as they are, and a domain stays if it has a row to
  train on: where it lacks a label in valid or test it has no AUC (`dataset.unmeasured`). Where rows
  are split here, it stays if there are 5 rows of either label, so that every split has both.
  ValueError if no domain stays.
  """
  group = dataset.domain * 2 + dataset.label
  if split_seed is not None:
    group = group.astype(np.int16 if len(dataset.domains) < 2**14 else np.int32)  # radix sort
    dataset = dataset._replace(split=stratify(group, split_seed))
  return drop_unused(drop_small(dataset, SMALLEST if split_seed is not None else 0))


def drop_small(dataset: Dataset, smallest: int) -> Dataset:
  """Drops domains with fewer than `smallest` rows of a label, or without a row to train on."""
  cell = dataset.domain.astype(np.int64) * 2 + dataset.label
  labels = np.bincount(cell, minlength=2 * len(dataset.domains)).reshape(-1, 2)  # [D, 2]
  stays = (labels.min(axis=1) >= smallest) & (num_rows_of(dataset, "train") > 0)
  if stays.all():
    return dataset
  why = "a domain needs a row to train on"
  if smallest:
    why = f"a domain needs {smallest} positives and {smallest} negatives to be split 60/20/20"
  small = np.flatnonzero(~stays)
  named = [
    f"{brief(dataset.domains[d])} ({labels[d, 1]:,} positives, {labels[d, 0]:,} negatives)"
    for d in small[:MOST_NAMED]
  ]
  if not stays.any():
    told = _first(named[:2], len(small))
    raise ValueError(f"no domain is left of {len(stays):,}, because {why}: {told}")
  rows = stays[dataset.domain]
  renumbered = np.cumsum(stays, dtype=np.int32) - 1
  return dataset._replace(
    ids={field: column[rows] for field, column in dataset.ids.items()},
    dense={field: column[rows] for field, column in dataset.dense.items()},
    label=dataset.label[rows],
    domain=renumbered[dataset.domain[rows]],
    split=dataset.split[rows],
    domains=tuple(np.array(dataset.domains, object)[stays]),
    notes=(
      *dataset.notes,
      f"{len(small):,} of {len(stays):,} domains, with {np.sum(~rows):,} rows, were dropped"
      f" because {why}: {_first(named, len(small))}",
    ),
  )


def drop_unused(dataset: Dataset) -> Dataset:
  """Renumbers ids so that every row of a vocabulary, and of its features, occurs in the data."""
  ids, vocab, frozen = {}, {}, dict(dataset.frozen)
  for field, column in dataset.ids.items():
    used = np.zeros(len(dataset.vocab[field]), bool)
    used[column] = True
    ids[field] = (np.cumsum(used, dtype=np.int32) - 1)[column]
    vocab[field] = dataset.vocab[field][used]
    if field in frozen:
      frozen[field] = frozen[field][used]
  return dataset._replace(ids=ids, vocab=vocab, frozen=frozen)


def as_vocab(ids: Sequence) -> np.ndarray:
  """Raw ids as an array without Python objects: integers stay integers, all else is text."""
  coded = isinstance(ids, pd.CategoricalIndex)
  values = ids.categories.take(ids.codes) if coded else pd.Index(ids)
  if values.dtype.kind in "iu":
    return values.to_numpy()
  text = pd.Index(values, dtype="str")
  sizes = np.asarray(text.str.len(), np.int64)
  # Arrays of text are as wide everywhere as at their longest.
  if len(text) and len(text) * sizes.max() > max(25 * sizes.sum(), 2**26):
    longest = brief(text[int(np.argmax(sizes))])
    raise ValueError(
      f"one of {len(text):,} ids has {sizes.max():,} characters ({longest!r}), where "
      f"{sizes.sum() // len(text)} are usual; expected ids of about one length"
    )
  made = np.empty(len(text), f"<U{sizes.max(initial=1)}")
  for at in range(0, len(text), CHUNK):  # by way of Python objects, which take more than the text
    made[at : at + CHUNK] = text[at : at + CHUNK]
  return made


def counted(what: str, domains: Sequence[str], counts: Sequence[int]) -> str:
  """A note: how many in all, and how many per domain where there are any."""
  there = np.flatnonzero(counts)
  parts = [f"{brief(domains[d])} {counts[d]:,}" for d in there[:MOST_NAMED]]
  return f"{sum(counts):,} {what}: {_first(parts, len(there))}"


def _first(parts: Sequence[str], count: int) -> str:
  """The first of `count` parts, and how many more there are."""
  more = f", and {count - len(parts):,} more" if count > len(parts) else ""
  return ", ".join(parts) + more
