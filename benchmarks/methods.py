"""What an epoch of every method costs against the number of domains.

  python -m benchmarks.methods [--out=FOLDER]

MLP with trained tables of users and items, d = 128, Adam; every domain has four minibatches of 256
rows, so that rows grow with domains. What is linear in the number n of domains, as DN with O(n) and
DR with O((k + 1) n) are (Luo et al. 2023, §IV), has a ratio of 3 between 10 domains and 30.

PCGrad is not: each of n gradients, spread over the rows that all n minibatches touch, meets the
n - 1 others. The last table times that alone, on gradients of one length (the MLP's net): the time
per domain grows with n where the whole is quadratic, and would be level where it is linear.

`--out` takes methods.md, the tables, and methods.png, seconds per epoch over domains.
"""

import argparse
import functools
import inspect
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.timing import best_of, carried, random_batches
from mamdr_jax import tree
from mamdr_jax.core import Hparams
from mamdr_jax.descent import minibatch
from mamdr_jax.files import write_text
from mamdr_jax.machine import device
from mamdr_jax.markdown import table
from mamdr_jax.methods import METHODS
from mamdr_jax.methods.pcgrad import orders, project
from mamdr_jax.models import MODELS
from mamdr_jax.objective import objective
from mamdr_jax.report.canvas import drawing, shade

SIZE, BATCH, PER_DOMAIN, REPEATS = 128, 256, 4, 3
NUM_IDS = {"user": 8192, "item": 8192}  # not fewer than the rows of a round of 30 minibatches
DOMAINS, SHOWN = (5, 10, 30), (10, 30)
HELPERS = 3  # k
GRADIENT, GRADIENTS = 141_056, (10, 30, 100, 300)  # length and numbers, for PCGrad's projection


def main(out: str | None = None) -> None:
  header = f"device: {device()}, B = {BATCH}, d = {SIZE}, {PER_DOMAIN} minibatches a domain"
  measured = {name: epochs(name) for name in METHODS}
  text = "\n\n".join([header, method_table(measured), projection_table()])
  print(text)
  if out:
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "methods.md", text + "\n")
    draw({name: seconds for name, (seconds, _) in measured.items()}, out / "methods.png")


def epochs(name: str) -> tuple[np.ndarray, np.ndarray]:
  """Seconds per epoch and passes per epoch of a method, at each of DOMAINS."""
  runs = [epoch(name, num_domains) for num_domains in DOMAINS]
  return best_of(runs, REPEATS), np.array([float(run()[1]) for run in runs])


@functools.cache
def setting(num_domains: int):
  """The same for all methods: minibatches, the MLP's objective and its parameters."""
  data = random_batches(NUM_IDS, num_domains, PER_DOMAIN, BATCH)
  goal = objective(MODELS["mlp"](NUM_IDS | {"domain": num_domains}, embedding_size=SIZE))
  return data, goal, jax.jit(goal.init)(jax.random.key(0), minibatch(data, 0))


def epoch(name: str, num_domains: int):
  """An epoch, ready to be timed; it returns the state and how many passes it took."""
  data, goal, params = setting(num_domains)
  options = {"k": HELPERS, "visit_steps": PER_DOMAIN}
  taken = inspect.signature(METHODS[name]).parameters
  options = {option: value for option, value in options.items() if option in taken}
  method = METHODS[name](loss=goal.loss, inner=optax.adam, **options)
  rates = Hparams(*jnp.array([1e-3, 0.1, 0.1]))

  def advance(carry, data, rates):
    state, info = method.epoch(jax.random.key(1), carry[0], data, rates)
    return state, info["passes"]

  # Of a copy, since what the state holds is donated.
  begin = jax.jit(method.init)(jax.random.key(0), tree.copy(params), data)
  return carried(advance, (begin, jnp.zeros(())), data, rates)


def method_table(measured: dict[str, tuple[np.ndarray, np.ndarray]]) -> str:
  """Rows are those of the data set; a pass is a gradient of one minibatch."""
  few, many = (DOMAINS.index(d) for d in SHOWN)
  header = ["method", *(f"s per epoch, {d} domains" for d in SHOWN), "ratio"]
  header += [*(f"passes, {d}" for d in SHOWN), *(f"ms per pass, {d}" for d in SHOWN)]
  header += [f"rows per s, {SHOWN[1]}", f"rows of passes per s, {SHOWN[1]}"]
  rows = []
  for name, (seconds, passes) in measured.items():
    pair = [few, many]
    num_rows = SHOWN[1] * PER_DOMAIN * BATCH
    rows.append([
      name,
      *(f"{x:.3f}" for x in seconds[pair]),
      f"{seconds[many] / seconds[few]:.2f}",
      *(f"{x:.0f}" for x in passes[pair]),
      *(f"{1e3 * x:.2f}" for x in (seconds / passes)[pair]),
      f"{num_rows / seconds[many]:,.0f}",
      f"{passes[many] * BATCH / seconds[many]:,.0f}",
    ])  # fmt: skip
  return table(header, rows)


def projection_table() -> str:
  """PCGrad after its gradients are there: inner products, projections, and their sum."""

  def combine(key, grads):
    gram = grads @ grads.T
    return project(gram, orders(key, grads.shape[0])).sum(0) @ grads

  compiled, runs = jax.jit(combine), []
  for n in GRADIENTS:
    grads = jax.random.normal(jax.random.key(0), (n, GRADIENT))
    runs.append(lambda grads=grads: compiled(jax.random.key(1), grads))
    jax.block_until_ready(runs[-1]())
  seconds = best_of(runs, REPEATS)
  rows = [
    [n, f"{1e3 * s:.1f}", f"{1e3 * s / n:.2f}"] for n, s in zip(GRADIENTS, seconds, strict=True)
  ]
  return table(["domains", "ms to project and add up", "ms per domain"], rows)


def draw(seconds: dict[str, np.ndarray], path: Path) -> None:
  """Seconds per epoch over domains, a line a method, named at its end."""
  ordered = sorted(seconds, key=lambda name: -seconds[name][-1])  # the legend reads like the lines
  markers = "os^vDP*X<>p"
  with drawing(path, (8, 2 + 0.25 * len(seconds))) as (figure, axes):
    for i, name in enumerate(ordered):
      few, many = (seconds[name][DOMAINS.index(d)] for d in SHOWN)
      label, color = f"{name}, {many / few:.1f}", shade(i / (len(ordered) - 1))
      marker = markers[i % len(markers)]
      axes.loglog(DOMAINS, seconds[name], color=color, marker=marker, label=label)
    guide = np.array(DOMAINS) / DOMAINS[0]
    low = 0.6 * min(s[0] for s in seconds.values())
    for power, style in ((1, "--"), (2, ":")):
      axes.loglog(DOMAINS, low * guide**power, style, color="grey", label=f"slope {power}")
    axes.set_xticks(DOMAINS, map(str, DOMAINS))
    axes.minorticks_off()
    axes.set(xlabel="domains", ylabel="seconds per epoch")
    axes.grid(alpha=0.3)
    figure.legend(
      loc="outside right upper", frameon=False, title="method, {1} over {0} domains".format(*SHOWN)
    )


if __name__ == "__main__":
  parser = argparse.ArgumentParser()
  parser.add_argument("--out", help="folder for methods.md, the tables, and methods.png")
  main(parser.parse_args().out)
