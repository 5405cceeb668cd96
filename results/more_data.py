"""More data later: a run that begins from a stored model against one on everything.

python -m results.more_data OUT [--amazon=FOLDER] [--epinions=FILE]

Rows of every domain are parted at random, 60 % that were there first and 40 % that come later. OUT
gets the runs, and for each set a table. The synthetic set needs no files.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from mamdr_jax import experiment, files, serve
from mamdr_jax.baselines import grouped_auc
from mamdr_jax.data import SPLITS, Dataset
from mamdr_jax.data.dataset import num_rows_of
from mamdr_jax.markdown import table
from results.new_domain import ALPHA, BASE, SETS, config_of, restricted

SEEDS = (0, 1)  # of which rows come later, and of the runs
FIRST = 0.6  # of the rows
WAYS = {  # way -> (rows that it is trained on, whether it begins from the first model)
  "the first rows": ("first", False),
  "then the later rows": ("later", True),
  "then all rows": ("all", True),
  "all rows, from scratch": ("all", False),
}


def parts(dataset: Dataset, seed: int) -> dict[str, Dataset]:
  """The rows that were there first, those that come later, and all."""
  first = np.random.default_rng(seed).random(dataset.label.size) < FIRST
  masks = {"first": first, "later": ~first, "all": np.ones_like(first)}
  return {name: restricted(dataset, mask) for name, mask in masks.items()}


def auc_of(model: serve.Model, rows: Dataset) -> float:
  """Mean over domains of the AUC on test rows."""
  test = rows.split == SPLITS.index("test")
  columns = {field: raw[rows.ids[field][test]] for field, raw in rows.vocab.items()}
  score = model.score(columns | {"domain": np.array(rows.domains)[rows.domain[test]]})
  return float(
    np.nanmean(grouped_auc(score, rows.label[test], rows.domain[test], len(rows.domains)))
  )


def measured(dataset: Dataset, out: Path) -> dict[str, np.ndarray]:
  """way -> [seeds, 4]: test AUC on first rows and on later ones, training rows, best epoch."""
  found = {}
  for seed in SEEDS:
    rows = parts(dataset, seed)
    for way, (which, warm) in WAYS.items():
      folder = out / f"seed{seed}" / way.replace(" ", "_").replace(",", "")
      config = config_of(BASE, seed, alpha=ALPHA[:2])
      if warm:
        config.warm_start = str(out / f"seed{seed}" / "the_first_rows" / files.MODEL)
      result = experiment.run(config, folder, dataset=rows[which])
      best = max(result["runs"], key=lambda run: run["valid"]["mean_auc"])
      model = serve.load(folder / files.MODEL)
      worth = [auc_of(model, rows[of]) for of in ("first", "later")]
      one = [*worth, num_rows_of(rows[which], "train").sum(), best["best_epoch"]]
      print(seed, way, one, file=sys.stderr)
      found.setdefault(way, []).append(one)
  return {way: np.array(values) for way, values in found.items()}


def main(out: str, paths: dict[str, str] | None = None) -> None:
  for name, path in ({"synthetic": ""} | (paths or {})).items():
    folder = Path(out)
    found = measured(SETS[name](path), folder / name)
    spread = lambda x: f"{x.mean():.3f} ± {x.std(ddof=1) if x.size > 1 else 0:.3f}"
    rows = [
      [way, spread(x[:, 0]), spread(x[:, 1]), f"{x[:, 2].mean():,.0f}", f"{x[:, 3].mean():.1f}"]
      for way, x in found.items()
    ]
    header = [f"{name}: trained on", "AUC, first rows", "later rows", "training rows", "best epoch"]
    made = table(header, rows)
    print(f"{made}\n")
    (folder / f"{name}.md").write_text(made + "\n", encoding="utf-8")


if __name__ == "__main__":
  parser = argparse.ArgumentParser()
  parser.add_argument("out", help="folder for the runs and tables")
  parser.add_argument("--amazon", help="folder of the categories' files")
  parser.add_argument("--epinions", help="file of ratings with user, item, category and rating")
  given = parser.parse_args()
  there = {"amazon-small": given.amazon, "epinions": given.epinions}
  main(given.out, {name: path for name, path in there.items() if path})
