"""Pytrees as `.npz` files: an array a leaf, named by its path in the tree."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from mamdr_jax import files


def save(path: Path, tree) -> None:
  """Writes the leaves of a pytree."""
  leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
  files.write_arrays(path, {name_of(where): np.asarray(leaf) for where, leaf in leaves})


def load(path: Path, like):
  """The tree that was saved, structured like `like`, whose leaves need only a shape.

  Raises:
    ValueError: the file is damaged, lacks a leaf, or a leaf has another shape.
  """
  leaves = jax.tree.leaves(like)
  needed = sum(int(np.prod(x.shape)) * x.dtype.itemsize + 512 for x in leaves)
  arrays = files.read_arrays(path, most_bytes=needed)

  def leaf(where, expected):
    name = name_of(where)
    if name not in arrays:
      raise ValueError(f"{path} has no {name!r}: it was written for another config")
    if arrays[name].shape != expected.shape:
      raise ValueError(
        f"{path}: {name!r} has shape {arrays[name].shape}, and the config needs {expected.shape}"
      )
    half = arrays[name].dtype == np.dtype("V2")  # as NumPy writes the type that it lacks
    return arrays[name].view(jnp.bfloat16) if half else arrays[name]

  return jax.tree_util.tree_map_with_path(leaf, like)


def damage(path: Path) -> str | None:
  """What is wrong with a file, or None."""
  try:
    files.check_arrays(path)
  except (ValueError, OSError) as error:
    return str(error)
  return None


def name_of(where) -> str:
  """What the leaf at a path of a tree is called."""
  return jax.tree_util.keystr(where, simple=True, separator="/")
