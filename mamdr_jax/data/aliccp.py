"""Ali-CCP: impressions of items in an app, a domain a position in it.

Ma et al., SIGIR 2018. A row is an impression in `sample_skeleton_*.csv`: its number, whether it was
clicked and bought, the key of what it shares with others, how many features, and those. Features
are separated by 0x01, each a field, 0x02, an id, 0x03, and a value.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mamdr_jax.data.cache import cached
from mamdr_jax.data.dataset import Dataset
from mamdr_jax.data.delimited import opened
from mamdr_jax.data.files import brief, explained, find_file
from mamdr_jax.data.labelled import labelled
from mamdr_jax.data.rules import Rules, check_split, split_of

PARTS = ("train", "test")
USER, ITEM, DOMAIN = "101", "205", "301"
# Fields of one id: of the user in the common features, of the item in the skeleton. Those that
# have a list of ids, what a user did before, are left out.
FIELDS = (
  *("121", "122", "124", "125", "126", "127", "128", "129"),
  *("206", "207", "210", "216", "508", "509", "702", "853"),
)
LABELS = ("click", "buy")
BLOCK = 2**24  # bytes of text at a time


def load(
  root: str | os.PathLike,
  *,
  label: str = "click",
  fields: Sequence[str | int] = FIELDS,
  rare: int = 10,
  split: str = "given",
  split_seed: int = 0,
  cache: str | os.PathLike | None = None,
) -> Dataset:
  """Impressions as rows; those that are bought and not clicked are dropped, and counted.

  Args:
    root: the folder, which holds `sample_skeleton_train.csv`, `common_features_train.csv`, and the
      same of `test`.
    label: "click" or "buy".
    fields: more fields than user (101), item (205) and domain (301), by number.
    rare: ids with fewer rows to train on become one.
    split: "given" tests with the test files, and validates with a fourth of the training rows,
      drawn; "random" splits all rows 60/20/20.
    split_seed: of what is drawn.
    cache: a folder that keeps what was read for the next start; by default nothing is kept.
  """
  if label not in LABELS:
    raise ValueError(f"unknown label {label!r}; choose one of {', '.join(LABELS)}")
  check_split(split)
  find = lambda name: find_file(Path(root), [f"{name}.csv", f"{name}.csv.gz"])[0]
  files = {
    part: (find(f"sample_skeleton_{part}"), find(f"common_features_{part}")) for part in PARTS
  }
  rules = Rules(split_seed=split_seed, rare=rare).checked()
  more = tuple(str(field) for field in fields)

  def build() -> Dataset:
    wanted, known = (USER, ITEM, DOMAIN, *more), {}
    codes = {field: [] for field in wanted}
    labels, splits, dropped = [], [], 0
    for part, (skeleton, common) in files.items():
      shared = _common(common, wanted, known)
      for rows, own in _blocks(skeleton, 6, wanted, known):
        clicked = _binary(skeleton, rows[1], "click")
        bought = _binary(skeleton, rows[2], "buy")
        stays = ~((clicked == 0) & (bought == 1))
        dropped += int((~stays).sum())
        at = _places(skeleton, common, shared.index, rows[3])
        for field in wanted:
          found = np.where(own[field] >= 0, own[field], shared.codes[field][at])
          codes[field].append(found[stays])
        labels.append((clicked if label == "click" else bought)[stays])
        splits.append(np.full(int(stays.sum()), PARTS.index(part), np.int8))
    codes = {field: np.concatenate(parts) for field, parts in codes.items()}
    for field in (USER, ITEM, DOMAIN):
      if (lacking := codes[field] < 0).any():
        raise ValueError(f"{root}: impression {int(np.argmax(lacking)) + 1} has no field {field}")
    column = lambda field: _column(codes[field], known.get(field, {}))
    frame = pd.DataFrame(
      {"user": column(USER), "item": column(ITEM), "domain": column(DOMAIN)}
      | {f"categorical/{field}": column(field) for field in more}
      | {"label": pd.Categorical.from_codes(np.concatenate(labels), ["0", "1"])}
    ).rename_axis("row")
    if split == "given":
      frame["split"] = split_of(np.concatenate(splits) == 1, split_seed)
    dataset = labelled(Path(root), frame, more, rules=rules)
    if dropped:
      told = f"{dropped:,} impressions were dropped that are bought and not clicked"
      dataset = dataset._replace(notes=(told, *dataset.notes))
    return dataset

  told = {"reader": "aliccp", "label": label, "fields": list(more), "split": split}
  sources = [path for pair in files.values() for path in pair]
  return cached(build, sources, told | rules._asdict(), cache)


class _Common(NamedTuple):
  """What impressions share, by key."""

  index: pd.Index  # the keys
  codes: dict[str, np.ndarray]  # field -> of every key


def _common(path: Path, wanted: Sequence[str], known: dict) -> _Common:
  keys, codes = [], {field: [] for field in wanted}
  for rows, own in _blocks(path, 3, wanted, known):
    keys.append(rows[0].to_numpy(zero_copy_only=False))
    for field in wanted:
      codes[field].append(own[field])
  index = pd.Index(np.concatenate(keys))
  if not index.is_unique:
    raise ValueError(f"{path} has the key {index[index.duplicated()][0]!r} twice, expected once")
  return _Common(index, {field: np.concatenate(parts) for field, parts in codes.items()})


def _blocks(
  path: Path, width: int, wanted: Sequence[str], known: dict
) -> Iterator[tuple[list[pa.Array], dict[str, np.ndarray]]]:
  """Rows a block at a time: their cells [width], and of each wanted field the code of its id.

  A field that a row lacks, or has several times, has -1. `known` is field -> id -> code.
  """
  line, rest = 1, b""
  with explained(path), opened(path) as file:
    while True:
      text = file.read(BLOCK)
      whole, _, left = (rest + text).rpartition(b"\n") if text else (rest, b"", b"")
      rest = left
      if whole:
        yield _block(path, line, whole, width, wanted, known)
        line += whole.count(b"\n") + 1
      if not text:
        break
  if line == 1:
    raise ValueError(f"{path} is empty")


def _block(path, line, text, width, wanted, known):
  lines = pa.array(text.decode().splitlines(), pa.string())
  cells = pc.split_pattern(lines, ",")
  sizes = pc.list_value_length(cells).to_numpy(zero_copy_only=False)
  if (odd := sizes != width).any():
    at = int(np.argmax(odd))
    raise ValueError(f"{path}, line {line + at}: expected {width} cells, found {sizes[at]}")
  flat = pc.list_flatten(cells)
  rows = [flat.take(pa.array(np.arange(k, len(flat), width))) for k in range(width)]
  features = pc.split_pattern(rows[-1], "\x01")
  owner = pc.list_parent_indices(features).to_numpy(zero_copy_only=False)
  one = pc.list_flatten(features)
  there = pc.not_equal(one, "")
  owner, one = owner[there.to_numpy(zero_copy_only=False)], one.filter(there)
  parts = pc.extract_regex(one, "^(?P<field>[^\x02\x03]+)\x02(?P<id>[^\x02\x03]+)\x03[^\x02\x03]*$")
  if parts.null_count:
    at = int(np.argmax(parts.is_null().to_numpy(zero_copy_only=False)))
    raise ValueError(
      f"{path}, line {line + int(owner[at])}: the feature {brief(one[at].as_py())!r}, expected a "
      "field, 0x02, an id, 0x03 and a value"
    )
  field, ident = parts.field("field"), parts.field("id")
  own = {}
  for name in wanted:
    mine = pc.equal(field, name).to_numpy(zero_copy_only=False)
    at, texts = owner[mine], ident.filter(pa.array(mine)).dictionary_encode()
    ids = known.setdefault(name, {})
    place = [ids.setdefault(text, len(ids)) for text in texts.dictionary.to_pylist()]
    codes = np.asarray(place, np.int32)[texts.indices.to_numpy(zero_copy_only=False)]
    found = np.full(len(lines), -1, np.int32)
    found[at] = codes
    found[np.bincount(at, minlength=len(lines)) > 1] = -1
    own[name] = found
  return rows, own


def _binary(path: Path, cells: pa.Array, name: str) -> np.ndarray:
  """A column of 0 and 1: [n] int8."""
  one = pc.equal(cells, "1").to_numpy(zero_copy_only=False)
  right = one | pc.equal(cells, "0").to_numpy(zero_copy_only=False)
  if not right.all():
    odd = cells[int(np.argmin(right))].as_py()
    raise ValueError(f"{path}: the {name} is {brief(odd)!r}, expected 0 or 1")
  return one.astype(np.int8)


def _places(path: Path, common: Path, index: pd.Index, keys: pa.Array) -> np.ndarray:
  """Where what impressions share stands: [n]."""
  coded = keys.dictionary_encode()
  at = index.get_indexer(coded.dictionary.to_pylist())[coded.indices.to_numpy(zero_copy_only=False)]
  if (lacking := at < 0).any():
    key = keys[int(np.argmax(lacking))].as_py()
    raise ValueError(f"{common} lacks the key {brief(key)!r}, which {path.name} has")
  return at


def _column(codes: np.ndarray, known: dict[str, int]) -> pd.Categorical:
  """Codes, -1 being "none", as a column of text."""
  names = pd.Index([*known, "none"], dtype="str")
  return pd.Categorical.from_codes(np.where(codes < 0, len(known), codes), names)
