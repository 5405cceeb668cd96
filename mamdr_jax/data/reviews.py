"""One file of Amazon reviews, in any of the forms they are handed out in."""

import json
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mamdr_jax.data.columns import identifiers, numbers
from mamdr_jax.data.delimited import first_cells, read_columns
from mamdr_jax.data.files import bounded_lines, brief, check_columns, listed

ASIN = 10  # characters of an item's id; those of a user's are 12 to 21, and seldom this many
NAMES = {
  "user": ("user", "user_id", "reviewerID"),
  "item": ("item", "parent_asin", "asin"),
  "rating": ("rating", "overall"),
  "timestamp": ("timestamp", "unixReviewTime"),
}


def read(path: Path, known: Sequence[str] = ()) -> pd.DataFrame:
  """One category as `user, item`, and of `known` "rating", and "timestamp" if there is one.

  Ids are categories of text; ratings and timestamps are float64, NaN where empty.
  """
  wanted = ("user", "item", *known)
  if {".json", ".jsonl"} & set(path.suffixes):
    frame = _read_json(path, wanted)
  else:
    cells = first_cells(path)
    # A header has names where the unheaded files have a rating.
    if len(cells) == 4 and cells[2].replace(".", "", 1).isdigit():
      frame = _read_unheaded(path, wanted)
    else:
      columns = _columns(path, wanted, cells)
      frame = read_columns(path, columns, numbers=("rating", "timestamp"))
  frame = identifiers(path, frame, ("user", "item"))
  return frame.assign(
    **{name: numbers(path, frame[name]) for name in ("rating", "timestamp") if name in frame}
  )


def _read_unheaded(path: Path, wanted: Sequence[str]) -> pd.DataFrame:
  """Ratings only: item, user, rating, timestamp in 2018, and the user before the item in 2014."""
  names = ("first", "second", "rating", "timestamp")
  told = [name for name in names if name in (*wanted, "first", "second")]
  frame = read_columns(
    path, {name: name for name in told}, numbers=("rating", "timestamp"), names=names
  )
  like_item = [np.mean(frame[n].cat.categories.str.len() == ASIN) > 0.9 for n in names[:2]]
  if like_item[0] == like_item[1]:
    raise ValueError(
      f"{path} has no header, and its first two columns do not tell items, with ids of {ASIN} "
      "characters, from users; expected a first line such as user,item,rating,timestamp"
    )
  first, second = ("item", "user") if like_item[0] else ("user", "item")
  return frame.rename(columns={"first": first, "second": second})[list(wanted)]


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


def names_in(review: object, wanted: Sequence[str]) -> list[str]:
  """How a review calls what is wanted: as those of 2023 do, or as those of 2018 and 2014."""
  there = review if isinstance(review, dict) else {}
  of_2023 = "user_id" in there
  return [
    next((n for n in NAMES[name] if of_2023 and n in there), NAMES[name][-1]) for name in wanted
  ]


def _read_json(path: Path, wanted: Sequence[str]) -> pd.DataFrame:
  """JSON lines, a review each, as columns of text."""
  known = {name: {} for name in wanted}
  codes = {name: array("i") for name in wanted}
  lines, keys = array("q"), None
  for line, text in enumerate(bounded_lines(path), 1):
    if not text.strip():
      continue
    try:
      review = json.loads(text)
    except (ValueError, RecursionError) as error:  # nested too deeply, or too long a number
      raise ValueError(f"{path}, line {line} is not JSON: {brief(error, 100)}") from None
    keys = names_in(review, wanted) if keys is None else keys
    try:
      values = [review[key] for key in keys]
    except (KeyError, TypeError):
      there = listed(list(review)) if isinstance(review, dict) else brief(text)
      keys = ", ".join(keys)
      raise ValueError(f"{path}, line {line}: expected {keys}; found {there}") from None
    for name, value in zip(wanted, values, strict=True):
      if not isinstance(value, str | int | float | None):
        raise ValueError(f"{path}, line {line}: the {name} is {brief(value)}, expected text")
      value = "" if value is None else str(value)
      if not value.isascii() and value.encode(errors="replace").decode() != value:
        raise ValueError(f"{path}, line {line}: the {name} has half a character in it")
      codes[name].append(known[name].setdefault(value, len(known[name])))
    lines.append(line)
  if not lines:
    raise ValueError(f"{path} is empty")
  columns = {
    name: pd.Categorical.from_codes(np.array(codes[name]), pd.Index(list(known[name]), dtype="str"))
    for name in wanted
  }
  return pd.DataFrame(columns, index=pd.Index(np.array(lines), name="line"))
