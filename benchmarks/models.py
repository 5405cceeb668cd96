"""What the models cost at the paper's sizes, and that a step does not cost more with more domains.

  python -m benchmarks.models

Inputs have Taobao-10's form: given features of users and items, d = 128, and the domain. Columns:
parameters with 10 domains; floating point operations of a forward pass per row, as XLA counts them
for `predict` on a minibatch, before it optimises the program; milliseconds per training step
(B = 1024, Adam, dropout, inside `descend`) with 10 and with 100 domains, and their ratio. A
minibatch has rows of one domain and reads one row of each table of the domains, so that the ratio
should be near 1.
"""

import jax
import optax

from benchmarks.timing import best_of, carried, random_batches, random_features
from mamdr_jax import tree
from mamdr_jax.descent import descend, minibatch
from mamdr_jax.machine import device
from mamdr_jax.markdown import table
from mamdr_jax.models import MODELS
from mamdr_jax.objective import objective

BATCH, SIZE, NUM_IDS, STEPS, REPEATS = 1024, 128, 10_000, 20, 5
FEW, MANY = 10, 100  # domains


def main() -> None:
  print(f"device: {device()}, B = {BATCH}, d = {SIZE}, Adam\n")
  names = ("model", "parameters", "FLOP per row", f"ms per step, {FEW} domains")
  names += (f"ms per step, {MANY} domains", "ratio")
  print(table(names, [row(name) for name in MODELS]))


def row(name: str) -> list:
  few, many = best_of([step(name, d) for d in (FEW, MANY)], REPEATS) / STEPS
  figures = (f"{1e3 * few:.2f}", f"{1e3 * many:.2f}", f"{many / few:.2f}")
  return [name, *(f"{n:,}" for n in size_and_flops(name)), *figures]


def made(name: str, num_domains: int):
  """The objective of a model of the paper's sizes, which are the defaults."""
  return objective(MODELS[name]({"domain": num_domains}))


def batches(num_domains: int):
  """As many minibatches whatever the number of domains."""
  ids = {"user": NUM_IDS, "item": NUM_IDS}
  frozen = random_features(tuple(ids), NUM_IDS, SIZE)
  return random_batches(ids, num_domains, MANY // num_domains, BATCH, frozen)


def size_and_flops(name: str) -> tuple[int, int]:
  """Parameters, and operations of the forward pass of a minibatch over its rows."""
  model, batch = made(name, FEW), minibatch(batches(FEW), 0)
  params = jax.eval_shape(model.init, jax.random.key(0), batch)
  counted = jax.jit(model.predict).lower(params, batch).cost_analysis()["flops"]
  return tree.size(params), round(counted / BATCH)


def step(name: str, num_domains: int):
  """STEPS training steps over minibatches of all domains, shuffled, ready to be timed."""
  model, data, tx = made(name, num_domains), batches(num_domains), optax.adam(1e-3)
  params = jax.jit(model.init)(jax.random.key(0), minibatch(data, 0))
  order = jax.random.permutation(jax.random.key(1), data.batch.domain.size)[:STEPS]

  def descent(state):
    return descend(jax.random.key(2), *state, data, order, loss=model.loss, tx=tx)[:2]

  return carried(descent, (params, tx.init(params)))


if __name__ == "__main__":
  main()
