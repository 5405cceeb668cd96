"""What AUC per domain costs, and how far it is from scikit-learn's.

  python -m benchmarks.auc

Most of the time is the sort of all rows by domain and score, which is timed beside it.
"""

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.timing import best_of
from mamdr_jax.machine import device
from mamdr_jax.markdown import table
from mamdr_jax.metrics import grouped_auc

ROWS, POSITIVES, NUM_GROUPS, REPEATS = (100_000, 1_000_000, 20_000_000), (0.3, 0.01), 10, 3


def main() -> None:
  measure = jax.jit(lambda *columns: grouped_auc(*columns, NUM_GROUPS))
  sort = jax.jit(lambda *columns: jax.lax.sort(columns[::-1], num_keys=2))
  lines = []
  for num_rows in ROWS:
    for share in POSITIVES:
      rng = np.random.default_rng(0)
      label = (rng.random(num_rows) < share).astype(np.float32)
      score = (rng.normal(size=num_rows) + 0.5 * label).round(3).astype(np.float32)
      group = rng.integers(NUM_GROUPS, size=num_rows).astype(np.int32)
      columns = [jnp.asarray(x) for x in (score, label, np.ones_like(score), group)]
      found = np.asarray(jax.block_until_ready(measure(*columns)))
      jax.block_until_ready(sort(*columns))
      whole, sorting = best_of([lambda c=columns: measure(*c), lambda c=columns: sort(*c)], REPEATS)
      expected = [roc_auc_score(label[group == g], score[group == g]) for g in range(NUM_GROUPS)]
      error = np.abs(found - expected).max()
      lines.append([f"{num_rows:,}", f"{share:.0%}", f"{whole:.3f}", f"{whole / sorting:.2f}",
                    f"{error:.1e}"])  # fmt: skip
  print(f"device: {device()}, {NUM_GROUPS} domains\n")
  header = ["rows", "positives", "seconds", "over its sort", "largest error"]
  print(table(header, lines))


if __name__ == "__main__":
  main()
