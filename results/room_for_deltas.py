"""How much specific parameters could add: `python -m results.room_for_deltas WORKDIR`.

Takes the best state of a DN workdir's first run, and fine-tunes a delta of every domain on that
domain alone, for several optimizers, each branch of the parameters and up to EPOCHS passes. Each
domain stops where its own validation AUC is best, at zero passes if nothing helps: more freedom
than any delta has that is trained for all domains alike.
"""

import itertools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mamdr_jax import experiment, tree
from mamdr_jax.data import SPLITS, pack
from mamdr_jax.descent import descend
from mamdr_jax.evaluate import measure
from mamdr_jax.markdown import table
from mamdr_jax.methods.domain_negotiation import NegotiationState
from mamdr_jax.schedule import visit
from mamdr_jax.view import view

BATCH_SIZE, EPOCHS = 1024, 8
OPTIMIZERS = {
  "Adam 1e-4": optax.adam(1e-4),
  "Adam 1e-3": optax.adam(1e-3),
  "SGD 0.01": optax.sgd(0.01),
  "SGD 0.3": optax.sgd(0.3),
}
BRANCHES = {"tables and net": ("tables", "net"), "net": ("net",), "tables": ("tables",)}


def main(workdir: str) -> None:
  (dataset, objective, method), state = experiment.load(workdir, trust=True)
  if not isinstance(state, NegotiationState):
    raise ValueError(f"{workdir} holds another method than DN, whose state is expected")
  train, *others = (pack(dataset, split, BATCH_SIZE) for split in SPLITS)
  params, domains = state.params, jnp.arange(len(dataset.domains))

  def with_delta(deltas, domain, rows=None):
    return view(tree.add(params, tree.take(deltas, domain)), rows)

  served = method._replace(params=with_delta)

  @jax.jit
  def measured(deltas):
    """AUC of every domain with its delta, of validation and of test: [2, D]."""
    return jnp.stack([measure(objective, served, deltas, train, s)["auc"] for s in others])

  start = np.asarray(measured({}))
  rows = [["none", "", *map(float, start.mean(1)), ""]]
  for (optimizer, tx), (branch, names) in itertools.product(OPTIMIZERS.items(), BRANCHES.items()):

    @jax.jit
    def one_pass(key, deltas, opt_states, tx=tx):
      def alone(of_domain):
        domain, key, delta, opt_state = of_domain
        visit_key, descent_key = jax.random.split(key)
        order = visit(visit_key, train, domain)
        return descend(
          descent_key, delta, opt_state, train, order,
          loss=objective.loss, tx=tx, length=order.length, base=params,
        )[:2]  # fmt: skip

      keys = jax.random.split(key, domains.size)
      return jax.lax.map(alone, (domains, keys, deltas, opt_states))

    deltas = tree.tile(tree.zeros_like({name: params[name] for name in names}), domains.size)
    opt_states, best = jax.vmap(tx.init)(deltas), start
    for key in jax.random.split(jax.random.key(0), EPOCHS):
      deltas, opt_states = one_pass(key, deltas, opt_states)
      found = np.asarray(measured(deltas))
      best = np.where(found[0] > best[0], found, best)
    rows.append([optimizer, branch, *map(float, best.mean(1)), int((best[0] > start[0]).sum())])
    print(rows[-1], file=sys.stderr)
  print(table(["optimizer", "delta on", "valid AUC", "test AUC", "domains helped"], rows))


if __name__ == "__main__":
  main(*sys.argv[1:])
