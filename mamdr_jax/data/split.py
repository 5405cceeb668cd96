"""The last stages of every reader: splits, domains too small for them, and unused ids."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mamdr_jax.data.dataset import Dataset, num_rows_of
from mamdr_jax.data.files import brief
from mamdr_jax.data.rules import Rules, in_core, rare_as_one, splits_of

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


def finish(
  dataset: Dataset, rules: Rules, *, given: bool = False, time: np.ndarray | None = None
) -> Dataset:
  """Drops rows that `rules` do, splits the others, and drops what is too small for that or unused.

  Where the splits are `given`, or go by `time` [n], a domain stays if it has a row to train on:
  where it lacks a label in valid or test it has no AUC (`dataset.unmeasured`). Where rows are split
  at random, it stays if there are 5 rows of either label, so that every split has both.
  ValueError if no domain stays.
  """
  if rules.core > 1:
    stays = in_core(rules.core, *(dataset.ids[field] for field in ("user", "item")))
    if not stays.any():
      raise ValueError(f"core={rules.core}: no row is left whose user and item have so many")
    if not stays.all():
      told = f"{np.sum(~stays):,} rows were dropped whose user or item has fewer than {rules.core}"
      dataset = rows_of(dataset, stays)._replace(notes=(*dataset.notes, told))
      time = None if time is None else time[stays]
  random = not given and not rules.timed
  if random:
    group = dataset.domain * 2 + dataset.label
    group = group.astype(np.int16 if len(dataset.domains) < 2**14 else np.int32)  # radix sort
    dataset = dataset._replace(split=stratify(group, rules.split_seed))
  elif not given:
    split = splits_of(rules, time, dataset.ids["user"], dataset.domain)
    dataset = dataset._replace(split=split)
  dataset = drop_small(dataset, SMALLEST if random else 0)
  return drop_unused(rare_as_one(dataset, rules.rare) if rules.rare else dataset)


def rows_of(dataset: Dataset, which: np.ndarray | slice) -> Dataset:
  """Some of the rows."""
  pick = lambda columns: {field: column[which] for field, column in columns.items()}
  return dataset._replace(
    ids=pick(dataset.ids),
    dense=pick(dataset.dense),
    label=dataset.label[which],
    domain=dataset.domain[which],
    split=dataset.split[which],
  )


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
  dataset = rows_of(dataset, rows)
  return dataset._replace(
    domain=renumbered[dataset.domain],
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
