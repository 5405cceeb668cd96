"""Who wins where: `python -m results.map STUDY OUT`, of a study of `configs/map.py`.

`OUT` gets map.md, a row a cell with every method's mean test AUC at the rates and epochs that
validation chose, the mean over draws of the data, and map.png: in each cell the best way to train,
and those within .002 of it; depth and number say how far it is above alternate training. Ways that
choose an epoch for each domain would gain by a comparison on validation data, so that test data say
which is best.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.patches import Rectangle

from mamdr_jax.files import RESULT, write_text
from mamdr_jax.markdown import table
from mamdr_jax.report.canvas import COLORS, drawing
from mamdr_jax.report.names import method_name
from mamdr_jax.report.results import best_setting
from mamdr_jax.results import read

NEAR = 0.002
BASE = "alternate"


def cells_of(study: Path) -> dict[tuple[str, str], dict[str, float]]:
  """(x, y) -> method -> test AUC, of all cells that are finished.

  Raises:
    ValueError: there is none.
  """
  found, drawn = {}, {}
  for path in sorted(study.glob("*=*/*=*/*/*/" + RESULT)):
    x, y, method = path.relative_to(study).parts[:3]
    drawn.setdefault((x, y, method), []).extend(best_setting(read(path)))
  for (x, y, method), runs in drawn.items():
    auc = float(np.mean([run["test"]["mean_auc"] for run in runs]))
    found.setdefault((x, y), {})[method] = auc
  whole = {cell: of for cell, of in found.items() if BASE in of and len(of) > 1}
  if not whole:
    raise ValueError(f"{study}: no cell with {BASE} and others has ended; see configs/map.py")
  return whole


def winners(of: dict[str, float]) -> list[str]:
  """The best, and those that are near it, best first."""
  order = sorted(of, key=lambda method: -of[method])
  return [method for method in order if of[method] >= of[order[0]] - NEAR]


def number(label: str) -> float:
  """Of "rows=100"."""
  return float(label.partition("=")[2])


def main(study: Path, out: Path) -> None:
  cells = cells_of(study)
  xs, ys = (sorted({cell[i] for cell in cells}, key=number) for i in (0, 1))
  methods = list(dict.fromkeys(method for of in cells.values() for method in of))
  rows = []
  for (x, y), of in sorted(cells.items(), key=lambda item: [number(v) for v in item[0]]):
    told = [f"{of[m]:.4f}" if m in of else "" for m in methods]
    best = ", ".join(map(method_name, winners(of)))
    dials = (text.partition("=")[2] for text in (x, y))
    rows.append([*dials, *told, best, f"{max(of.values()) - of[BASE]:+.4f}"])
  names = [cell.partition("=")[0] for cell in next(iter(cells))]
  header = [*names, *map(method_name, methods), "best", "above alternate"]
  text = table(header, rows)
  print(text)
  out.mkdir(parents=True, exist_ok=True)
  write_text(out / "map.md", text + "\n")
  draw(cells, xs, ys, out / "map.png")


def draw(cells: dict, xs: list[str], ys: list[str], path: Path) -> None:
  """A square a cell, in the colour of who is best, the deeper the further above alternate."""
  methods = list(dict.fromkeys(method for of in cells.values() for method in of))
  gain = {cell: max(of.values()) - of[BASE] for cell, of in cells.items()}
  most = max(0.01, *gain.values())
  with drawing(path, (2.2 * len(xs) + 1, 1.3 * len(ys) + 1)) as (_, axes):
    for (x, y), of in cells.items():
      best, at = winners(of), (xs.index(x), ys.index(y))
      depth = 0.15 + 0.6 * gain[x, y] / most
      axes.add_patch(Rectangle(at, 1, 1, color=COLORS[methods.index(best[0])], alpha=depth, lw=0))
      names = "\n".join(map(method_name, best[:3]))
      told = f"{names}\n{gain[x, y]:+.3f}"
      axes.text(at[0] + 0.5, at[1] + 0.5, told, ha="center", va="center", fontsize=9)
    for set_ticks, labels in ((axes.set_xticks, xs), (axes.set_yticks, ys)):
      set_ticks([i + 0.5 for i in range(len(labels))], [v.partition("=")[2] for v in labels])
    axes.set(xlim=(0, len(xs)), ylim=(0, len(ys)))
    axes.set(xlabel=xs[0].partition("=")[0], ylabel=ys[0].partition("=")[0])
    axes.set_title("best way to train, and its test AUC above alternate training's; synthetic data")


if __name__ == "__main__":
  parser = argparse.ArgumentParser()
  parser.add_argument("study", type=Path)
  parser.add_argument("out", type=Path)
  main(**vars(parser.parse_args()))
