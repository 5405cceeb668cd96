"""Whether the machine has room for the data and a run, asked before anything is packed."""

import shutil
from pathlib import Path

import numpy as np

from mamdr_jax import machine, tree
from mamdr_jax.core import Tree
from mamdr_jax.data import SPLITS, Dataset
from mamdr_jax.data.dataset import batch_rows, bytes_of_row, num_rows_of
from mamdr_jax.data.minibatches import num_slots


def data_fit(dataset: Dataset, batch_size: int | str) -> int:
  """Bytes that the splits of a data set take as minibatches of `batch_size`, padding included.

  Raises:
    ValueError: the machine has less memory.
  """
  batch_size = batch_rows(dataset, batch_size)
  slots = sum(num_slots(num_rows_of(dataset, split), batch_size) for split in SPLITS)
  num_bytes = bytes_of_row(dataset) * slots + tree.num_bytes(dataset.frozen)
  what = f"the data, in minibatches of batch_size={batch_size:,} rows,"
  machine.check_memory(what, num_bytes, "they come in parts with e.g. stream=4096")
  return num_bytes


def parts_fit(dataset: Dataset, batch_size: int | str, size: int) -> int:
  """As `data_fit`, of splits that come in parts of `size` minibatches: what is held at once.

  That is two orders of the training rows, one of the other rows, and four parts: one on the device,
  one that is ready and one that is being made, both on the host and as they move.
  """
  rows = np.bincount(dataset.split, minlength=len(SPLITS))
  part = size * batch_rows(dataset, batch_size) * bytes_of_row(dataset)
  num_bytes = int(4 * (rows.sum() + rows[0])) + 4 * part + tree.num_bytes(dataset.frozen)
  machine.check_memory(f"the data, stream={size:,} minibatches at a time,", num_bytes)
  return num_bytes


def disk_fits(folder: Path, kept: Tree, each: int) -> None:
  """Raises a ValueError if a folder has no room for what is to rest there: `each` bytes a number.

  That is three times what is kept: as it stands, as the next epoch leaves it, and the best.
  """
  needed, free = 3 * each * tree.size(kept), shutil.disk_usage(folder).free
  if needed > free:
    raise ValueError(
      f"{folder}: rest='disk' takes {needed / 2**30:,.1f} GiB there, and {free / 2**30:,.1f} are "
      "free; choose fewer branches in method.specific, rest_dtype='bfloat16', or another workdir"
    )


def run_fits(params: Tree, state: Tree, data_bytes: int) -> None:
  """Raises a ValueError if a run takes more memory than the machine has: see `train.Run`.

  Args:
    params: the model's parameters, arrays or their shapes.
    state: the method's, as far as it is in memory; a run holds two, as it stands and the best.
    data_bytes: what the splits take.
  """
  sizes = {
    "parameters": tree.num_bytes(params),
    "with deltas and optimizers": tree.num_bytes(state),
    "data": data_bytes,
  }
  told = ", ".join(f"{name} {size / 2**30:,.1f} GiB" for name, size in sizes.items())
  num_bytes = 2 * sizes["with deltas and optimizers"] + data_bytes
  advice = "with rest='disk' deltas rest elsewhere, and method.specific says of what there are any"
  machine.check_memory(f"a run ({told}; it and its best are kept)", num_bytes, advice)
