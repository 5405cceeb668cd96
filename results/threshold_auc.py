"""How far AUC from 500 thresholds is from the exact one: `python -m results.threshold_auc WORKDIR`.

Prints both for every domain of the test split, scored by the best state of the workdir's first run.
"""

import sys

import jax
import numpy as np

from mamdr_jax import experiment
from mamdr_jax.data import pack
from mamdr_jax.evaluate import score
from mamdr_jax.markdown import table
from mamdr_jax.metrics import domain_auc

BATCH_SIZE, NUM_THRESHOLDS = 1024, 500


def threshold_auc(probability: np.ndarray, label: np.ndarray) -> float:
  """Trapezoids under the ROC curve at thresholds evenly spaced in (0, 1), and both ends."""
  edges = np.concatenate([[-1.0], np.linspace(0, 1, NUM_THRESHOLDS)[1:-1], [2.0]])
  rates = [
    1 - np.searchsorted(np.sort(probability[label == c]), edges, "right") / (label == c).sum()
    for c in (0, 1)
  ]
  return float(np.trapezoid(rates[1][::-1], rates[0][::-1]))


def main(workdir: str) -> None:
  loaded, state = experiment.load(workdir, trust=True)
  train, test = (pack(loaded.dataset, split, BATCH_SIZE) for split in ("train", "test"))

  @jax.jit
  def scored():
    return score(loaded.serving(state, train).predict, test)

  logits = scored()
  exact = domain_auc(logits, test)
  rows = []
  for d, name in enumerate(loaded.dataset.domains):
    real = (np.asarray(test.batch.domain) == d)[:, None] & (np.asarray(test.batch.weight) > 0)
    probability, label = jax.nn.sigmoid(logits)[real], test.batch.label[real]
    rough = threshold_auc(np.asarray(probability), np.asarray(label))
    rows.append([name, float(exact[d]), rough, f"{rough - float(exact[d]):+.5f}"])
  print(table(["domain", "exact", f"{NUM_THRESHOLDS} thresholds", "difference"], rows))


if __name__ == "__main__":
  main(*sys.argv[1:])
