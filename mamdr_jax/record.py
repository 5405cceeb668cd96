"""What a run leaves in its workdir, written aside and renamed so that nothing is half-written."""

import json
import os
import platform
from collections.abc import Callable
from pathlib import Path

import flax
import jax
import numpy as np
import optax

CONFIG, METRICS, RESULT, STATE = "config.json", "metrics.jsonl", "result.json", "best.npz"


def write_json(path: Path, value) -> None:
  """Writes `value` in whole or not at all; arrays become lists, NaN becomes null."""
  text = json.dumps(plain(value), indent=2, allow_nan=False) + "\n"
  write_aside(path, lambda aside: aside.write_text(text))


def read(path: Path):
  """The value of a JSON file.

  Raises:
    ValueError: it is missing or is not JSON.
  """
  try:
    return json.loads(path.read_text())
  except FileNotFoundError:
    raise ValueError(f"{path} is missing: that run has not finished, or it is no workdir") from None
  except json.JSONDecodeError as error:
    raise ValueError(f"{path}, line {error.lineno}: expected JSON: {error.msg}") from None


def append_json(path: Path, value) -> None:
  """Appends `value` as one line that is on disk when this returns."""
  with path.open("a") as file:
    file.write(json.dumps(plain(value), allow_nan=False) + "\n")
    file.flush()
    os.fsync(file.fileno())


def write_aside(path: Path, write: Callable[[Path], object]) -> None:
  """Has `write` fill a file beside `path`, and renames it: `path` is never half-written.

  Processes that share a folder do not meet in that file.
  """
  aside = path.with_name(f"{path.name}.{os.getpid()}.part")
  write(aside)
  os.replace(aside, path)


def plain(value):
  """Nested dicts, tuples and arrays as JSON has them."""
  if isinstance(value, dict):
    return {str(key): plain(v) for key, v in value.items()}
  if isinstance(value, list | tuple):
    return [plain(v) for v in value]
  if isinstance(value, np.ndarray | np.generic | jax.Array):
    return plain(np.asarray(value).tolist())
  if isinstance(value, float) and not np.isfinite(value):
    return None
  return value


def save_tree(path: Path, tree) -> None:
  """Writes the leaves of a pytree as an `.npz`, each named by its path in the tree."""
  leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
  arrays = {_name(p): np.asarray(leaf) for p, leaf in leaves}

  def write(aside):
    with aside.open("wb") as file:
      np.savez(file, **arrays)

  write_aside(path, write)


def load_tree(path: Path, like):
  """The tree of `save_tree`, structured like `like`, whose leaves need only a shape.

  Raises:
    ValueError: the file lacks a leaf, or a leaf has another shape.
  """
  with np.load(path) as arrays:

    def leaf(where, expected):
      name = _name(where)
      if name not in arrays:
        raise ValueError(f"{path} has no {name!r}: it was written for another config")
      if arrays[name].shape != expected.shape:
        raise ValueError(
          f"{path}: {name!r} has shape {arrays[name].shape}, and the config needs {expected.shape}"
        )
      return arrays[name]

    return jax.tree_util.tree_map_with_path(leaf, like)


def _name(path) -> str:
  return jax.tree_util.keystr(path, simple=True, separator="/")


def holds(workdir: Path, config: dict) -> bool:
  """Whether `workdir` holds the experiment of `config`, finished or not.

  Raises:
    ValueError: another experiment is there.
  """
  known = workdir / CONFIG
  if not known.exists():
    return False
  if read(known) != plain(config):
    raise ValueError(
      f"{workdir} holds another experiment; choose another --workdir or pass --overwrite"
    )
  return True


def versions() -> dict[str, str]:
  """Versions of what the figures depend on."""
  packages = {module.__name__: module.__version__ for module in (jax, flax, optax, np)}
  return {"python": platform.python_version()} | packages


def device() -> str:
  """The device that trains, in words: "2 x cpu (AMD EPYC 7763)"."""
  first = jax.devices()[0]
  kind = first.device_kind if first.platform != "cpu" else _processor()
  number = len(jax.devices()) if first.platform != "cpu" else os.cpu_count()
  return f"{number} x {first.platform} ({kind})"


def _processor() -> str:
  """The processor's name where Linux tells it."""
  try:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
  except OSError:
    return platform.processor() or platform.machine()
  names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
  return names[0] if names else platform.machine()
