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
  """Shows how far a fit is. `step` and `epoch` are called as it goes."""

  def __init__(self, epochs: int, stream=None):
    self.stream = stream or sys.stderr
    self.on_terminal = self.stream.isatty()
    self.epochs, self.steps, self.steps_per_epoch, self.best = epochs, 0, 0, -np.inf
    self.started = self.shown = time.monotonic()
    bar = "{desc}|{bar}| epoch {n_fmt}/{total_fmt} [{elapsed}<{remaining}]{postfix}"
    off = not self.on_terminal
    self.bar = tqdm(total=epochs, disable=off, file=self.stream, bar_format=bar, desc="training ")

  def step(self) -> None:
    self.steps += 1
    if time.monotonic() - self.shown > 0.2:
      self.shown = time.monotonic()
      of = f"/{self.steps_per_epoch:,}" if self.steps_per_epoch else ""
      best = f", best AUC {self.best:.4f}" if np.isfinite(self.best) else ""
      self.bar.set_postfix_str(f"step {self.steps:,}{of}{best}")

  def epoch(self, epoch: int, info: dict) -> None:
    auc = info["valid"]["mean_auc"]
    self.best = max(self.best, np.nanmax(auc, initial=-np.inf))
    self.steps_per_epoch, self.steps = self.steps, 0
    self.bar.update()
    if not self.on_terminal:
      runs = f" over {len(auc)} runs" if len(auc) > 1 else ""
      elapsed = time.monotonic() - self.started
      line = (
        f"epoch {epoch}/{self.epochs}  loss {info['loss'].mean():.4f}  valid AUC {auc.mean():.4f}"
      )
      print(f"{line}{runs}  best {self.best:.4f}  {elapsed:.0f} s", file=self.stream, flush=True)

  def close(self) -> None:
    self.bar.close()
