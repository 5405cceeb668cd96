"""Scores of another system, as a file has them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mamdr_jax.data.files import brief, check_columns
from mamdr_jax.data.lookup import INTEGER, distinct
from mamdr_jax.external.rows import RUN, SCORE
from mamdr_jax.serve.columns import whole
from mamdr_jax.serve.evaluate import labels_of

FIELDS = ("domain", "user", "item")


class Scores(NamedTuple):
  """n rows of a file."""

  path: Path
  named: Mapping[str, str]  # field -> its column
  place: Callable[[int], str]  # where a row stands
  texts: dict[str, tuple[np.ndarray, list[str]]]  # of domain, user, item: see `lookup.distinct`
  score: np.ndarray  # [n] float64, finite
  label: np.ndarray | None  # [n] int8
  runs: list[int | None]  # [R], seeds; None where the file has no column of runs
  run: np.ndarray  # [n], which of them

  def of_run(self, run: int) -> str:
    """What is said of one of several."""
    return f" in run {self.runs[run]}" if self.runs[run] is not None else ""


def read(path: Path, named: Mapping[str, str]) -> Scores:
  """The scores of a .csv, .csv.gz or .parquet file.

  Args:
    path: the file, with a column `score` and those that `named` has, of labels and `run` if it
      likes.
    named: domain, user, item and label -> their columns.

  Raises:
    ValueError: the file is broken, or lacks a column, a score is no finite number, a label neither
      0 nor 1, a run no whole number; the message names the line.
  """
  source = whole(path)
  present = source.table.column_names
  check_columns(path, [*(named[field] for field in FIELDS), SCORE], present)
  cells = lambda name: distinct(path, name, source.table[name])

  def numbers(name: str, known: Callable[[str], object], expected: str) -> np.ndarray:
    """The numbers that cells are, `known` text by text; of one that is None the line is told."""
    codes, texts = cells(name)
    values = [known(text) for text in texts]
    wrong = np.array([value is None for value in values], bool)[codes]
    if wrong.any():
      at = int(np.argmax(wrong))
      cell = brief(texts[codes[at]])
      raise ValueError(f"{source.place(at)}: the {name} is {cell!r}, expected {expected}")
    return np.array(values)[codes]

  score = numbers(SCORE, _finite, "a finite number")
  runs, run = [None], np.zeros(score.size, int)
  if RUN in present:
    expected = "a whole number from 0 up, the seed of the run"
    runs, run = np.unique(numbers(RUN, _seed, expected), return_inverse=True)
    runs = runs.tolist()
  label = labels_of(source, named["label"]) if named["label"] in present else None
  texts = {field: cells(named[field]) for field in FIELDS}
  return Scores(path, named, source.place, texts, score, label, runs, run)


def _finite(text: str) -> float | None:
  try:
    return value if np.isfinite(value := float(text)) else None
  except ValueError:
    return None


def _seed(text: str) -> int | None:
  return int(text) if INTEGER.fullmatch(text) and int(text) >= 0 else None
