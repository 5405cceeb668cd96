"""One file of Amazon reviews, in any of the forms they are handed out in."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from mamdr_jax.data.columns import check_ids, numbers
from mamdr_jax.data.files import check_columns, explained, first_line, open_text, read_columns

UNHEADED = ("item", "user", "rating", "timestamp")  # the 2018 ratings-only files
NAMES = {
  "user": ("user", "user_id", "reviewerID"),
  "item": ("item", "parent_asin", "asin"),
  "rating": ("rating", "overall"),
  "timestamp": ("timestamp", "unixReviewTime"),
}


def read(path: Path, *, ratings: bool = False) -> pd.DataFrame:
  """One category as `user, item`; with `ratings` also `rating`, and `timestamp` if there is one.

  Ids are text; ratings and timestamps are float64, NaN where empty.
  """
  wanted = tuple(NAMES) if ratings else ("user", "item")
  if ".json" in path.suffixes:
    frame = _read_json(path, wanted)
  else:
    cells = first_line(path)
    # A header has names where the unheaded files have a rating.
    if len(cells) == 4 and cells[2].replace(".", "", 1).isdigit():
      frame = read_columns(path, {name: name for name in wanted}, names=UNHEADED)
    else:
      frame = read_columns(path, _columns(path, wanted, cells))
  check_ids(path, frame, ("user", "item"))
  return frame.assign(
    **{name: numbers(path, frame[name]) for name in ("rating", "timestamp") if name in frame}
  )


def _columns(path: Path, wanted: Sequence[str], present: Sequence[str]) -> dict[str, str]:
  """Name here -> name in the file."""
  columns = {}
  for name in wanted:
    there = next((other for other in NAMES[name] if other in present), None)
    if there is None and name != "timestamp":
      check_columns(path, [name], present)
    if there is not None:
      columns[name] = there
  return columns


def _read_json(path: Path, wanted: Sequence[str]) -> pd.DataFrame:
  """JSON lines, a review each, as columns of strings."""
  rows, lines = [], []
  with explained(path), open_text(path) as file:
    for line, text in enumerate(file, 1):
      if not text.strip():
        continue
      try:
        review = json.loads(text)
      except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {line} is not JSON: {error}") from None
      try:
        values = [review[NAMES[name][-1]] for name in wanted]
      except (KeyError, TypeError):
        there = ", ".join(review) if isinstance(review, dict) else text.strip()[:40]
        keys = ", ".join(NAMES[name][-1] for name in wanted)
        raise ValueError(f"{path}, line {line}: expected {keys}; found {there}") from None
      rows.append(["" if value is None else str(value) for value in values])
      lines.append(line)
  if not rows:
    raise ValueError(f"{path} is empty")
  return pd.DataFrame(rows, columns=list(wanted), index=pd.Index(lines, name="line"))
