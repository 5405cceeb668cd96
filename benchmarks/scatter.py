"""What additions at repeated indices cost, over as many at distinct ones.

  python -m benchmarks.scatter            with the flags that mamdr_jax sets
  python -m benchmarks.scatter --plain    without any

On CUDA, jaxlib 0.10.2 adds float32 at repeated indices slowly unless told otherwise (see
mamdr_jax/backend.py); float64 is not concerned, and shows the ratio of a machine that is well.
"""

import itertools
import os
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.timing import best_of
from mamdr_jax.machine import device
from mamdr_jax.markdown import table

REPEATS, DTYPES = 10, ("float32", "float64")
# what -> (updates, width of each, number of distinct indices)
CASES = {
  "segment_sum into 10 domains": (1_000_000, 1, 10),
  "gradient of a lookup, 2 ids": (65_536, 64, 2),
  "gradient of a lookup, 1,000 ids": (65_536, 64, 1_000),
}


def main(plain: bool = False) -> None:
  if plain:
    os.environ["XLA_FLAGS"] = ""  # early enough: nothing has been compiled
  flags = os.environ.get("XLA_FLAGS", "")
  print(f"device: {device()}, jax {jax.__version__}, XLA_FLAGS={flags!r}\n")
  cases = itertools.product(CASES.items(), DTYPES)
  with jax.enable_x64(True):
    rows = [[what, dtype, *timed(*case, dtype)] for (what, case), dtype in cases]
  print(table(("what", "numbers", "ms, repeated", "ms, distinct", "ratio"), rows))


def timed(updates: int, width: int, distinct: int, dtype: str) -> list[str]:
  """Milliseconds of adding `updates` rows into a table: at few indices, at one each; the ratio."""
  rng = np.random.default_rng(0)
  rows = jnp.ones((updates, width), dtype)

  def adding(ids, length):
    add = jax.jit(lambda ids, rows: jnp.zeros((length, width), dtype).at[ids].add(rows))
    run = partial(add, jnp.asarray(ids, jnp.int32), rows)
    jax.block_until_ready(run())
    return run

  few = adding(rng.integers(0, distinct, updates), distinct)
  each = adding(rng.permutation(updates), updates)
  few, each = 1e3 * best_of((few, each), REPEATS)
  return [f"{few:.2f}", f"{each:.2f}", f"{few / each:.2f}"]


if __name__ == "__main__":
  main("--plain" in sys.argv[1:])
