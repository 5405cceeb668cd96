"""Processes killed at random moments: `python -m benchmarks.kills FOLDER [TIMES]`.

Two processes train a small MAMDR on synthetic data. Then, again and again, one of them is killed at
a random moment of such a training, it is told how long the other took to end and with which exit
status, the same command is given again, and what it leaves is compared bit by bit with what the
training left that nobody disturbed.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from mamdr_jax import files, machine, processes
from mamdr_jax.markdown import table

TIMES, PROCESSES = 20, 2
COMMAND = (
  *(sys.executable, "launch.py", "--config=configs/synthetic.py:taobao10,mlp,mamdr"),
  *("--config.data.features=ids", "--config.data.preset=", "--config.data.sizes=(900,700,500,300)"),
  *("--config.data.num_users=200", "--config.data.num_items=100", "--config.batch_size=32"),
  *("--config.model.embedding_size=8", "--config.model.hidden=(16,)", "--config.method.k=1"),
  *("--config.method.visit_steps=2", "--config.method.round_steps=1", "--config.patience=100"),
  *(f"--config.workers={PROCESSES}", "--config.stream=32", "--config.checkpoint_seconds=0"),
)


def started(workdir: Path, epochs: int) -> subprocess.Popen:
  command = [*COMMAND, f"--local={PROCESSES}", f"--config.epochs={epochs}", f"--workdir={workdir}"]
  return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen) -> tuple[int, str]:
  _, said = process.communicate()
  return process.returncode, said


def children(process: subprocess.Popen) -> list[int]:
  """Those that a process has started and that have not ended."""
  try:
    return [
      int(n) for n in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ]
  except OSError:
    return []


def left(workdir: Path) -> dict:
  """Of a run the best state, and its result without what the clock said."""
  result = files.read_json(workdir / files.RESULT)["runs"][0]
  state = files.read_arrays(workdir / files.RUNS / "0000.npz")
  return {"result": {k: v for k, v in result.items() if k != "seconds"}, **state}


def same(a: dict, b: dict) -> bool:
  return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def main(folder: str, times: int = TIMES, epochs: int = 20) -> None:
  print(f"device: {machine.device()}; {PROCESSES} processes, {epochs} epochs\n")
  out, rng, rows = Path(folder), random.Random(0), []
  began = time.monotonic()
  status, said = ended(started(out / "unbroken", epochs))
  if status:
    raise RuntimeError(said)
  whole, expected = time.monotonic() - began, left(out / "unbroken")
  for number in range(times):
    workdir, moment = out / f"{number}", rng.uniform(0, whole)
    process = started(workdir, epochs)
    time.sleep(moment)
    there = children(process)
    index = rng.randrange(PROCESSES)
    if len(there) == PROCESSES:
      os.kill(there[index], signal.SIGKILL)
    asked = time.monotonic()
    status, said = ended(process)
    took = time.monotonic() - asked
    epoch = sum(line.startswith("epoch") for line in said.splitlines())
    clean = "Traceback" not in said and "Check failure" not in said
    again, _ = ended(started(workdir, epochs))
    equal = again == 0 and same(left(workdir), expected)
    rows.append([
      number + 1, f"{moment:.1f}", index if len(there) == PROCESSES else "", epoch, f"{took:.1f}",
      status, "yes" if clean else "no", "yes" if equal else "no",
    ])  # fmt: skip
    print(*rows[-1], file=sys.stderr)
  header = [
    "", "killed after, s", "process", "epochs", "ended after, s", "exit status", "one sentence",
    "equal in the end",
  ]  # fmt: skip
  print(table(header, rows))
  gone = [row for row in rows if row[5] == processes.GONE]
  slowest = max((float(row[4]) for row in gone), default=0.0)
  print(f"\n{len(gone)} of {times} ended with {processes.GONE}, within {slowest:.1f} s; "
        f"{sum(row[7] == 'yes' for row in rows)} of {times} were equal in the end")  # fmt: skip


if __name__ == "__main__":
  main(sys.argv[1], *map(int, sys.argv[2:]))
