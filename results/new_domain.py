"""What serves a new domain of few rows and of many: results/new_domain.md.

python -m results.new_domain OUT [--amazon=FOLDER] [--epinions=FILE] [--no-synthetic]

Of a data set one domain is left out, a model is trained on the others, and the domain is added with
some of its rows. OUT gets the runs, and for each set a table and a picture. The synthetic set needs
no files.
"""

import argparse
import sys
import time
from pathlib import Path

import ml_collections
import numpy as np

from mamdr_jax import configure, experiment, files, serve
from mamdr_jax.assembly import read_data
from mamdr_jax.data import SPLITS, Dataset
from mamdr_jax.data.dataset import unmeasured
from mamdr_jax.markdown import table
from mamdr_jax.report.canvas import drawing, shade
from mamdr_jax.serve import adding

SIZES = (50, 200, 1000, 0)  # rows to train and to validate on, three to one; 0: all
SEEDS = (0, 1)  # of which rows, and of the runs
ALPHA, GAMMA = (1e-2, 3e-3, 1e-3), (0.1, 0.5, 1.0)  # validation chooses, for each method
TRAINING = {"batch_size": 256, "epochs": 40, "patience": 5, "beta": 0.5, "gamma": 0.1}
MODEL = {"embedding_size": 16, "hidden": (64, 32), "dropout": 0.2}
ONE_IN = 4  # of the users of epinions, of whom there are 18,564, so many have their ratings kept
BASE, METHOD = "mamdr", {"visit_steps": 5, "k": 3}  # of the model that the domain is added to
WAYS = ("θ_S alone", "fine-tuned", "DR", "MAMDR on all", "alone")


def synthetic(path) -> Dataset:
  """Ten domains, the shape of Taobao-10."""
  config = configure.make("synthetic-taobao10", "mlp", "mamdr")
  config.data.update(features="ids", num_users=6000, num_items=3000)
  return read_data(config)


def amazon(path) -> Dataset:
  config = configure.make("amazon-small", "mlp", "mamdr")
  config.data.root = path
  return read_data(config)


def epinions(path) -> Dataset:
  """Some users' ratings of items of all categories that still have rows of both labels to train,
  validate and test on; 4 and 5 are positives, lower ones negatives."""
  config = configure.make("table", "mlp", "mamdr")
  config.data.update(path=path, domain="category", rating="rating", positive_from=4.0)
  config.data.negatives = "rated"
  dataset = read_data(config)
  some = np.random.default_rng(0).random(len(dataset.vocab["user"])) < 1 / ONE_IN
  dataset = restricted(dataset, some[dataset.ids["user"]])
  bad = np.any([unmeasured(dataset, split) for split in SPLITS], axis=0)
  return restricted(dataset, ~bad[dataset.domain])


SETS = {"synthetic": synthetic, "amazon-small": amazon, "epinions": epinions}
# A name, or which from the largest on.
LEFT_OUT = {"synthetic": 4, "amazon-small": "Luxury_Beauty", "epinions": 8}


def restricted(dataset: Dataset, keep: np.ndarray) -> Dataset:
  """The rows in `keep: [n] bool`, with the domains and ids that they have."""
  ids, vocab = {}, {}
  for field, column in dataset.ids.items():
    there, ids[field] = np.unique(column[keep], return_inverse=True)
    vocab[field] = dataset.vocab[field][there]
  there, domain = np.unique(dataset.domain[keep], return_inverse=True)
  return dataset._replace(
    ids={field: column.astype(np.int32) for field, column in ids.items()},
    dense={field: column[keep] for field, column in dataset.dense.items()},
    label=dataset.label[keep],
    domain=domain.astype(np.int32),
    split=dataset.split[keep],
    domains=tuple(dataset.domains[d] for d in there),
    vocab=vocab,
    truth=None,
    notes=(),
  )


def some_rows(dataset: Dataset, domain: int, size: int, seed: int) -> np.ndarray:
  """Rows of a domain, so many to train and validate on, and all to test on: [n] bool."""
  of_domain = dataset.domain == domain
  if not size:
    return of_domain
  keep, rng = of_domain & (dataset.split == SPLITS.index("test")), np.random.default_rng(seed)
  for split, share in (("train", 0.75), ("valid", 0.25)):
    rows = np.flatnonzero(of_domain & (dataset.split == SPLITS.index(split)))
    for label in (0, 1):  # in their proportion, and one at least
      with_label = rng.permutation(rows[dataset.label[rows] == label])
      keep[with_label[: max(1, round(share * size * with_label.size / rows.size))]] = True
  return keep


def config_of(method: str, seed: int, **sweep) -> ml_collections.ConfigDict:
  """A config whose data are given beside."""
  config = configure.make("table", "mlp", method)
  config.data.path = "given"
  config.model.update(MODEL)
  config.update(TRAINING | {"seed": seed})
  config.sweep.update(sweep)
  config.method.update({name: value for name, value in METHOD.items() if name in config.method})
  return config


def chosen(config, folder: Path, dataset: Dataset, name: str) -> float:
  """The test AUC of a domain, of the run that validation chooses."""
  runs = experiment.run(config, folder, dataset=dataset)["runs"]
  return max(runs, key=lambda run: run["valid"]["mean_auc"])["test"]["auc"][name]


def measured(dataset: Dataset, domain: int, out: Path) -> dict[tuple[int, str], np.ndarray]:
  """(rows, way) -> test AUC of the domain by seed; and of "seconds" what adding it took with DR."""
  found, name = {}, dataset.domains[domain]
  for seed in SEEDS:
    folder = out / f"seed{seed}"
    others = restricted(dataset, dataset.domain != domain)
    experiment.run(config_of(BASE, seed, alpha=ALPHA[:2]), folder / "others", dataset=others)
    model = serve.load(folder / "others" / files.MODEL)
    for size in SIZES:
      keep = some_rows(dataset, domain, size, seed)
      rows, here = restricted(dataset, keep), folder / str(size)
      plan = {"alpha": ALPHA, "gamma": GAMMA, "seed": seed}
      began = time.monotonic()
      helped = adding.add(model.stored, rows, others, **plan)
      seconds = time.monotonic() - began
      tuned = adding.add(model.stored, rows, **plan)
      of = lambda told: told["auc"]["test"][told["serves"]]
      whole = restricted(dataset, keep | (dataset.domain != domain))
      auc = {
        "θ_S alone": helped.told["auc"]["test"]["shared"],
        "fine-tuned": of(tuned.told),
        "DR": of(helped.told),
        "MAMDR on all": chosen(config_of(BASE, seed, alpha=ALPHA[:2]), here / "all", whole, name),
        "alone": chosen(config_of("alternate", seed, alpha=ALPHA), here / "alone", rows, name),
        "seconds": seconds,
      }
      print(seed, size, auc, file=sys.stderr)
      for way, value in auc.items():
        found.setdefault((size, way), []).append(value)
  return {key: np.array(values) for key, values in found.items()}


def left_out(dataset: Dataset, which: str | int) -> int:
  """The number of a domain, by name or by its place from the largest measurable one on."""
  if isinstance(which, str):
    return dataset.domains.index(which)
  size = np.bincount(dataset.domain, minlength=len(dataset.domains))
  bad = sum(unmeasured(dataset, split) for split in SPLITS)
  return int(np.argsort(np.where(bad, 0, -size), kind="stable")[which])


def shown(name: str, dataset: Dataset, domain: int, found: dict, out: Path) -> None:
  """Prints and keeps the table of a set, and draws it."""
  total = int((some_rows(dataset, domain, 0, 0) & (dataset.split < 2)).sum())
  sizes = [f"{size:,}" if size else f"all {total:,}" for size in SIZES]
  cell = lambda x: f"{x.mean():.3f} ± {x.std(ddof=1) if x.size > 1 else 0:.3f}"
  rows = [[way, *(cell(found[size, way]) for size in SIZES)] for way in WAYS]
  rows.append(["seconds to add it with DR", *(f"{found[s, 'seconds'].mean():.1f}" for s in SIZES)])
  made = table([f"{name}: {dataset.domains[domain]}", *sizes], rows)
  print(f"{made}\n")
  (out / f"{name}.md").write_text(made + "\n", encoding="utf-8")
  with drawing(out / f"{name}.png", (6, 4)) as (figure, axes):
    at = np.arange(len(SIZES))
    for i, way in enumerate(WAYS):
      mean = [found[size, way].mean() for size in SIZES]
      spread = [found[size, way].std() for size in SIZES]
      color = shade(i / (len(WAYS) - 1))
      axes.errorbar(at + (i - 2) / 25, mean, spread, marker="os^vD"[i], color=color, label=way)
    axes.set_xticks(at, sizes)
    axes.set(xlabel="rows of the new domain", ylabel="test AUC", title=name)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", frameon=False)


def main(out: str, paths: dict[str, str]) -> None:
  """Measures the sets of which there are paths; the synthetic one needs none."""
  for name, path in paths.items():
    dataset = SETS[name](path)
    domain, folder = left_out(dataset, LEFT_OUT[name]), Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    shown(name, dataset, domain, measured(dataset, domain, folder / name), folder)


if __name__ == "__main__":
  parser = argparse.ArgumentParser()
  parser.add_argument("out", help="folder for the runs, tables and pictures")
  parser.add_argument("--amazon", help="folder of the categories' files")
  parser.add_argument("--epinions", help="file of ratings with user, item, category and rating")
  parser.add_argument("--no-synthetic", action="store_true", help="leave out the synthetic set")
  given = parser.parse_args()
  there = {"synthetic": not given.no_synthetic and "none", "amazon-small": given.amazon}
  there |= {"epinions": given.epinions}
  main(given.out, {name: path for name, path in there.items() if path})
