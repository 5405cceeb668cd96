"""A result on disk: JSON, and of very many domains the arrays beside it.

In memory a result has a dict by the names of domains wherever it has a figure of each. In the JSON
of more than `distribution.MOST_LISTED` stand the quantiles of these, and the figures themselves in
`NAME.domains.npz`: `domains` [D], and an array [D] for every such dict, under its path.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mamdr_jax import files
from mamdr_jax.distribution import QUANTILES, many, quantiles

BY_DOMAIN = ("auc", "rows", "positives", "by_domain")  # the keys of such dicts
ARRAYS = "arrays"  # the key that names the other file


def write(path: Path, result: Mapping) -> None:
  """Writes a result, the arrays first: it is there once `path` is."""
  files.write_json(path, written_apart(path, result))


def written_apart(path: Path, result: Mapping) -> Mapping:
  """What of `result` is to stand in the JSON of `path`, once the rest is beside it."""
  light, arrays = _taken_apart(files.plain(result), ())
  if not arrays:
    return result
  files.write_arrays(beside(path), arrays)
  return light | {ARRAYS: beside(path).name}


def read(path: Path) -> dict:
  """What `write` was given, in the types of JSON.

  Raises:
    ValueError: a file is missing or damaged, or the two are not of one result.
  """
  return put_together(path, files.read_json(path))


def put_together(path: Path, light):
  """The whole of what stands in the JSON of `path`; ValueError as for `read`."""
  if not isinstance(light, dict) or ARRAYS not in light:
    return light
  try:
    arrays = files.read_arrays(beside(path))
  except FileNotFoundError:
    raise ValueError(f"{beside(path)} is missing, which {path.name} belongs to") from None
  try:
    domains = arrays.pop("domains").tolist()
    for name, array in arrays.items():
      *place, key = name.split("/")
      part = light
      for step in place:
        part = part[int(step)] if isinstance(part, list) else part[step]
      values = array.astype(object)
      values[array != array] = None
      part[key] = dict(zip(domains, values.tolist(), strict=True))
  except (KeyError, IndexError, TypeError, ValueError):
    raise ValueError(f"{path} and {beside(path).name} are not of one result") from None
  del light[ARRAYS]
  return light


def beside(path: Path) -> Path:
  """The file of the arrays that belong to a JSON file."""
  return path.with_name(f"{path.stem}.domains.npz")


def _taken_apart(value, place: tuple[str, ...]) -> tuple:
  """`value` with quantiles in place of what is by domain, and that as arrays under its path."""
  if isinstance(value, Mapping):
    if place and place[-1] in BY_DOMAIN and many(len(value)):
      array = _narrow(np.array(list(value.values()), float))
      told = dict(zip(QUANTILES, quantiles(array).tolist(), strict=True))
      return files.plain(told), {"domains": np.array(list(value), str), "/".join(place): array}
    parts = [(key, *_taken_apart(part, (*place, key))) for key, part in value.items()]
    made = {key: part for key, part, _ in parts}
  elif isinstance(value, list):
    parts = [(i, *_taken_apart(part, (*place, str(i)))) for i, part in enumerate(value)]
    made = [part for _, part, _ in parts]
  else:
    return value, {}
  return made, {name: array for *_, arrays in parts for name, array in arrays.items()}


def _narrow(array: np.ndarray) -> np.ndarray:
  """As float32 where that says the same."""
  narrow = array.astype(np.float32)
  return narrow if np.array_equal(narrow, array, equal_nan=True) else array
