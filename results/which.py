"""The ways to train on one setting: `python -m results.which STUDY OUT`, of `configs/fair.py`.

OUT gets which.md, a row a way to train: test AUC at the rates that the search chose, over
replicates, with the epoch that is best for the mean of the domains, and with one chosen for each
domain by its own validation AUC; the difference to alternate training, tested over replicates and
domains; what a run took. And gains.png: each way's gain over alternate training in every domain
against the rows that the domain has to train on.
"""

import argparse
from pathlib import Path

import numpy as np

from mamdr_jax.files import RESULT, write_aside
from mamdr_jax.markdown import table
from mamdr_jax.report import cells, files
from mamdr_jax.report.canvas import drawing, style
from mamdr_jax.report.cells import Cell
from mamdr_jax.report.measures import over_runs as measured
from mamdr_jax.report.names import method_name
from mamdr_jax.report.results import baselines, over_runs
from mamdr_jax.report.significance import holm, paired
from mamdr_jax.report.tables import bold, count, rates_of, spread

BASE = "alternate"
SHOWN = ("separate", "alternate+finetune", "domain_negotiation", "mamdr", "mamdr+finetune")


def read(study: Path) -> dict[str, dict]:
  """METHOD/REPLICATE -> result, of those that have ended; ValueError if there is none."""
  paths = sorted(study.glob("*/*/" + RESULT))
  if not paths:
    raise ValueError(f"{study}: no replicate has ended; see configs/fair.py")
  return {"/".join(path.parts[-3:-1]): files.read(path.parent) for path in paths}


def by_domain(study: Path, cell: Cell) -> np.ndarray:
  """Mean test AUC of each run with the epoch of each domain's best validation AUC: [runs]."""
  found = []
  for run in cell.runs:
    lines = files.read_metrics(study / run["experiment"])
    valid, test = ([line[split]["auc"][0] for line in lines] for split in ("valid", "test"))
    valid, test = (np.array(auc, float) for auc in (valid, test))  # [E, D]
    there = ~np.isnan(valid).all(0) & ~np.isnan(test).all(0)
    best = np.nanargmax(np.where(np.isnan(valid), -1, valid), 0)
    found.append(np.take_along_axis(test, best[None], 0)[0][there].mean())
  return np.array(found)


def capped(cell: Cell) -> int:
  """How many of its runs the last epoch ended, not patience."""
  return sum(not run["stopped"] for run in cell.runs)


def rows_of(study: Path, found: list[Cell], reads: dict[str, list]) -> list[list[str]]:
  """A row a way to train, with the rates that it `reads`, and one of item popularity."""
  base = next(cell for cell in found if cell.method == BASE)
  tests = {cell.method: paired(cell, base) for cell in found if cell is not base}
  adjusted = holm([test.pvalue for test in tests.values()])
  against = {
    method: [f"{test.difference:+.4f}", f"{p:.2g}"]
    for (method, test), p in zip(tests.items(), adjusted, strict=True)
  }
  columns = [
    [over_runs(cell.runs, "test", "mean_auc") for cell in found],
    [by_domain(study, cell) for cell in found],
    [over_runs(cell.runs, "test", "weighted_auc") for cell in found],
    [measured(cell, "gauc") for cell in found],
  ]
  texts = [bold([*map(spread, column)], [x.mean() for x in column]) for column in columns]
  rows = []
  for cell, rank, *told in zip(found, cells.average_ranks(found), *texts, strict=True):
    rates = ", ".join(rates_of({"rates": reads[cell.method]}, cell.runs))
    mean = lambda key, cell=cell: np.mean([run[key] for run in cell.runs])
    cost = [count(mean("passes")), f"{mean('epochs'):.0f}", f"{mean('seconds'):.0f}"]
    compared = against.get(cell.method, ["", ""])
    rows.append([method_name(cell.method), rates, *told, f"{rank:.2f}", *compared, *cost,
                 f"{capped(cell)} of {len(cell.runs)}"])  # fmt: skip
  simple = baselines(found[0].runs)
  mean, weighted = (spread(over_runs(simple, "test", f"{x}_auc")) for x in ("mean", "weighted"))
  return [*rows, ["item popularity", "", mean, "", weighted, *[""] * 8]]


def main(study: Path, out: Path) -> None:
  """Prints and keeps the table, and draws the gains."""
  found = read(study)
  ways = cells.cells_of(found)
  header = ("way to train", "rates α, β, γ", "test AUC", "an epoch a domain", "weighted", "GAUC")
  header += ("RANK", "over alternate", "p", "passes an epoch", "epochs", "s a run", "capped")
  reads = {name.split("/")[0]: result["rates"] for name, result in found.items()}
  text = table(header, rows_of(study, ways, reads))
  print(text)
  out.mkdir(parents=True, exist_ok=True)
  write_aside(out / "which.md", lambda path: path.write_text(text + "\n", encoding="utf-8"))
  draw(ways, next(iter(found.values()))["tested"]["rows"], out / "gains.png")


def draw(ways: list[Cell], tested: dict[str, int], path: Path) -> None:
  """A point a domain and way: its test AUC over alternate training's, against its test rows."""
  base = next(cell for cell in ways if cell.method == BASE)
  size = np.array([tested[name] for name in base.domains])
  order = np.argsort(size)
  with drawing(path, (8, 4.5)) as (figure, axes):
    axes.axhline(0, color="grey", linewidth=1)
    for i, cell in enumerate(cell for cell in ways if cell.method in SHOWN):
      gain = cell.auc() - base.auc()
      axes.semilogx(
        size[order], gain[order], marker="o", label=method_name(cell.method), **style(i)
      )
    axes.set(xlabel="test rows of the domain", ylabel="test AUC over alternate training's")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", frameon=False)


if __name__ == "__main__":
  parser = argparse.ArgumentParser()
  parser.add_argument("study", type=Path)
  parser.add_argument("out", type=Path)
  main(**vars(parser.parse_args()))
