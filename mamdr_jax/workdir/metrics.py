"""`metrics.jsonl`: a line an epoch of the runs that trained side by side."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from mamdr_jax import files
from mamdr_jax.files import METRICS
from mamdr_jax.workdir import epochs


def whole_lines(workdir: Path) -> list[dict]:
  """The lines that are whole. Says so where some are not, and drops them from the file."""
  path = workdir / METRICS
  if not path.exists():
    return []
  texts = path.read_text(encoding="utf-8", errors="replace").splitlines()
  lines = [files.opened(text) for text in texts]
  lines = [line if line and epochs.whole(workdir, line) else None for line in lines]
  whole = [line for line in lines if line is not None]
  if len(whole) < len(lines):
    if None in lines[:-1]:  # the last one may be cut off by a kill
      number = lines.index(None) + 1
      print(f"{path}, line {number} is damaged, and is left out", file=sys.stderr)
    _write(path, whole)
  return whole


def trained(lines: Sequence[Mapping], run: int) -> set[int]:
  """The epochs of a run that have a line."""
  return {line["epoch"] for line in lines if run in line["run"]}


def seconds(lines: Sequence[Mapping], num_runs: int) -> list[float]:
  """Of every run, the time that the epochs took which have a line."""
  spent = [0.0] * num_runs
  for line in lines:
    for run in line["run"]:
      spent[run] += line["seconds"]
  return spent


def keep(workdir: Path, lines: list[dict], most: Mapping[int, float]) -> list[dict]:
  """What of the `whole_lines` stays, in the file too: of each run so many epochs at most."""
  kept = [of_runs(line, [line["epoch"] <= most.get(run, 0) for run in line["run"]])
          for line in lines]  # fmt: skip
  kept = [line for line in kept if line["run"]]
  if kept != lines:
    _write(workdir / METRICS, kept)
  return kept


def append(workdir: Path, line: Mapping) -> None:
  """Adds a line. It is on disk when this returns, and of very many domains their AUC before it."""
  files.append_line(workdir / METRICS, epochs.condensed(workdir, line))


def of_runs(line: Mapping, which: list[bool]) -> dict:
  """A line for some of its runs only."""

  def pick(value):
    if isinstance(value, Mapping):
      return {key: pick(v) for key, v in value.items()}
    return [v for v, stays in zip(value, which, strict=True) if stays]

  return {k: v if k in ("epoch", "seconds") else pick(v) for k, v in line.items()}


def _write(path: Path, lines: list[dict]) -> None:
  files.write_text(path, "".join(files.sealed(line) + "\n" for line in lines))
