"""How much specific parameters could add: `python -m results.room_for_deltas WORKDIR`.

Takes the best state of a DN workdir's first run, and fine-tunes a delta of every domain on that
domain alone, for several optimizers, each branch of the parameters and up to EPOCHS passes. Each
domain stops where its own validation AUC is best, at zero passes if nothing helps: more freedom
than any delta has that is trained for all domains alike.
"""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mamdr_jax import experiment, tree
from mamdr_jax.data import pack
from mamdr_jax.descent import descend, visit
from mamdr_jax.evaluate import score
from mamdr_jax.markdown import table
from mamdr_jax.metrics import domain_auc

EPOCHS = 8
OPTIMIZERS = {
  "Adam 1e-4": optax.adam(1e-4),
  "Adam 1e-3": optax.adam(1e-3),
  "SGD 0.01": optax.sgd(0.01),
  "SGD 0.3": optax.sgd(0.3),
}
BRANCHES = {"tables and net": ("tables", "net"), "net": ("net",), "tables": ("tables",)}


def main(workdir: str) -> None:
  loaded, state = experiment.load(Path(workdir))
  splits = [pack(loaded.dataset, split, 1024) for split in ("train", "valid", "test")]
  train = splits[0]

  @jax.jit
  def measure(params):
    served = state._replace(params=params)
    scored = (score(loaded.method, served, split, loaded.objective.predict) for split in splits[1:])
    return [domain_auc(s, split) for s, split in zip(scored, splits[1:], strict=True)]

  start = measure(state.params)
  rows = [["none", "", float(start[0].mean()), float(start[1].mean()), ""]]
  for optimizer, tx in OPTIMIZERS.items():
    for branch, names in BRANCHES.items():

      @jax.jit
      def one_pass(key, delta, opt_state, domain, tx=tx):
        order, length = visit(key, train, domain)
        return descend(
          key, delta, opt_state, train, order,
          loss=loaded.objective.loss, tx=tx, length=length, base=state.params,
        )[:2]  # fmt: skip

      best = [np.array(auc) for auc in start]
      for d in range(len(loaded.dataset.domains)):
        delta = tree.zeros_like({name: state.params[name] for name in names})
        opt_state = tx.init(delta)
        for epoch in range(EPOCHS):
          delta, opt_state = one_pass(jax.random.key(epoch), delta, opt_state, jnp.int32(d))
          valid, test = measure(tree.add(state.params, delta))
          if valid[d] > best[0][d]:
            best[0][d], best[1][d] = valid[d], test[d]
      helped = int((best[0] > np.array(start[0])).sum())
      rows.append([optimizer, branch, float(best[0].mean()), float(best[1].mean()), helped])
      print(rows[-1], file=sys.stderr)
  print(table(["optimizer", "delta on", "valid AUC", "test AUC", "domains helped"], rows))


if __name__ == "__main__":
  main(sys.argv[1])
