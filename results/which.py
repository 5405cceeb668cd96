"""The ways to train, setting by setting: `python -m results.which OUT NAME=STUDY ...`.

A STUDY is what the second command of `configs/fair.py` leaves. OUT gets which.md: how far each way
is above alternate training in every setting, and for each setting a row a way: test AUC at the
rates that the search chose, over replicates, with the epoch that is best for the mean of the
domains, and with one chosen for each domain by its own validation AUC; the difference to alternate
training, tested over replicates and domains; what a run took. And gains.png: each way's gain over
alternate training in every domain against the rows that the domain has.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.ticker import NullLocator

from mamdr_jax.files import RESULT, write_aside
from mamdr_jax.markdown import table
from mamdr_jax.report import cells, files, names
from mamdr_jax.report.canvas import drawing, style
from mamdr_jax.report.cells import Cell
from mamdr_jax.report.measures import over_runs as measured
from mamdr_jax.report.names import method_name
from mamdr_jax.report.results import baselines, over_runs
from mamdr_jax.report.significance import holm, paired
from mamdr_jax.report.tables import POPULARITY, bold, count, rates_of, spread

BASE = "alternate"
SHOWN = ("separate", "alternate+finetune", "domain_negotiation", "mamdr", "mamdr+finetune")
LINEAR = 0.02  # gains up to so much are drawn to scale, larger ones by their logarithm
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2)  # of the picture, at whose edge those beyond the last are


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
  plain, weighted = (spread(over_runs(simple, "test", f"{x}_auc")) for x in ("mean", "weighted"))
  return [*rows, [POPULARITY, "", plain, "", weighted, *[""] * 8]]


def summary(settings: dict[str, list[Cell]]) -> str:
  """A row a way, a column a setting: its test AUC over that of alternate training."""
  ways = names.order((cell.method for found in settings.values() for cell in found),
                     names.METHOD_TITLES)  # fmt: skip
  columns = []
  for found in settings.values():
    of = {cell.method: over_runs(cell.runs, "test", "mean_auc").mean() for cell in found}
    gains = np.array([of.get(way, np.nan) - of[BASE] for way in ways])
    columns.append(bold(["" if np.isnan(x) else f"{x:+.4f}" for x in gains], gains))
  header = ["way to train", *settings]
  return table(header, [[method_name(w), *texts] for w, *texts in zip(ways, *columns, strict=True)])


def main(out: Path, studies: dict[str, Path]) -> None:
  """Prints and keeps the tables, and draws the gains."""
  settings, tested, blocks = {}, {}, []
  header = ("way to train", "rates α, β, γ", "test AUC", "an epoch a domain", "weighted", "GAUC")
  header += ("RANK", "over alternate", "p", "passes an epoch", "epochs", "s a run", "capped")
  for name, study in studies.items():
    found = read(study)
    settings[name] = cells.cells_of(found)
    tested[name] = next(iter(found.values()))["tested"]["rows"]
    reads = {label.split("/")[0]: result["rates"] for label, result in found.items()}
    blocks.append(f"## {name}\n\n{table(header, rows_of(study, settings[name], reads))}")
  text = "\n\n".join([summary(settings), *blocks])
  print(text)
  out.mkdir(parents=True, exist_ok=True)
  write_aside(out / "which.md", lambda path: path.write_text(text + "\n", encoding="utf-8"))
  draw(settings, tested, out / "gains.png")


def draw(settings: dict[str, list[Cell]], tested: dict[str, dict], path: Path) -> None:
  """A panel a way, a point a domain of any setting: its gain against the domain's test rows."""
  ticks = [-tick for tick in reversed(TICKS)] + [0, *TICKS]
  with drawing(path, (13, 8), panels=3, rows=2) as (_, panels):
    for way, axes in zip(SHOWN, panels.flat, strict=False):
      axes.axhline(0, color="grey", linewidth=1)
      for i, (name, found) in enumerate(settings.items()):
        base = next(cell for cell in found if cell.method == BASE)
        rows = np.array([tested[name][domain] for domain in base.domains])
        gain = next((c.auc() - base.auc() for c in found if c.method == way), rows * np.nan)
        look = style(i) | {"linestyle": ""}
        gain = np.clip(gain, -TICKS[-1], TICKS[-1])
        axes.plot(rows, gain, marker="o", markersize=5, alpha=0.8, label=name, **look)
      axes.set(xscale="log", title=method_name(way), xlabel="test rows of the domain")
      axes.set_yscale("symlog", linthresh=LINEAR)
      axes.set(ylim=(-TICKS[-1], TICKS[-1]))
      axes.set_yticks(ticks, [f"{tick:+g}" for tick in ticks])
      axes.yaxis.set_minor_locator(NullLocator())
      axes.grid(alpha=0.3)
    for axes in panels[:, 0]:
      axes.set_ylabel("test AUC over alternate training's")
    handles, labels = axes.get_legend_handles_labels()
    panels.flat[-1].axis("off")
    panels.flat[-1].legend(handles, labels, loc="center", frameon=False)


if __name__ == "__main__":
  parser = argparse.ArgumentParser()
  parser.add_argument("out", type=Path)
  parser.add_argument("studies", nargs="+", help="NAME=STUDY")
  given = parser.parse_args()
  pairs = (text.partition("=") for text in given.studies)
  main(given.out, {name: Path(path) for name, _, path in pairs})
