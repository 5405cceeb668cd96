"""A stored model at work: `python -m benchmarks.serving MODEL`.

Requests over HTTP to `examples/http_service.py`, one after the other on one connection; a file of
random rows scored; and the best of all items for users, by MODEL and by an untrained MLP with many
items. Ids are drawn evenly from those of the model.
"""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pyarrow as pa
from pyarrow import csv

from mamdr_jax import configure, machine, serve
from mamdr_jax.assembly import framework, optimizers
from mamdr_jax.markdown import table
from mamdr_jax.stored import Stored, seen

SERVICE = Path(__file__).resolve().parents[1] / "examples" / "http_service.py"
REQUESTS, ROWS_OF_REQUEST = 500, (1, 100)
ROWS = 3_000_000  # of the file
USERS, ITEMS, FEW, SIZE = 1000, 1_000_000, 10, 128


def main(path: str) -> None:
  model = serve.load(path)
  print(f"device: {machine.device()}; {path}\n")
  with started(path) as port:
    cases = [requests(model, port, num) for num in ROWS_OF_REQUEST]
  print(table(("rows", "p50, ms", "p99, ms", "requests/s"), cases), end="\n\n")
  with tempfile.TemporaryDirectory() as folder:
    cases = [scored(model, Path(folder), rank) for rank in (False, True)]
  print(table(("file", "rows", "seconds", "rows/s"), cases), end="\n\n")
  large = serve.Model(untrained(ITEMS, SIZE))
  cases = [best(path, model, USERS), best("untrained MLP", large, FEW)]
  print(table(("model", "items", "users", "seconds", f"for {USERS:,} users, s"), cases))


@contextlib.contextmanager
def started(path: str) -> Iterator[int]:
  """The service as a process of its own, and the port on which it answers."""
  with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
  command = [sys.executable, SERVICE, path, str(port)]
  quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
  env = os.environ | {"PYTHONPATH": str(SERVICE.parents[1])}
  process = subprocess.Popen(command, env=env, **quiet)
  try:
    while process.poll() is None:
      try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        break
      except OSError:
        time.sleep(0.05)
    if process.poll() is not None:
      raise OSError(f"{SERVICE} ended with {process.returncode}")
    yield port
  finally:
    process.terminate()
    process.wait()


def random_rows(model: serve.Model, num: int, seed: int = 0) -> dict[str, np.ndarray]:
  """Columns by the names of their fields."""
  rng, stored = np.random.default_rng(seed), model.stored
  columns = {field: rng.choice(raw, num) for field, raw in stored.vocab.items()}
  columns |= {name: rng.normal(size=num) for name in model.reader().columns.dense}
  return columns | {"domain": rng.choice(np.array(model.domains), num)}


def requests(model: serve.Model, port: int, num: int) -> list[str]:
  """A row of the first table; the first requests, which compile, do not count."""
  took = []
  with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
    for i in range(REQUESTS + 10):
      columns = random_rows(model, num, i)
      columns["domain"] = columns["domain"][:1].repeat(num)  # those of one page
      body = json.dumps({name: column.tolist() for name, column in columns.items()})
      begun = time.perf_counter()
      connection.request("POST", "/score", body)
      answer = connection.getresponse()
      told = json.loads(answer.read())
      took.append(time.perf_counter() - begun)
      if answer.status != 200 or len(told["probability"]) != num:
        raise ValueError(f"asked for {num} rows, got {answer.status}: {told}")
  took = np.array(took[10:])
  middle, late = (f"{1e3 * np.quantile(took, q):.1f}" for q in (0.5, 0.99))
  return [f"{num:,}", middle, late, f"{1 / took.mean():,.0f}"]


def scored(model: serve.Model, folder: Path, rank: bool) -> list[str]:
  """A row of the second table; what compiles does so before."""
  names = model.reader().columns
  columns = random_rows(model, ROWS)
  called = {field: columns[field] for field in names.dense}
  called |= {name: columns[field] for field, name in names.ids.items()}
  called |= {names.domain: columns["domain"]}
  source, first = folder / "rows.csv", folder / "first.csv"
  csv.write_csv(pa.table(called), source)
  csv.write_csv(pa.table(called).slice(0, min(ROWS, 2**18)), first)
  serve.score_file(model, first, folder / "warm.csv", rank=rank)
  begun = time.perf_counter()
  serve.score_file(model, source, folder / "scores.csv", rank=rank)
  seconds = time.perf_counter() - begun
  what = "with --rank" if rank else "CSV"
  return [what, f"{ROWS:,}", f"{seconds:.1f}", f"{ROWS / seconds:,.0f}"]


def best(name: str, model: serve.Model, num_users: int) -> list[str]:
  """A row of the third table."""
  columns = random_rows(model, num_users)
  del columns["item"]
  model.recommend(**{x: column[:1] for x, column in columns.items()})
  begun = time.perf_counter()
  model.recommend(**columns)
  seconds = time.perf_counter() - begun
  all_users = f"{seconds * USERS / num_users:,.0f}"
  told = all_users if num_users == USERS else f"{all_users}, extrapolated"
  num_items = len(model.stored.vocab["item"])
  return [name, f"{num_items:,}", f"{num_users:,}", f"{seconds:.1f}", told]


def untrained(num_items: int, size: int, num_users: int = 1000) -> Stored:
  """An MLP on embeddings of that size with so many items, as it is before it is trained."""
  config = configure.make("synthetic", "mlp", "alternate")
  config.model.embedding_size = size
  raw = {"user": np.arange(num_users), "item": np.arange(num_items)}
  domains = ("A", "B", "C")
  told = {
    "config": config.to_dict(), "batch_size": config.batch_size, "domains": len(domains),
    "fields": {field: len(ids) for field, ids in raw.items()}, "given": {}, "dense": {}, "own": {},
  }  # fmt: skip
  tables = {field: len(ids) + 1 for field, ids in raw.items()} | {"domain": len(domains) + 1}
  goal, method = framework(config, optimizers(config), tables)
  batch = jax.tree.map(lambda x: np.zeros(x.shape[1:], x.dtype), seen(told).batch)
  params = jax.jit(goal.init)(jax.random.key(0), batch)
  state = method.served(method.init(jax.random.key(1), params, None))
  return Stored(
    Path("untrained"), told, goal, method, domains, raw, {}, state, {}, {}, None, {}, {}, None
  )


if __name__ == "__main__":
  main(sys.argv[1])
