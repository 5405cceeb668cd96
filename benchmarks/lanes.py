"""Runs side by side on a device, and one on each of several: `python -m benchmarks.lanes`.

DN with Adam on random rows, MLP with trained tables. The first epoch does not count, which
compiles. `off` is how far the states end from those of the same runs one after the other: the
largest difference of any number, 0 where they are equal bit by bit. "Again" is the same way a
second time, and `off` from its first: 0 where the device is deterministic.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.timing import random_batches
from mamdr_jax.core import Hparams
from mamdr_jax.machine import device
from mamdr_jax.markdown import table
from mamdr_jax.methods import METHODS
from mamdr_jax.models import MODELS
from mamdr_jax.objective import objective
from mamdr_jax.train import Setup, fit

RUNS, EPOCHS = (1, 10, 100), 4
DOMAINS, PER_DOMAIN, BATCH, SIZE = 10, 4, 256, 64
NUM_IDS = {"user": 4096, "item": 4096}


def main() -> None:
  print(f"device: {device()}; B = {BATCH}, d = {SIZE}, {DOMAINS} x {PER_DOMAIN} minibatches\n")
  data = random_batches(NUM_IDS, DOMAINS, PER_DOMAIN, BATCH)
  model = MODELS["mlp"](NUM_IDS | {"domain": DOMAINS}, embedding_size=SIZE)
  goal = objective(model)
  method = METHODS["domain_negotiation"](loss=goal.loss, inner=optax.adam)
  train = lambda *how: trained(Setup(goal, method, patience=EPOCHS), data, *how)
  alone, _ = expected = train(max(RUNS), 1, ())
  rows = [row("one after the other", max(RUNS), expected, alone)]
  for num_runs in RUNS:
    rows.append(row("side by side", num_runs, train(num_runs, num_runs, ()), alone))
  devices = tuple(jax.local_devices())
  if len(devices) > 1:
    num_runs = min(len(devices), max(RUNS))
    spread = train(num_runs, 1, devices)
    rows.append(row(f"one on each of {num_runs} devices", num_runs, spread, alone))
  rows.append(row("one after the other, again", 1, train(1, 1, ()), alone))
  first, again = (train(max(RUNS), max(RUNS), ()) for _ in range(2))
  rows.append(row("side by side, again", max(RUNS), again, first[0]))
  print(table(("how", "runs", "s an epoch of all", "ms an epoch of one", "off"), rows))


def row(how: str, num_runs: int, told: tuple, expected: list[np.ndarray]) -> list[str]:
  """A row of the table, from `trained` runs and the leaves of the parameters expected."""
  leaves, seconds = told
  pairs = zip(leaves, expected, strict=True)
  off = max(np.abs(x - y[:num_runs]).max() for x, y in pairs)
  return [how, f"{num_runs}", f"{seconds:.3f}", f"{1e3 * seconds / num_runs:.2f}", f"{off:.1e}"]


def trained(setup: Setup, data, num_runs: int, lanes: int, devices) -> tuple[list, float]:
  """The states of runs after EPOCHS, leaves [R, ...], and the seconds of an epoch of all."""
  keys = jax.random.split(jax.random.key(0), max(RUNS))[:num_runs]
  rates = Hparams(*(jnp.full(num_runs, rate) for rate in (1e-3, 0.1, 0.1)))
  spent, told = [], [time.perf_counter()]

  def on_epoch(epoch):
    told.append(time.perf_counter())
    if epoch.number > 1:
      spent.append(told[-1] - told[-2])

  options = {"epochs": EPOCHS, "lanes": lanes, "devices": devices, "on_epoch": on_epoch}
  groups = list(fit(setup, keys, rates, data, data, **options))
  leaves = [jax.tree.leaves(group.runs.state) for group in groups]
  return [np.concatenate(parts) for parts in zip(*leaves, strict=True)], sum(spent) / (EPOCHS - 1)


if __name__ == "__main__":
  main()
