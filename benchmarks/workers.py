"""Rounds of workers in processes: `python -m benchmarks.workers [--out=DIR]`.

Synthetic minibatches of 64 steps a worker, in one round of DN, from a static-cache, and in 64
rounds of alternate training, which exchange at every step. Bytes are those that the compiled
program's collectives give to one device; seconds are by the clock, the least of some epochs.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mamdr_jax import machine, processes
from mamdr_jax.core import Hparams
from mamdr_jax.data import Dataset, on_host
from mamdr_jax.markdown import table
from mamdr_jax.methods import METHODS
from mamdr_jax.models import MODELS
from mamdr_jax.objective import objective
from mamdr_jax.train import Rest, Setup
from mamdr_jax.workers import Crew, life, shared
from mamdr_jax.workers.epoch import epoch

WORKERS, STEPS, BATCH, SIZE, HIDDEN = (1, 2, 4), 64, 256, 32, (64, 32)
NUM_IDS = {"user": 200_000, "item": 50_000}
IDS = {"Zipf 1.05": 1.05, "uniform": 0.0}
EPOCHS = 3
WAYS = {"cache": ("domain_negotiation", {"round_steps": 1}), "every step": ("alternate", {})}


def dataset(num_domains: int, skew: float) -> Dataset:
  """A minibatch of every domain, ids drawn by 1 / rank^skew."""
  rng, rows = np.random.default_rng(0), num_domains * BATCH

  def drawn(num):
    weight = np.arange(1, num + 1) ** -skew
    ids = rng.choice(num, rows, p=weight / weight.sum())
    return rng.permutation(num)[ids].astype(np.int32)

  return Dataset(
    ids={field: drawn(num) for field, num in NUM_IDS.items()},
    dense={},
    label=rng.integers(2, size=rows, dtype=np.int8),
    domain=np.repeat(np.arange(num_domains, dtype=np.int32), BATCH),
    split=np.zeros(rows, np.int8),
    domains=tuple(map(str, range(num_domains))),
    vocab={field: np.arange(num) for field, num in NUM_IDS.items()},
    frozen={},
    moments={},
    truth=None,
    notes=(),
  )


def measured(num: int, skew: float, way: str) -> dict:
  """Seconds and bytes of an epoch of `num` workers, and how many rows of those it reads are new."""
  train = on_host(dataset(num * STEPS, skew), "train", BATCH)
  vocab = NUM_IDS | {"domain": num * STEPS}
  goal = objective(MODELS["mlp"](vocab, embedding_size=SIZE, hidden=HIDDEN, dropout=0.0))
  name, options = WAYS[way]
  inner = optax.sgd if way == "cache" else optax.adagrad
  outer = {"outer": optax.adagrad} if way == "cache" else {}
  method = METHODS[name](loss=goal.loss, inner=inner, **outer, **options)
  setup = Setup(goal, method, 1, reshuffled=False, stream=STEPS, rest=Rest(None))
  team = life.team_of(setup, Crew(num), train)
  held = life.begin(team, jax.random.key(0), train).state
  texts = noted(shared)
  trained, rates = epoch(team), Hparams(*jnp.full(3, 0.01))
  spent = []
  for number in range(EPOCHS + 1):
    began = time.perf_counter()
    held, _ = trained(jax.random.key(number), held, train, rates, None)
    jax.block_until_ready(held.light)
    spent.append(time.perf_counter() - began)
  times = 1 if way == "cache" else STEPS
  mine = np.concatenate([np.flatnonzero(np.isin(train.dataset.domain, d)) for d in team.here])
  seen = [train.dataset.ids[field][mine] for field in NUM_IDS]
  steps = [x.reshape(-1, BATCH) for x in seen]
  asked = sum(np.unique(row).size for x in steps for row in x)
  distinct = sum(np.unique(x).size for x in seen)
  return {
    "seconds": min(spent[1:]),
    "bytes": times * collective_bytes(texts[0]),
    "distinct": distinct,
    "hits": 1 - distinct / asked,
  }


def noted(room) -> list[str]:
  """Has `room` note the text of the program of its rounds."""
  texts, make = [], room.shared_rounds

  def noting(*args):
    rounds = make(*args)

    def call(*given):
      if not texts:
        texts.append(rounds.lower(*given).compile().as_text())
      return rounds(*given)

    return call

  room.shared_rounds = noting
  return texts


def collective_bytes(text: str) -> int:
  """What the collectives of a compiled program give to a device, each counted once."""
  sizes = {"f32": 4, "s32": 4, "u32": 4, "pred": 1}
  found = 0
  for shapes in re.findall(r"= (\(?[^=\n]*?\)?) (?:all-to-all|all-reduce|all-gather)\(", text):
    for kind, dims in re.findall(r"(\w+)\[([\d,]*)\]", shapes):
      found += sizes.get(kind, 4) * int(np.prod([int(d) for d in dims.split(",") if d]))
  return found


def one_process(told: str, skew: float, way: str) -> None:
  """What one of the processes does; the first prints what it measured."""
  processes.join(told, 60)
  found = measured(jax.process_count(), skew, way)
  if jax.process_index() == 0:
    print(json.dumps(found))


def started(num: int, skew: float, way: str) -> dict:
  """`measured` in as many processes as there are workers."""
  address, children = processes.address(), []
  for index in range(num):
    command = [sys.executable, "-m", "benchmarks.workers", f"--process={address},{index},{num}"]
    command += [f"--skew={skew}", f"--way={way}"]
    out = subprocess.PIPE if index == 0 else subprocess.DEVNULL
    children.append(subprocess.Popen(command, stdout=out, env=os.environ.copy(), text=True))
  text, _ = children[0].communicate()
  if any(child.wait() for child in children):
    raise RuntimeError("a process failed")
  return json.loads(text.splitlines()[-1])


def main(out: str | None = None) -> None:
  print(f"device: {machine.device()}; {STEPS} steps of {BATCH} rows a worker\n")
  rows = []
  for ids, skew in IDS.items():
    for num in WORKERS:
      found = {way: started(num, skew, way) for way in WAYS}
      cache, step = found["cache"], found["every step"]
      rows.append([
        ids, num, f"{cache['seconds']:.3f}", f"{step['seconds']:.3f}",
        f"{step['seconds'] / cache['seconds']:.1f}", f"{cache['bytes'] / 2**20:.2f}",
        f"{step['bytes'] / 2**20:.2f}", f"{cache['distinct']:,}", f"{100 * cache['hits']:.0f}",
      ])  # fmt: skip
      print(*rows[-1], file=sys.stderr)
  header = [
    "ids", "workers", "s, cache", "s, every step", "times faster", "MiB, cache", "MiB, every step",
    "rows of a worker's round", "found in the cache, %",
  ]  # fmt: skip
  made = table(header, rows)
  print(made)
  if out:
    Path(out).mkdir(parents=True, exist_ok=True)
    (Path(out) / "workers.md").write_text(made + "\n", encoding="utf-8")


if __name__ == "__main__":
  parser = argparse.ArgumentParser()
  parser.add_argument("--out", help="folder for workers.md")
  parser.add_argument("--process", help="which process this is, of those that it starts")
  parser.add_argument("--skew", type=float)
  parser.add_argument("--way")
  given = parser.parse_args()
  if given.process:
    one_process(given.process, given.skew, given.way)
  else:
    main(given.out)
