"""Several processes that train together: started here, or found by what starts a cluster's jobs."""

import atexit
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import jax

from mamdr_jax.files import LOGS

PROCESS = "MAMDR_JAX_PROCESS"  # "HOST:PORT,I,P" of a process that was started here
GONE = 75  # the exit status if another process is gone: the same command goes on
GRACE = 2.0  # seconds that others have to end by themselves
BEATS = 5  # so many times in a heartbeat a process says that it is there
DAY = 24 * 3600  # seconds that processes which are done wait for the first, which evaluates


def join(told: str, heartbeat: int, workdir: Path | None = None) -> None:
  """Joins the other processes.

  Args:
    told: "HOST:PORT,I,P": where process 0 listens, which of P this is; or "auto", where SLURM, a
      TPU pod, Kubernetes or MPI says so.
    heartbeat: seconds after which a process that says nothing is taken for gone.
    workdir: by which processes see that one of them stands still; None if somebody else watches.

  Raises:
    ValueError: `told` is neither.
  """
  found = {}
  if told != "auto":
    address, *numbers = told.split(",")
    if ":" not in address or len(numbers) != 2 or not all(n.isdigit() for n in numbers):
      raise ValueError(f"--distributed={told}; expected HOST:PORT,I,P or auto")
    index, count = map(int, numbers)
    found = {"coordinator_address": address, "num_processes": count, "process_id": index}
  ended = threading.Event()
  atexit.register(ended.set)  # before JAX registers that it waits for the others, so after that
  # JAX's own heartbeat ends a process with a stack of C++, so that it comes last.
  waits = {"heartbeat_timeout_seconds": 10 * heartbeat, "shutdown_timeout_seconds": DAY}
  try:
    jax.distributed.initialize(**waits, **found)
  except (ValueError, RuntimeError) as error:
    raise ValueError(f"--distributed={told}: {str(error).splitlines()[0]}") from None
  if workdir:
    (workdir / LOGS).mkdir(parents=True, exist_ok=True)
    threading.Thread(target=_watch, args=(workdir, heartbeat, ended), daemon=True).start()


def _watch(workdir: Path, heartbeat: int, ended: threading.Event) -> None:
  """Says over and over that this process is there, and ends it if another no longer does.

  What is said is the time of a file, since that takes no room on a full disk. What another said is
  compared with what it said before, not with a clock, so that clocks need not agree.
  """
  index, count = jax.process_index(), jax.process_count()
  beats = [workdir / LOGS / f"process-{i}.beat" for i in range(count)]
  heard, silent = [None] * count, [0] * count
  while not ended.wait(heartbeat / BEATS):
    beats[index].touch()
    for other, path in enumerate(beats):
      said = _time_of(path)
      silent[other] = silent[other] + 1 if said and said == heard[other] else 0
      heard[other] = said
      if silent[other] > BEATS:
        leave(workdir, f"process {other} of {count} has said nothing for {heartbeat} s")
  beats[index].unlink(missing_ok=True)  # which the others take for an end as it should be


def _time_of(path: Path) -> int | None:
  """When a file was last touched, in ns; None if it is not there. Opened, for NFS to ask anew."""
  try:
    with path.open("rb") as file:
      return os.fstat(file.fileno()).st_mtime_ns
  except OSError:
    return None


# What the errors of JAX say that come of it.
SIGNS = ("Gloo", "NCCL", "closed by peer", "reset by peer", "UNAVAILABLE", "DEADLINE_EXCEEDED")


def gone(error: Exception) -> bool:
  """Whether an error came of another process having ended."""
  return any(sign in str(error) for sign in SIGNS)


def leave(workdir: Path, why: str = "another process is gone") -> None:
  """Ends this process since another is gone."""
  fail(f"{why}; the same command goes on from what {workdir} holds", GONE)


def fail(sentence: str, status: int = 1) -> None:
  """Ends this process at once, since what JAX does on its way out would wait for the others."""
  print(f"error: {sentence}", file=sys.stderr, flush=True)
  os._exit(status)


def start(count: int, argv: Sequence[str], workdir: Path, heartbeat: int) -> int:
  """Runs a command in `count` processes of this machine, and gives the exit status of the whole.

  The first has this terminal; each of the others writes to a file in `workdir/logs/`. If one is
  killed, stops or fails, so do all.
  """
  logs = workdir / LOGS
  logs.mkdir(parents=True, exist_ok=True)
  at, children = address(), []
  for index in range(count):
    env = os.environ | {PROCESS: f"{at},{index},{count}"}
    log = None if index == 0 else (logs / f"process-{index}.log").open("wb")
    child = subprocess.Popen(
      argv, env=env, stdout=log, stderr=log, start_new_session=True, preexec_fn=_end_with_parent
    )
    children.append(child)
    if log:
      log.close()
  asked = []
  for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: asked.append(time.monotonic()) or _signal(children))
  return _watched(children, workdir, heartbeat)


def _watched(children: list[subprocess.Popen], workdir: Path, heartbeat: int) -> int:
  """Waits for all; the exit status of the first that failed, `GONE` if it was ended."""
  status, failed, since = 0, None, {}
  while any(child.returncode is None for child in children):
    for index, child in enumerate(children):
      child.poll()
      if child.returncode is None and _stopped(child):
        since.setdefault(index, time.monotonic())
      else:
        since.pop(index, None)
    # One that ended with GONE has told of another, which is the one to name.
    ended = {i: c.returncode for i, c in enumerate(children) if c.returncode not in (None, 0, GONE)}
    still = [i for i, begun in since.items() if time.monotonic() - begun > heartbeat]
    if failed is None and (ended or still):
      failed = time.monotonic()
      index = next(iter(ended or still))
      status = GONE if ended.get(index, -1) < 0 else ended[index]
      if status == GONE:
        how = f"has stood still for {heartbeat} s"
        if ended:
          how = f"was ended by {signal.Signals(-ended[index]).name}"
        print(
          f"error: process {index} of {len(children)} {how}; the same command goes on from what "
          f"{workdir} holds", file=sys.stderr, flush=True,
        )  # fmt: skip
    if failed is not None and time.monotonic() - failed > GRACE:
      _signal(children, signal.SIGKILL)
    time.sleep(0.05)
  told = (child.returncode for child in children if child.returncode)
  return status or next(told, 0)


def _signal(children: list[subprocess.Popen], number: int = signal.SIGTERM) -> None:
  for child in children:
    if child.poll() is None:
      child.send_signal(number)


def _stopped(child: subprocess.Popen) -> bool:
  """Whether a process stands still, as after SIGSTOP."""
  try:
    text = Path(f"/proc/{child.pid}/stat").read_text()
  except OSError:
    return False
  return text.rpartition(")")[2].split()[0] == "T"


def _end_with_parent() -> None:
  """Has the system kill this process when the one that started it ends (Linux)."""
  if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def address() -> str:
  """A free port of this machine, as "HOST:PORT"."""
  with socket.socket() as found:
    found.bind(("localhost", 0))
    return f"localhost:{found.getsockname()[1]}"
