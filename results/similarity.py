"""How alike the gradients of domains are: `python -m results.similarity WORKDIR OUT.json`.

Of the best run of an experiment, at the mean of what serves the domains: the cosine of the
gradients of two domains, each on some of its training minibatches. OUT is what
`method.similarity` takes, [D][D].
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from mamdr_jax import again, results, tree
from mamdr_jax.data import pack
from mamdr_jax.descent import gather
from mamdr_jax.files import RESULT, write_json
from mamdr_jax.markdown import table
from mamdr_jax.theory.conflict import cosines, domain_gradients, gram, narrow

MINIBATCHES = 8  # of each domain, over which inner products are averaged


def similarity(workdir: Path) -> tuple[tuple[str, ...], np.ndarray]:
  """(names of domains, cosines [D, D])."""
  result = results.read(workdir / RESULT)
  run, config = again.best_run(result), again.described(workdir)["config"]
  experiment, state = again.load(workdir, run, trust=True)
  train = pack(experiment.dataset, "train", config["batch_size"], own=experiment.method.own)
  serve, num = experiment.method.params, train.start.size
  total = serve(state, 0)
  for domain in range(1, num):
    total = tree.add(total, serve(state, domain))
  mean = jax.tree.map(lambda x: x / num, total)

  @jax.jit
  def products(turn):
    batches = gather(train, train.start + turn % train.count)
    part, read = narrow(mean, batches)
    return gram(domain_gradients(experiment.objective.loss, part, jax.random.key(0), read))

  summed = sum(products(jnp.int32(turn)) for turn in range(MINIBATCHES))
  return experiment.dataset.domains, np.asarray(cosines(summed))


def main(workdir: Path, out: Path) -> None:
  domains, found = similarity(workdir)
  rows = [[d, *(f"{x:.2f}" for x in row)] for d, row in zip(domains, found, strict=True)]
  print(table(["domain", *domains], rows))
  write_json(out, [[round(float(x), 4) for x in row] for row in found])


if __name__ == "__main__":
  parser = argparse.ArgumentParser()
  for argument in ("workdir", "out"):
    parser.add_argument(argument, type=Path)
  main(**vars(parser.parse_args()))
