"""Whether scores are of the rows that an experiment was tested on, each of them once."""

from collections.abc import Sequence

import numpy as np

from mamdr_jax.data import SPLITS, Dataset
from mamdr_jax.data.files import brief
from mamdr_jax.data.lookup import index, rows_of
from mamdr_jax.external.read import Scores

FIELDS = ("domain", "user", "item")


def labels_of(scores: Scores, dataset: Dataset, of: str) -> np.ndarray:
  """The label of every score, [n], once they are known to be of the test rows of a data set.

  A row is told by domain, user and item, and where scores have labels by that as well.

  Args:
    scores: of all test rows, run by run.
    dataset: of the experiment.
    of: what an error calls it.

  Raises:
    ValueError: a score is of no test row or a second one of it, a test row has no score, or labels
      are needed to tell rows apart.
  """
  test = np.flatnonzero(dataset.split == SPLITS.index("test"))
  known = {"domain": np.array(dataset.domains, str)} | dataset.vocab
  numbered = [_numbers(scores, field, known[field], of) for field in FIELDS]
  own = [dataset.domain[test], *(dataset.ids[field][test] for field in FIELDS[1:])]
  if scores.label is not None:
    numbered.append(scores.label)
    own.append(dataset.label[test])
  key = _keys([np.concatenate(pair) for pair in zip(own, numbered, strict=True)])
  own_key, key = key[: test.size], key[test.size :]
  keys, first, num = np.unique(own_key, return_index=True, return_counts=True)
  label = dataset.label[test][first]
  if scores.label is None and (_spread(own_key, dataset.label[test], keys) > 0).any():
    raise ValueError(
      f"{of}: test rows of one domain, user and item have both labels; give {scores.path} a column "
      f"{scores.named['label']!r}, to tell them apart"
    )
  place = np.minimum(np.searchsorted(keys, key), keys.size - 1)
  _refuse(scores, keys[place] != key, f"no test row of {of} is this one")
  for run in range(len(scores.runs)):
    mine = np.flatnonzero(scores.run == run)
    wrong = np.zeros(key.size, bool)
    wrong[mine] = _nth(place[mine]) >= num[place[mine]]
    _refuse(scores, wrong, f"one row more than {of} has of this one{scores.of_run(run)}")
    missing = num - np.bincount(place[mine], minlength=keys.size)
    if missing.any():
      row = test[first[np.argmax(missing > 0)]]
      told = ", ".join(f"{field} {brief(_raw(dataset, field, row))!r}" for field in FIELDS)
      raise ValueError(
        f"{scores.path} lacks {missing.sum():,} test rows of {of}{scores.of_run(run)}, one of them "
        f"{told}"
      )
  return label[place]


def _numbers(scores: Scores, field: str, known: np.ndarray, of: str) -> np.ndarray:
  """A column as rows of a table; ValueError at the first cell that the data do not have."""
  codes, texts = scores.texts[field]
  found = rows_of(index(known), codes, texts)
  if (found < 0).any():
    at = int(np.argmax(found < 0))
    name = brief(texts[codes[at]])
    raise ValueError(f"{scores.place(at)}: the data of {of} have no {field} {name!r}")
  return found


def _raw(dataset: Dataset, field: str, row: int) -> str:
  """The id that a row has, as it is in files."""
  if field == "domain":
    return dataset.domains[dataset.domain[row]]
  return str(dataset.vocab[field][dataset.ids[field][row]])


def _keys(columns: Sequence[np.ndarray]) -> np.ndarray:
  """A number for every row, equal where all columns are: [n] int64."""
  key = np.zeros(columns[0].size, np.int64)
  for column in columns:
    _, key = np.unique(key * (int(column.max(initial=0)) + 1) + column, return_inverse=True)
  return key


def _spread(key: np.ndarray, label: np.ndarray, keys: np.ndarray) -> np.ndarray:
  """By how much labels of one key differ: [K]."""
  at = np.searchsorted(keys, key)
  positives, rows = np.bincount(at, label, keys.size), np.bincount(at, minlength=keys.size)
  return np.minimum(positives, rows - positives)


def _nth(place: np.ndarray) -> np.ndarray:
  """How often the same number came before: [n]."""
  order = np.argsort(place, kind="stable")
  ordered = place[order]
  begins = np.append(True, ordered[1:] != ordered[:-1])[: place.size]
  index = np.arange(place.size)
  found = np.empty(place.size, np.int64)
  found[order] = index - np.maximum.accumulate(np.where(begins, index, 0))
  return found


def _refuse(scores: Scores, wrong: np.ndarray, what: str) -> None:
  if wrong.any():
    raise ValueError(f"{scores.place(int(np.argmax(wrong)))}: {what}")
