"""What an inner step of DN costs: against the length of the tables, and against the machine.

  python -m benchmarks.step

1. Trainable tables of 10⁴, 10⁵ and 10⁶ users, d = 128, B = 1024: milliseconds per inner step. A
   step touches the rows of its batch, so the column should be flat. The outer step, once an epoch,
   does pass over whole tables; it is shown beside.
2. Frozen features: GFLOP/s of an inner step over those of the machine's own matrix product.
"""

import itertools
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mamdr_jax.core import Batch, DomainBatches
from mamdr_jax.descent import descend, minibatch, pull
from mamdr_jax.models import MODELS
from mamdr_jax.objective import objective
from mamdr_jax.record import device
from mamdr_jax.report import markdown

BATCH, SIZE, STEPS, REPEATS = 1024, 128, 60, 5


def main() -> None:
  print(f"device: {device()}, B = {BATCH}, d = {SIZE}, MLP [256, 128, 64], dropout 0.5\n")
  names = ("users", "ms per inner step", "over the first", "ms per outer step")
  print(markdown(names, table_lengths((10_000, 100_000, 1_000_000))))
  print("\n" + markdown(("what", "GFLOP/s", "ms"), throughput()))


def table_lengths(lengths: tuple[int, ...]) -> list[list]:
  """Times the inner and outer step of DN with Adam at each length, lengths interleaved."""
  cases = [_case({"user": n, "item": 10_000}, {}) for n in lengths]
  inner = np.min([[_seconds(run) / STEPS for run, _ in cases] for _ in range(REPEATS)], axis=0)
  outer = np.min([[_seconds(step) for _, step in cases] for _ in range(REPEATS)], axis=0)
  return [
    [f"{n:,}", f"{1e3 * i:.2f}", f"{i / inner[0]:.2f}", f"{1e3 * o:.0f}"]
    for n, i, o in zip(lengths, inner, outer, strict=True)
  ]


def throughput() -> list[list]:
  """GFLOP/s of a step on frozen features, counting its matrix products only, and of the machine."""
  frozen = {field: jnp.asarray(np.random.default_rng(0).normal(size=(10_000, SIZE)), jnp.float32)
            for field in ("user", "item")}  # fmt: skip
  run, _ = _case({"user": 10_000, "item": 10_000}, frozen)
  widths = (3 * SIZE, 256, 128, 64, 1)
  products = [a * b for a, b in itertools.pairwise(widths)]
  # Forward, gradient of the weights, gradient of the inputs; of the first layer's inputs only the
  # domain embedding is trained, and its gradient is taken with the rest.
  flops = 2 * BATCH * 3 * sum(products)
  square = jnp.asarray(np.random.default_rng(0).normal(size=(2048, 2048)), jnp.float32)
  product = jax.jit(jnp.dot)
  both = [
    (_seconds(run) / STEPS, _seconds(lambda: product(square, square))) for _ in range(REPEATS)
  ]
  step, whole = np.min(both, axis=0)
  achieved, possible = flops / step / 1e9, 2 * 2048**3 / whole / 1e9
  return [
    ["inner step of DN, frozen features", f"{achieved:.0f}", f"{1e3 * step:.2f}"],
    ["matrix product, 2048 x 2048", f"{possible:.0f}", f"{1e3 * whole:.2f}"],
    ["ratio", f"{achieved / possible:.2f}", ""],
  ]


def _case(num_ids: dict[str, int], frozen: dict):
  """(STEPS inner steps, one outer step) of DN on random rows, both ready to be timed."""
  rng = np.random.default_rng(0)
  shape = STEPS, BATCH
  ids = {f: jnp.asarray(rng.integers(0, n, shape), jnp.int32) for f, n in num_ids.items()}
  label = jnp.asarray(rng.random(shape) < 0.3, jnp.float32)
  batch = Batch(ids, {}, label, jnp.ones(shape), jnp.zeros(STEPS, jnp.int32))
  data = DomainBatches(batch, jnp.array([0]), jnp.array([STEPS]), frozen)
  vocab = {field: n for field, n in num_ids.items() if field not in frozen} | {"domain": 10}
  goal = objective(MODELS["mlp"](vocab=vocab, embedding_size=SIZE))
  tx, outer = optax.adam(1e-3), optax.sgd(0.1)
  params = goal.init(jax.random.key(0), minibatch(data, 0))
  order = jnp.arange(STEPS)

  # Donated, as `fit` does: the tables are updated where they lie.
  def inner(params, opt_state):
    return descend(jax.random.key(1), params, opt_state, data, order, loss=goal.loss, tx=tx)[:2]

  inner = jax.jit(inner, donate_argnums=(0, 1))
  state = [inner(params, tx.init(params))]
  start = jax.tree.map(jnp.copy, state[0][0])
  outer_step = jax.jit(lambda start, end: pull(start, end, outer.init(start), outer)[0])

  def run():
    state[0] = inner(*state[0])
    return state[0]

  step = lambda: outer_step(start, state[0][0])
  jax.block_until_ready((run(), step()))
  return run, step


def _seconds(run) -> float:
  start = time.perf_counter()
  jax.block_until_ready(run())
  return time.perf_counter() - start


if __name__ == "__main__":
  main()
