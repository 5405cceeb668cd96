"""What it costs to draw synthetic data of many domains: linear in rows, in bounded memory.

  python -m benchmarks.generator            about as many rows a domain as `configs/online.py` has
  python -m benchmarks.generator 1447       10⁸ rows of 69,102 domains, and fewer of fewer

Every case is a process of its own, which draws into a folder. `peak` is the most of its memory at
a time, what is imported included; of it the pages of files, which the system can write and drop,
are not in `held`.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from mamdr_jax.data import synthetic
from mamdr_jax.machine import device
from mamdr_jax.markdown import table

DOMAINS, ROWS = (100, 1_000, 10_000, 69_102), 177  # in all, and of a domain


def main(rows: int = 0) -> None:
  print(f"device: {device()}, {rows or ROWS:,} rows a domain\n")
  names = ("domains", "rows", "seconds", "million rows/s", "peak, GiB", "held, GiB")
  print(table(names, [case(count, count * (rows or ROWS)) for count in DOMAINS]))


def case(num_domains: int, rows: int) -> list[str]:
  """A row of the table, from a process of its own."""
  with tempfile.TemporaryDirectory() as folder:
    command = [sys.executable, "-m", "benchmarks.generator", "draw", folder]
    command += [str(num_domains), str(rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
  seconds, peak, held = json.loads(done.stdout)
  speed = rows / seconds / 1e6
  return [f"{num_domains:,}", f"{rows:,}", f"{seconds:.2f}", f"{speed:.2f}", f"{peak:.2f}",
          f"{held:.2f}"]  # fmt: skip


def draw(folder: str, num_domains: int, rows: int) -> None:
  """Draws one case, and prints its seconds, peak memory and peak memory of no file."""
  held, ended = [gib("RssAnon")], threading.Event()

  def watch():
    while not ended.wait(0.01):
      held.append(max(held.pop(), gib("RssAnon")))

  watching = threading.Thread(target=watch)
  watching.start()
  begin = time.perf_counter()
  synthetic.load(num_domains=num_domains, rows=rows, features="ids", cache=folder)
  seconds = time.perf_counter() - begin
  ended.set()
  watching.join()
  print(json.dumps([seconds, gib("VmHWM"), held[0]]))


def gib(name: str) -> float:
  """What Linux tells of this process's memory: `VmHWM`, its peak, or `RssAnon`, that of no file."""
  lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
  return int(next(line for line in lines if line.startswith(name)).split()[1]) / 2**20


if __name__ == "__main__":
  if sys.argv[1:2] == ["draw"]:
    draw(sys.argv[2], *map(int, sys.argv[3:]))
  else:
    main(*map(int, sys.argv[1:]))
