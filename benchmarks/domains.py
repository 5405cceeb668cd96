"""An epoch as domains become more: `python -m benchmarks.domains [--out=DIR] [--tables=D]`.

The same rows for every domain, so that what is linear takes the same processor time for a pass
and for a row whatever the number of domains. Tables grow with them, as they do where domains bring
users and items; with `--tables` they are as long as for so many domains, however many there are, so
that the number of domains is all that differs. Ratios are within one run.
"""

import argparse
import functools
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.timing import random_batches
from mamdr_jax import machine, tree
from mamdr_jax.core import Hparams
from mamdr_jax.descent import minibatch, reshuffle
from mamdr_jax.evaluate import measure
from mamdr_jax.markdown import table
from mamdr_jax.methods import METHODS
from mamdr_jax.methods.finetune import finetune
from mamdr_jax.models import MODELS
from mamdr_jax.objective import objective
from mamdr_jax.report.canvas import drawing, shade

DOMAINS = (100, 1_000, 10_000, 69_102)
PER_DOMAIN, BATCH, SIZE, HIDDEN = 2, 64, 16, (64, 32)
ENOUGH = 3.0  # processor seconds that a case is timed for, of each number of domains
IDS_PER_DOMAIN = {"user": 20, "item": 10}  # so that tables grow with the data
NET, TABLES = {"specific": ("net",)}, {"specific": ("tables",)}
CASES = {
  "alternate": ("alternate", {}),
  "DN": ("domain_negotiation", {}),
  "DN, rounds": ("domain_negotiation", {"round_steps": 1}),
  "Reptile": ("reptile", {}),
  "Reptile, rounds": ("reptile", {"round_steps": 1}),
  "DR on the net, bounded": ("domain_regularization", NET | {"visit_steps": 1}),
  "DR on tables, bounded": ("domain_regularization", TABLES | {"visit_steps": 1}),
  "MAMDR on the net, bounded": ("mamdr", NET | {"visit_steps": 1}),
  "MAMDR on the net, whole": ("mamdr", NET),
  "MAMDR on tables, bounded": ("mamdr", TABLES | {"visit_steps": 1}),
  "MAMDR on tables, whole": ("mamdr", TABLES),
  "separate": ("separate", {}),
  "finetune": ("finetune", {}),
  "PCGrad": ("pcgrad", {}),
  "MAML": ("maml", {}),
  "MLDG": ("mldg", {}),
}
# What looks at whole tables once an epoch, and so is not timed where a few domains have long ones.
WHOLE_TABLES = ("DN", "Reptile")
JOINTLY = ("pcgrad", "maml", "mldg")  # given DOMAINS_PER_STEP domains a step
DOMAINS_PER_STEP = 32


def setting(num_domains: int, tables: int | None):
  """Minibatches, the objective of the MLP, and its parameters."""
  num_ids = {field: n * (tables or num_domains) for field, n in IDS_PER_DOMAIN.items()}
  data = random_batches(num_ids, num_domains, PER_DOMAIN, BATCH)
  vocab = num_ids | {"domain": num_domains}
  goal = objective(MODELS["mlp"](vocab, embedding_size=SIZE, hidden=HIDDEN, dropout=0.0))
  return data, goal, jax.jit(goal.init)(jax.random.key(0), minibatch(data, 0))


def constructed(name: str, goal, options: dict):
  common = {"loss": goal.loss, "inner": optax.adam}
  if name == "finetune":
    return finetune(METHODS["alternate"](**common), **common)
  if name in ("domain_regularization", "mamdr"):
    options = {"k": 1} | options
  if name in JOINTLY:
    options = options | {"domains_per_step": DOMAINS_PER_STEP}
  return METHODS[name](**common, **options)


def timed(call, carry, data):
  """A function that has `call` run for a while: -> (mean processor seconds, what it told)."""
  held, call = [carry], call.lower(carry, data).compile()

  def span():
    began, calls = time.process_time(), 0
    while not calls or time.process_time() - began < ENOUGH:
      held[0], told = jax.block_until_ready(call(held[0], data))
      calls += 1
    return (time.process_time() - began) / calls, told

  return span


def epochs_of(case: str, num_domains: int, tables: int | None):
  """`timed` epochs, which tell their passes."""
  data, goal, params = setting(num_domains, tables)
  name, options = CASES[case]
  if tables and name == "mamdr":  # for the same reason
    options = options | {"round_steps": 1}
  method = constructed(name, goal, options)
  rates = Hparams(*jnp.array([1e-3, 0.1, 0.1]))

  def begin(params, data):
    state = params if method.base is None else method.base.init(jax.random.key(0), params, data)
    return method.init(jax.random.key(0), state, data)

  def epoch(state, data):
    dealt = reshuffle(jax.random.key(2), data)
    state, info = method.epoch(jax.random.key(1), state, dealt, rates)
    return state, info["passes"]

  state = jax.block_until_ready(jax.jit(begin)(tree.copy(params), data))
  return timed(jax.jit(epoch, donate_argnums=0), state, data)


def evaluations_of(num_domains: int, tables: int | None):
  """`timed` scores of every row by what MAMDR serves, with their AUC, which tell minibatches."""
  data, goal, params = setting(num_domains, tables)
  method = METHODS["mamdr"](loss=goal.loss, inner=optax.adam, k=1, **NET)
  state = jax.block_until_ready(jax.jit(method.init)(jax.random.key(0), params, data))

  def look(state, data):
    auc = measure(goal, method, state, data, data)["mean_auc"]
    return state, data.batch.domain.size + 0 * auc

  return timed(jax.jit(look, donate_argnums=0), state, data)


def main(out: str | None = None, tables: int | None = None) -> None:
  print(f"device: {machine.device()}; {PER_DOMAIN} minibatches of {BATCH} rows a domain\n")
  numbers = (DOMAINS[0], DOMAINS[-1]) if tables else DOMAINS
  header = ["method", *(f"µs a pass, D = {d:,}" for d in numbers), "last / first", "s an epoch"]
  rows, lines = [], {}
  for case in (*CASES, "evaluation"):
    if tables and case in WHOLE_TABLES:
      continue
    ready = evaluations_of if case == "evaluation" else functools.partial(epochs_of, case)
    spans = [ready(d, tables) for d in numbers]
    # Up to the most domains and down again: a machine that slows down does so for all of them.
    up = [span() for span in spans]
    both = [*zip(up, [span() for span in spans[-2::-1]][::-1], strict=False), (up[-1],)]
    seconds = [np.mean([spent for spent, _ in each]) for each in both]
    lines[case] = [1e6 * s / float(told) for s, (_, told) in zip(seconds, up, strict=True)]
    each = [f"{x:.1f}" for x in lines[case]]
    rows.append([case, *each, f"{lines[case][-1] / lines[case][0]:.2f}", f"{seconds[-1]:.2f}"])
    print(*rows[-1], file=sys.stderr)
    del spans
  made = table(header, rows)
  print(made)
  if out:
    folder, name = Path(out), "equal_tables" if tables else "domains"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(made + "\n", encoding="utf-8")
    draw(numbers, lines, folder / f"{name}.png")


def draw(numbers: Sequence[int], lines: dict[str, list[float]], path: Path) -> None:
  """Microseconds a pass over domains, a line a method: level where cost is linear."""
  with drawing(path, (8, 5.5)) as (figure, axes):
    for i, (name, each) in enumerate(sorted(lines.items(), key=lambda item: -item[1][-1])):
      color = shade(i / (len(lines) - 1))
      axes.semilogx(numbers, each, color=color, marker="os^vDP*X<>phd8"[i % 14], label=name)
    axes.set_xticks(numbers, [f"{d:,}" for d in numbers])
    axes.minorticks_off()
    axes.set(xlabel="domains", ylabel="µs of processor time a pass", ylim=(0, None))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", frameon=False)


if __name__ == "__main__":
  parser = argparse.ArgumentParser()
  parser.add_argument("--out", help="folder for domains.md, the table, and domains.png")
  parser.add_argument("--tables", type=int, help="tables as long as for so many domains, always")
  main(**vars(parser.parse_args()))
