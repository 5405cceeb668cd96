"""One process at a time in a folder."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

LOCK = ".lock"


@contextlib.contextmanager
def locked(folder: Path, patience: float = 0.0) -> Iterator[None]:
  """Holds a folder, which is made if it is not there, until the end of the block.

  The system lets go of it when the process ends, however that happens.

  Args:
    folder: which.
    patience: seconds to wait for another process that holds it.

  Raises:
    ValueError: another process holds it.
  """
  path = folder / LOCK
  descriptor = _open(path, time.monotonic() + patience)
  try:
    yield
  finally:
    path.unlink(missing_ok=True)
    os.close(descriptor)


def _open(path: Path, until: float) -> int:
  """The lock's descriptor, once it is of the file that is there: its last holder removed it."""
  while True:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
      fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
      if os.path.samestat(os.fstat(descriptor), path.stat()):
        return descriptor
    except FileNotFoundError:
      pass
    except BlockingIOError:
      if time.monotonic() >= until:
        os.close(descriptor)
        raise ValueError(
          f"another process is at work in {path.parent}; wait for it, or choose another --workdir"
        ) from None
      time.sleep(0.05)
    os.close(descriptor)
