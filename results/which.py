"""The ways to train, setting by setting.

  python -m results.which keep STUDY results/which/NAME.csv
  python -m results.which tell OUT results/which/*.csv

A STUDY is what the second command of `configs/fair.py` leaves. `keep` makes a table of what it
measured, a row a way to train, replicate and domain. `tell` prints, and keeps as which.md in OUT,
how far each way is above alternate training in every setting, and for each setting a row a way:
test AUC at the rates that the search chose, over replicates, with the epoch that is best for the
mean of the domains, and with one chosen for each domain by its own validation AUC; the difference
to alternate training, tested over replicates and domains; what a run took. And it draws gains.png:
each way's gain in every domain against the rows that the domain has.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.ticker import NullLocator

from mamdr_jax.files import RESULT, write_aside, write_text
from mamdr_jax.markdown import table
from mamdr_jax.measures import BY_DOMAIN, MEASURES
from mamdr_jax.report import files, names
from mamdr_jax.report.canvas import drawing, style
from mamdr_jax.report.cells import Cell, average_ranks
from mamdr_jax.report.names import method_name
from mamdr_jax.report.significance import holm, paired
from mamdr_jax.report.tables import NONE, POPULARITY, bold, count, rate, spread

BASE, SIMPLE = "alternate", "popularity"
SHOWN = ("separate", "alternate+finetune", "domain_negotiation", "mamdr", "mamdr+finetune")
LINEAR = 0.02  # gains up to so much are drawn to scale, larger ones by their logarithm
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2)  # of the picture, at whose edge those beyond the last are
# What is also compared with each other, each pair by itself.
PAIRS = (("mamdr+finetune", "alternate+finetune"), ("mamdr", "domain_negotiation"))
RATES = ["alpha", "beta", "gamma"]
OF_RUN = [*RATES, "passes", "epochs", "seconds", "capped"]


def kept(study: Path) -> pd.DataFrame:
  """What a study measured, a row a way, replicate and domain; ValueError if nothing has ended."""
  paths = sorted(study.glob("*/*/" + RESULT))
  if not paths:
    raise ValueError(f"{study}: no replicate has ended; see configs/fair.py")
  frames, simple = [], {}
  for path in paths:
    result = files.read(path.parent)
    (run,), (way, replicate) = result["runs"], path.parts[-3:-1]
    test, rows = run["test"], result["tested"]["rows"]
    frame = pd.DataFrame({"domain": list(test["auc"])})
    frame["rows"] = [rows[domain] for domain in test["auc"]]
    simple.setdefault(
      replicate, frame.assign(auc=list(result["baselines"]["test"]["auc"].values()))
    )
    frame["auc"] = list(test["auc"].values())
    frame["auc_epoch_a_domain"] = by_domain(path.parent)
    gauc = test[MEASURES]["gauc"][BY_DOMAIN]
    frame["gauc"] = [gauc.get(domain) for domain in test["auc"]]
    told = {name: run[name] if name in result["rates"] else None for name in RATES}
    told |= {name: run[name] for name in ("passes", "epochs", "seconds")}
    frame = frame.assign(**told, capped=int(not run["stopped"]))
    frames.append(frame.assign(way=way, replicate=replicate))
  frames += [frame.assign(way=SIMPLE, replicate=r) for r, frame in simple.items()]
  columns = ["way", "replicate", "domain", "rows", "auc", "auc_epoch_a_domain", "gauc", *OF_RUN]
  return pd.concat(frames)[columns]


def by_domain(workdir: Path) -> np.ndarray:
  """Test AUC of a run with the epoch of each domain's best validation AUC: [D]."""
  lines = files.read_metrics(workdir)
  valid, test = ([line[split]["auc"][0] for line in lines] for split in ("valid", "test"))
  valid, test = (np.array(auc, float) for auc in (valid, test))  # [E, D]
  best = np.argmax(np.where(np.isnan(valid), -1, valid), 0)
  return np.take_along_axis(test, best[None], 0)[0]


def means(frame: pd.DataFrame, column: str, weight: str | None = None) -> np.ndarray:
  """The mean over domains that have a number, of each replicate: [S]."""
  frame = frame.dropna(subset=column)
  weights = frame[weight] if weight else pd.Series(1.0, frame.index)
  of = lambda values: values.groupby(frame["replicate"]).sum()
  return (of(frame[column] * weights) / of(weights)).to_numpy()


def cell_of(way: str, frame: pd.DataFrame) -> Cell:
  """A way to train as the tables and tests of a report have it."""
  runs = [
    {"seed": replicate, "test": {"auc": dict(zip(of["domain"], of["auc"], strict=True)),
                                 "mean_auc": of["auc"].mean()}}
    for replicate, of in frame.groupby("replicate")
  ]  # fmt: skip
  return Cell("", "", way, 1, {}, runs)


def rows_of(ways: dict[str, pd.DataFrame]) -> list[list[str]]:
  """A row a way to train, and one of item popularity."""
  found = [cell_of(way, frame) for way, frame in ways.items() if way != SIMPLE]
  base = next(cell for cell in found if cell.method == BASE)
  tests = {cell.method: paired(cell, base) for cell in found if cell is not base}
  adjusted = dict(zip(tests, holm([test.pvalue for test in tests.values()]), strict=True))
  columns = [
    [means(ways[cell.method], *column) for cell in found]
    for column in (("auc",), ("auc_epoch_a_domain",), ("auc", "rows"), ("gauc",))
  ]
  texts = [bold([*map(spread, column)], [x.mean() for x in column]) for column in columns]
  rows = []
  for cell, rank, *told in zip(found, ranks_of(found), *texts, strict=True):
    runs = ways[cell.method].groupby("replicate")[OF_RUN].first()
    rates = ", ".join(NONE if runs[r].isna().any() else rate(runs[r].iloc[0]) for r in RATES)
    cost = [count(runs["passes"].mean()), *(f"{runs[x].mean():.0f}" for x in ("epochs", "seconds"))]
    compared = ["", ""]
    if cell is not base:
      compared = [f"{tests[cell.method].difference:+.4f}", f"{adjusted[cell.method]:.2g}"]
    rows.append([method_name(cell.method), rates, *told, rank, *compared, *cost,
                 f"{runs['capped'].sum():.0f} of {len(runs)}"])  # fmt: skip
  if SIMPLE in ways:
    plain, weighted = (spread(means(ways[SIMPLE], "auc", of)) for of in (None, "rows"))
    rows.append([POPULARITY, "", plain, "", weighted, *[""] * 8])
  return rows


def ranks_of(cells: list[Cell]) -> list[str]:
  """RANK by the mean over replicates, ± its deviation where each replicate is ranked by itself."""
  seeds = set.intersection(*({run["seed"] for run in cell.runs} for cell in cells))
  only = lambda cell, seed: cell._replace(runs=[run for run in cell.runs if run["seed"] == seed])
  apart = np.array([average_ranks([only(cell, seed) for cell in cells]) for seed in seeds])
  deviation = apart.std(0, ddof=1) if len(seeds) > 1 else [np.nan] * len(cells)
  return [f"{r:.2f} ± {d:.2f}" for r, d in zip(average_ranks(cells), deviation, strict=True)]


def pairs_of(ways: dict[str, pd.DataFrame]) -> str:
  """A sentence a pair: how far the one is above the other."""
  told = []
  for pair in PAIRS:
    if not set(pair) <= ways.keys():
      continue
    test = paired(*(cell_of(way, ways[way]) for way in pair))
    first, second = map(method_name, pair)
    won = f"above it in {test.domains_won} of {test.domains} domains"
    told.append(f"{first} less {second}: {test.difference:+.4f}, p = {test.pvalue:.2g}, {won}.")
  return "\n".join(told)


def summary(settings: dict[str, dict]) -> str:
  """A row a way, a column a setting: its test AUC over that of alternate training.

  And the mean of the settings, and the least of them, of ways that are in all.
  """
  ways = ordered(way for of in settings.values() for way in of if way != SIMPLE)
  gains = []
  for of in settings.values():
    auc = {way: means(frame, "auc").mean() for way, frame in of.items()}
    gains.append([auc.get(way, np.nan) - auc[BASE] for way in ways])
  gains = np.array(gains)
  columns = [
    bold(["" if np.isnan(x) else f"{x:+.4f}" for x in of], of)
    for of in (*gains, gains.mean(0), gains.min(0))
  ]
  header = ["way to train", *settings, "mean", "least"]
  return table(header, [[method_name(w), *texts] for w, *texts in zip(ways, *columns, strict=True)])


def ordered(ways) -> list[str]:
  """Each once, in the order of the tables."""
  return names.order(ways, names.METHOD_TITLES)


def read(path: Path) -> dict[str, pd.DataFrame]:
  """way -> its rows, of a table that `keep` has made."""
  whole = pd.read_csv(path, dtype={"domain": str, "replicate": str})
  of = dict(iter(whole.groupby("way")))
  return {
    way: of[way] for way in [*ordered(way for way in of if way != SIMPLE), SIMPLE] if way in of
  }


def tell(out: Path, paths: list[Path]) -> None:
  """Prints and keeps the tables, and draws the gains."""
  header = ("way to train", "rates α, β, γ", "test AUC", "an epoch a domain", "weighted", "GAUC")
  header += ("RANK", "over alternate", "p", "passes an epoch", "epochs", "s a run", "capped")
  settings = {path.stem.replace("_", " "): read(path) for path in paths}
  blocks = [
    "\n\n".join(filter(None, [f"## {name}", table(header, rows_of(ways)), pairs_of(ways)]))
    for name, ways in settings.items()
  ]
  text = "\n\n".join([summary(settings), *blocks])
  print(text)
  out.mkdir(parents=True, exist_ok=True)
  write_text(out / "which.md", text + "\n")
  draw(settings, out / "gains.png")


def draw(settings: dict[str, dict], path: Path) -> None:
  """A panel a way, a point a domain of any setting: its gain against the domain's test rows."""
  ticks = [-tick for tick in reversed(TICKS)] + [0, *TICKS]
  with drawing(path, (13, 8), panels=3, rows=2) as (_, panels):
    for way, axes in zip(SHOWN, panels.flat, strict=False):
      axes.axhline(0, color="grey", linewidth=1)
      for i, (name, ways) in enumerate(settings.items()):
        auc = {of: ways[of].groupby("domain")["auc"].mean() for of in (way, BASE) if of in ways}
        rows = ways[BASE].groupby("domain")["rows"].first()
        gain = (auc[way] - auc[BASE] if way in auc else rows * np.nan).clip(-TICKS[-1], TICKS[-1])
        look = style(i) | {"linestyle": ""}
        axes.plot(rows, gain[rows.index], marker="o", markersize=5, alpha=0.8, label=name, **look)
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


def main(verb: str, out: Path, paths: list[Path]) -> None:
  if verb == "tell":
    tell(out, paths)
    return
  (study,) = paths
  write = lambda path: kept(study).to_csv(path, index=False, float_format="%.6g")
  out.parent.mkdir(parents=True, exist_ok=True)
  write_aside(out, write)


if __name__ == "__main__":
  parser = argparse.ArgumentParser()
  verbs = parser.add_subparsers(required=True, dest="verb")
  verb = verbs.add_parser("keep")
  verb.add_argument("study", type=Path)
  verb.add_argument("out", type=Path)
  verb = verbs.add_parser("tell")
  verb.add_argument("out", type=Path)
  verb.add_argument("paths", type=Path, nargs="+")
  given = parser.parse_args()
  main(given.verb, given.out, given.paths if given.verb == "tell" else [given.study])
