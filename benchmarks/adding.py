"""A domain added to larger and larger models: `python -m benchmarks.adding`.

Models have more old domains, or more users and items, and are trained for an epoch on random rows;
the rows of the new domain and of its helpers are the same for all of them. Seconds are those of the
processor, the least of some turns, programs being compiled in the first; ratios are within one run.
"""

import functools
import gc
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from mamdr_jax import backend, configure, experiment, files, machine, serve
from mamdr_jax.data import SPLITS, Dataset
from mamdr_jax.markdown import table

# (old domains, users); a tenth as many items.
CASES = ((10, 10_000), (1_000, 10_000), (10_000, 10_000), (10, 100_000), (10, 1_000_000))
PER_DOMAIN, BATCH, SIZE, HIDDEN = 40, 32, 16, (64, 32)
HELPERS, ROWS = 5, 400  # old domains that help, and rows of each and of the new one
EPOCHS, REPEATS = 5, 8


def main() -> None:
  backend.keep_compiled()
  print(f"device: {machine.device()}; {ROWS} rows of the new domain, {EPOCHS} epochs\n")
  with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    rows = written(folder)
    paths = [trained(folder / f"run{i}", *case) for i, case in enumerate(CASES)]
    loads = [functools.partial(serve.load, path) for path in paths]
    numbers = itertools.count()
    add = lambda load: adding(load(), *rows, folder, numbers)
    took = [least(runs) for runs in (loads, [add(load) for load in loads])]
  cases = [
    [f"{domains:,}", f"{users:,}", f"{load:.2f}", f"{each:.2f}", f"{each / took[1][0]:.2f}"]
    for (domains, users), load, each in zip(CASES, *took, strict=True)
  ]
  print(table(("old domains", "users", "s to load", "s to add", "over the first"), cases))


def least(runs: list[Callable]) -> np.ndarray:
  """Seconds of the processor that each takes, the least of all turns."""
  return np.min([[seconds(run) for run in runs] for _ in range(REPEATS)], axis=0)


def seconds(run: Callable) -> float:
  gc.collect()  # else it falls into the same case at every turn
  began = time.process_time()
  run()
  return time.process_time() - began


def drawn(num_domains: int, per_domain: int, num_users: int) -> dict[str, np.ndarray]:
  """Random rows, as many of either label in every split of every domain: columns, [n] each."""
  rng, size = np.random.default_rng(0), num_domains * per_domain
  place = np.arange(size)
  return {
    "user": rng.integers(num_users, size=size, dtype=np.int32),
    "item": rng.integers(num_users // 10, size=size, dtype=np.int32),
    "domain": np.repeat(np.arange(num_domains, dtype=np.int32), per_domain),
    "label": (place // 4 % 2).astype(np.int8),
    "split": np.array([0, 0, 1, 2], np.int8)[place % 4],
  }


def trained(workdir: Path, num_domains: int, num_users: int) -> Path:
  """The model of a run of MAMDR with deltas of everything."""
  rows = drawn(num_domains, PER_DOMAIN, num_users)
  vocab = {"user": np.arange(num_users), "item": np.arange(num_users // 10)}
  dataset = Dataset(
    ids={field: rows.pop(field) for field in vocab}, dense={}, **rows, vocab=vocab,
    domains=tuple(f"D{d + 1}" for d in range(num_domains)),
    frozen={}, moments={}, truth=None, notes=(),
  )  # fmt: skip
  config = configure.make("table", "mlp", "mamdr")
  config.data.update(path="given", label="label", split="split")
  config.model.update(embedding_size=SIZE, hidden=HIDDEN)
  config.method.update(k=1, visit_steps=1)
  config.update(batch_size=BATCH, epochs=1)
  experiment.run(config, workdir, dataset=dataset)
  return workdir / files.MODEL


def written(folder: Path) -> tuple[Path, Path]:
  """Files of the new domain's rows, a quarter of users that no model has, and of the helpers'."""
  few, most = (f(users for _, users in CASES) for f in (min, max))
  paths = folder / "new.csv", folder / "old.csv"
  for path, num in zip(paths, (1, HELPERS), strict=True):
    rows = drawn(num, ROWS, few)
    rows["domain"] = np.array([f"D{d + 1}" for d in range(num)])[rows["domain"]]
    rows["split"] = np.array(SPLITS)[rows["split"]]
    if path == paths[0]:
      rows["domain"] = np.full(ROWS, "new")
      rows["user"] = np.where(rows["user"] < few // 4, most + rows["user"], rows["user"])
    csv.write_csv(pa.table(rows), path)
  return paths


def adding(model: serve.Model, rows: Path, helpers: Path, folder: Path, numbers):
  """Something to be timed: what the command `add` does once the model is loaded."""
  plan = {"alpha": (1e-3,), "gamma": (0.5,), "epochs": EPOCHS, "patience": EPOCHS}
  return lambda: model.add(rows, folder / f"grown{next(numbers)}", helpers, **plan)


if __name__ == "__main__":
  main()
