"""What a sweep saves: the grid of the paper's Figure 9 as one command, and as separate ones.

  python -m benchmarks.sweep

DN on small synthetic data over α × β × five seeds, 100 runs. Some of them are launched separately,
a process each, and scaled up; both ways train for the same number of epochs.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mamdr_jax.files import RESULT, read_json
from mamdr_jax.machine import device
from mamdr_jax.markdown import table

ALPHA, BETA, SEEDS = (1e-1, 1e-2, 1e-3, 1e-4), (1.0, 0.5, 0.1, 0.05, 0.01), (0, 1, 2, 3, 4)
SEPARATE = ((1e-1, 1.0, 0), (1e-2, 0.5, 1), (1e-3, 0.1, 2), (1e-4, 0.05, 3), (1e-3, 0.01, 4))
COMMON = (
  "--config=configs/synthetic.py:taobao10,mlp,domain_negotiation",
  "--config.data.preset=",
  "--config.data.sizes=(1200, 800, 600, 400, 300)",
  "--config.data.feature_size=16",
  "--config.model.embedding_size=16",
  "--config.model.hidden=(32, 16)",
  "--config.epochs=10",
  "--config.patience=10",
  "--compilation_cache=",  # every command compiles for itself, the first and the last
)


def main() -> None:
  with tempfile.TemporaryDirectory() as folder:
    one = seconds(
      f"--config.sweep.alpha={ALPHA}", f"--config.sweep.beta={BETA}",
      f"--config.sweep.seed={SEEDS}", f"--workdir={folder}/sweep",
    )  # fmt: skip
    num_runs = len(read_json(Path(folder) / "sweep" / RESULT)["runs"])
    each = [
      seconds(
        f"--config.alpha={a}", f"--config.beta={b}", f"--config.seed={s}",
        f"--workdir={folder}/{number}",
      )
      for number, (a, b, s) in enumerate(SEPARATE)
    ]  # fmt: skip
  separate = num_runs * sum(each) / len(each)
  rows = [
    [f"{num_runs} runs in one command", f"{one:.0f}", "measured"],
    [f"{num_runs} commands of one run", f"{separate:.0f}", f"{len(each)} measured, scaled up"],
    ["ratio", f"{separate / one:.1f}", ""],
  ]
  print(f"device: {device()}\n\n{table(['what', 'seconds', ''], rows)}")


def seconds(*arguments: str) -> float:
  """Wall time of a launch."""
  begin = time.perf_counter()
  subprocess.run(
    [sys.executable, "launch.py", *COMMON, *arguments], check=True, capture_output=True
  )
  return time.perf_counter() - begin


if __name__ == "__main__":
  main()
