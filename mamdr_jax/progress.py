"""Progress of a fit: a bar over epochs and steps on a terminal, a plain line an epoch elsewhere."""

import sys
import time
from collections.abc import Callable

import jax
import numpy as np
from tqdm import tqdm

from mamdr_jax.core import Loss


def counted(loss: Loss, on_step: Callable[[], None]) -> Loss:
  """`loss`, telling the host each time that it is evaluated."""

  def tell(params, key, batch):
    jax.debug.callback(on_step)
    return loss(params, key, batch)

  return tell


class Progress:
  """Shows how far an experiment is. `begin`, then `epoch` and `ended`, are called as it goes.

  Args:
    stream: where to; stderr by default.
    place: (i, n): the experiment is the i-th, from 0, of n that follow one another.
    began: when the first of them did, by `time.monotonic`; by default now.

  Attributes:
    on_step: to be called at every step, if that is shown, else None.
  """

  def __init__(self, stream=None, place: tuple[int, int] = (0, 1), began: float | None = None):
    self.stream = stream or sys.stderr
    self.on_terminal = self.stream.isatty()
    self.on_step = self._step if self.on_terminal else None
    self.epochs, self.num_runs, self.gradients = 0, 0, 0.0
    self.steps, self.steps_per_epoch, self.best = 0, 0, -np.inf
    self.started = self.shown = time.monotonic()
    self.place, self.began = place, self.started if began is None else began
    self.done, self.skipped = 0, 0  # epochs, all runs together
    bar = "{desc}|{bar}| epoch {n_fmt}/{total_fmt} [{elapsed}<{remaining}]{postfix}"
    options = {"disable": not self.on_terminal, "file": self.stream, "bar_format": bar}
    self.bar = tqdm(desc="training ", **options)

  def begin(self, epochs: int, num_runs: int, gradients: float = 0.0) -> None:
    """So many runs there are, each of so many epochs, and gradients if not 0, at most."""
    self.epochs, self.num_runs, self.gradients = epochs, num_runs, gradients
    self.bar.total = epochs * num_runs
    self.bar.refresh()

  def _step(self) -> None:
    self.steps += 1
    if time.monotonic() - self.shown > 0.2:
      self.shown = time.monotonic()
      of = f"/{self.steps_per_epoch:,}" if self.steps_per_epoch else ""
      best = f", best AUC {self.best:.4f}" if np.isfinite(self.best) else ""
      self.bar.set_postfix_str(f"step {self.steps:,}{of}{best}")

  def epoch(self, epoch: int, info: dict) -> None:
    auc, runs = info["valid"]["mean_auc"], info["run"]
    self.best = max(self.best, np.nanmax(auc, initial=-np.inf))
    self.steps_per_epoch, self.steps = self.steps, 0
    if self.gradients:
      most = -(-self.gradients // float(np.mean(info["passes"])))
      self.epochs = int(min(self.epochs, max(epoch, most)))
      self.bar.total = self.epochs * self.num_runs
    self.bar.update(len(runs))
    self.done += len(runs)
    if self.on_terminal and self.place[1] > 1:
      self.bar.set_description_str(f"training, all {self._left() or '?'} at most ")
    if not self.on_terminal:
      which = "" if self.num_runs == 1 else f"run {runs[0] + 1}/{self.num_runs}  "
      if len(runs) > 1:
        which = f"{len(runs)} of {self.num_runs} runs  "
      elapsed = time.monotonic() - self.started
      figures = f"loss {info['loss'].mean():.4f}  valid AUC {auc.mean():.4f}"
      line = f"{which}epoch {epoch}/{self.epochs}  {figures}  best {self.best:.4f}"
      left = self._left()
      left = f", at most {left} left" if left else ""
      print(f"{line}  {elapsed:.0f} s{left}", file=self.stream, flush=True)

  def ended(self, num_runs: int) -> None:
    """So many runs have ended, maybe before their last epoch."""
    self.skipped += num_runs * self.epochs - self.skipped - self.done
    self.bar.n = num_runs * self.epochs
    self.bar.refresh()

  def _left(self) -> str:
    """The time that this and the experiments that follow take if each run has all its epochs."""
    i, n = self.place
    left = self.num_runs * self.epochs - self.done - self.skipped
    if left <= 0 and i + 1 == n:
      return ""
    here = (time.monotonic() - self.started) * left / max(self.done, 1)
    if i + 1 < n:
      whole = time.monotonic() - self.began + here  # of i + 1 of them
      here += whole * (n - i - 1) / (i + 1)
    return spoken(here)

  def close(self) -> None:
    self.bar.close()


def spoken(seconds: float) -> str:
  """A time as people say it: 40 s, 12 min, 3.5 h.

  >>> spoken(40), spoken(720), spoken(12600)
  ('40 s', '12 min', '3.5 h')
  """
  if seconds < 100:
    return f"{seconds:.0f} s"
  return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
