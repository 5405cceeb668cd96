"""What an inner step of DN costs: against the length of the tables, and against the machine.

  python -m benchmarks.step

1. Trainable tables of 10⁴, 10⁵ and 10⁶ users, d = 128, B = 1024: milliseconds per inner step. A
   step touches the rows of its batch, so the column should be flat. The outer step, once an epoch,
   does pass over whole tables; it is shown beside.
2. Frozen features: GFLOP/s of an inner step over those of the machine's own matrix product.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.timing import best_of, carried, random_batches, random_features
from mamdr_jax import tree
from mamdr_jax.descent import descend, minibatch, pull
from mamdr_jax.machine import device
from mamdr_jax.markdown import table
from mamdr_jax.models import MODELS
from mamdr_jax.objective import objective

BATCH, SIZE, STEPS, REPEATS = 1024, 128, 60, 5
USERS, NUM_IDS = (10_000, 100_000, 1_000_000), 10_000
SQUARE = 2048  # rows and columns of the matrices whose product is the machine's own


def main() -> None:
  print(f"device: {device()}, B = {BATCH}, d = {SIZE}, MLP [256, 128, 64], dropout 0.5\n")
  names = ("users", "ms per inner step", "over the first", "ms per outer step")
  print(table(names, table_lengths()))
  print("\n" + table(("what", "GFLOP/s", "ms"), throughput()))


def table_lengths() -> list[list]:
  """Times the inner and outer step of DN with Adam at each of USERS, interleaved."""
  cases = [case({"user": n, "item": NUM_IDS}, {}) for n in USERS]
  inner = best_of([run for run, _ in cases], REPEATS) / STEPS
  outer = best_of([step for _, step in cases], REPEATS)
  return [
    [f"{n:,}", f"{1e3 * i:.2f}", f"{i / inner[0]:.2f}", f"{1e3 * o:.0f}"]
    for n, i, o in zip(USERS, inner, outer, strict=True)
  ]


def throughput() -> list[list]:
  """GFLOP/s of a step on frozen features, counting its matrix products only, and of the machine."""
  frozen = random_features(("user", "item"), NUM_IDS, SIZE)
  run, _ = case({"user": NUM_IDS, "item": NUM_IDS}, frozen)
  widths = (3 * SIZE, 256, 128, 64, 1)
  products = [a * b for a, b in itertools.pairwise(widths)]
  # Forward, gradient of the weights, gradient of the inputs; of the first layer's inputs only the
  # domain embedding is trained, and its gradient is taken with the rest.
  flops = 2 * BATCH * 3 * sum(products)
  square = jnp.asarray(np.random.default_rng(0).normal(size=(SQUARE, SQUARE)), jnp.float32)
  product = jax.jit(jnp.dot)
  jax.block_until_ready(product(square, square))
  step, whole = best_of([run, lambda: product(square, square)], REPEATS) / (STEPS, 1)
  achieved, possible = flops / step / 1e9, 2 * SQUARE**3 / whole / 1e9
  return [
    ["inner step of DN, frozen features", f"{achieved:.0f}", f"{1e3 * step:.2f}"],
    [f"matrix product, {SQUARE} x {SQUARE}", f"{possible:.0f}", f"{1e3 * whole:.2f}"],
    ["ratio", f"{achieved / possible:.2f}", ""],
  ]


def case(num_ids: dict[str, int], frozen: dict):
  """(STEPS inner steps, one outer step) of DN on random rows, both ready to be timed."""
  data = random_batches(num_ids, 1, STEPS, BATCH, frozen)
  vocab = {field: n for field, n in num_ids.items() if field not in frozen} | {"domain": 10}
  goal = objective(MODELS["mlp"](vocab=vocab, embedding_size=SIZE))
  tx, outer = optax.adam(1e-3), optax.sgd(0.1)
  params = goal.init(jax.random.key(0), minibatch(data, 0))
  order = jnp.arange(STEPS)

  def inner(state):
    return descend(jax.random.key(1), *state, data, order, loss=goal.loss, tx=tx)[:2]

  run = carried(inner, (params, tx.init(params)))
  start, end = (tree.copy(run()[0]) for _ in range(2))
  pulled = jax.jit(lambda start, end: pull(start, end, outer.init(start), outer)[0])
  step = lambda: pulled(start, end)
  jax.block_until_ready(step())
  return run, step


if __name__ == "__main__":
  main()
