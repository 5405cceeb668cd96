"""`shards/`: what workers go on from. A folder an epoch, with a file a worker and, last, a marker.

`shards/RRRR-P-EEEEE/` is of run R in phase P after epoch E. It counts once `whole.json` is there.
"""

from pathlib import Path
from typing import NamedTuple

from mamdr_jax import files
from mamdr_jax.files import SHARDS

WHOLE = "whole.json"


class Mark(NamedTuple):
  """Of one whole checkpoint."""

  path: Path
  run: int
  phase: int
  epoch: int
  last: int  # which may be trained in this phase


def of(workdir: Path, run: int, phase: int, epoch: int, last: int) -> Mark:
  """The checkpoint of an epoch."""
  return Mark(workdir / SHARDS / f"{run:04d}-{phase}-{epoch:05d}", run, phase, epoch, last)


def newest(workdir: Path) -> Mark | None:
  """The last whole checkpoint; ValueError if its marker is damaged."""
  whole = sorted(path.parent for path in (workdir / SHARDS).glob(f"*/{WHOLE}"))
  if not whole:
    return None
  told = files.read_json(whole[-1] / WHOLE)
  return Mark(whole[-1], *(int(told[name]) for name in Mark._fields[1:]))


def mark(of: Mark) -> None:
  """Says that all files of a checkpoint are there, and removes those before it."""
  files.write_json(of.path / WHOLE, {name: getattr(of, name) for name in Mark._fields[1:]})
  for other in of.path.parent.iterdir():
    if other != of.path:
      files.remove(other)
