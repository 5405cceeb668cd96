"""Test AUC of two experiments, paired by seed and domain: `python -m results.paired A B`.

A and B are workdirs whose best settings ran on the same seeds. Wilcoxon's signed-rank test takes
the pairs as independent, which domains of one seed are not quite. Needs scipy
(requirements-dev.txt brings it).
"""

import sys
from pathlib import Path

from scipy.stats import wilcoxon

from mamdr_jax import record, report


def compare(a: Path, b: Path) -> list:
  """[A − B, mean difference ± its deviation over seeds, seeds won, pairs won, p]."""
  auc = [
    report.over_seeds(report.best_setting(record.read(w / record.RESULT)), "test", "auc")
    for w in (a, b)
  ]
  pairs = auc[0] - auc[1]  # [seeds, D]
  seeds = pairs.mean(1)
  return [
    f"{a.name} − {b.name}",
    f"{seeds.mean():+.4f} ± {seeds.std(ddof=1):.4f}",
    f"{(seeds > 0).sum()} of {seeds.size}",
    f"{(pairs > 0).sum()} of {pairs.size}",
    f"{wilcoxon(pairs.ravel()).pvalue:.1e}",
  ]


if __name__ == "__main__":
  header = ["test AUC", "difference", "seeds won", "seed-domain pairs won", "Wilcoxon p"]
  paths = [Path(argument) for argument in sys.argv[1:]]
  print(report.markdown(header, [compare(paths[i], paths[i + 1]) for i in range(0, len(paths), 2)]))
