"""Validation AUC over epochs: of the domains of one cell, and of several methods."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mamdr_jax.distribution import QUANTILES, many, quantiles
from mamdr_jax.report import files, names
from mamdr_jax.report.canvas import COLORS, MOST_BANDS, band, drawing, label, style, whole_epochs
from mamdr_jax.report.cells import Cell, cells_of
from mamdr_jax.report.tables import MEAN

BANDS = (  # of `QUANTILES` the lower and the upper, colour, name
  ("lowest", "highest", "#D6E6F2", "all domains"),
  ("10 %", "90 %", "#A6C9E2", "10 to 90 %"),
  ("25 %", "75 %", "#6FA8D1", "25 to 75 %"),
)


def history(lines: list[dict], runs: Sequence[int], key: str) -> np.ndarray:
  """A validation figure of runs over epochs, from lines of `metrics.jsonl`: [E, R].

  For "auc" it is [E, R, D], or for very many domains [E, R, Q], the `quantiles` over domains. A
  line may hold any of the runs, and an epoch any number of lines. A run that has stopped keeps its
  last value; before its first one it has NaN.
  """
  known = [
    (line["epoch"] - 1, runs.index(run), np.array(value, float))
    for line in lines
    for run, value in zip(line["run"], _by_run(line["valid"][key]), strict=True)
    if run in runs
  ]
  num_epochs = 1 + max((epoch for epoch, _, _ in known), default=0)
  shape = np.shape(_by_run(lines[0]["valid"][key]))[1:]
  values = np.full((num_epochs, len(runs), *shape), np.nan)
  there = np.zeros((num_epochs, len(runs)), bool)
  for epoch, run, value in known:
    values[epoch, run], there[epoch, run] = value, True
  for epoch in range(1, num_epochs):
    stays = ~there[epoch]
    values[epoch, stays] = values[epoch - 1, stays]
  return values


def _by_run(value) -> Sequence:
  """What a line has of a figure, run by run."""
  if isinstance(value, Mapping):  # as `workdir.epochs` writes it
    return np.array([value[name] for name in QUANTILES], float).T
  listed = np.ndim(value) == 2 and many(np.shape(value)[1])
  return quantiles(np.array(value, float)) if listed else value


def followed(cell: Cell, found: Mapping[str, Path], key: str) -> np.ndarray:
  """`history` of the runs of a cell, of whatever experiments: `found` has the folder of each."""
  indices = {}  # of the runs, by experiment
  for run in cell.runs:
    indices.setdefault(run["experiment"], []).append(run["index"])
  parts = [
    history(files.read_metrics(Path(found[name])), runs, key) for name, runs in indices.items()
  ]
  longest = max(map(len, parts))
  tail = lambda part: np.repeat(part[-1:], longest - len(part), 0)
  return np.concatenate([np.concatenate([part, tail(part)]) for part in parts], 1)


def learning_curves(workdir: Path, path: Path | None = None) -> Path:
  """Draws `domain_curves` of a finished experiment, by default as `auc.png` in its workdir."""
  workdir = Path(workdir)
  path = path or workdir / "auc.png"
  (cell,) = cells_of({workdir.name: files.read(workdir)})
  domain_curves(cell, {workdir.name: workdir}, path)
  return path


def domain_curves(cell: Cell, found: Mapping[str, Path], path: Path) -> None:
  """Draws validation AUC per domain over epochs, mean and range over replicates of the best rates.

  The range is left out where there are more than ten domains. Of more than
  `distribution.MOST_LISTED` there are the quantiles over domains only, their means over replicates.

  Args:
    cell: see `cells.choose`.
    found: name of an experiment -> its workdir.
    path: the picture.
  """
  auc = followed(cell, found, "auc")  # [E, replicates, D or Q]
  mean, epochs = auc.mean(1), np.arange(1, len(auc) + 1)
  over_domains = followed(cell, found, "mean_auc").mean(1)
  few = not many(len(cell.domains))
  with drawing(path, (9, max(4.8, 0.27 * len(cell.domains)) if few else 4.8)) as (figure, axes):
    if few:
      for d, name in enumerate(cell.domains):
        axes.plot(epochs, mean[:, d], label=label(name), linewidth=1.4, **style(d))
        if auc.shape[1] > 1 and len(cell.domains) <= MOST_BANDS:
          band(axes, epochs, auc[:, :, d].min(1), auc[:, :, d].max(1), style(d)["color"])
    else:
      of = dict(zip(QUANTILES, mean.T, strict=True))
      for low, high, color, says in BANDS:
        band(axes, epochs, of[low], of[high], color, alpha=1.0, label=says)
      axes.plot(epochs, of["median"], color=COLORS[0], label="median domain")
    axes.plot(epochs, over_domains, color="black", linewidth=2.6, label=MEAN)
    more = "" if few else f", {len(cell.domains):,} domains"
    axes.set(ylabel="validation AUC", title=f"{label(cell.data)}: {label(cell.row)}{more}")
    whole_epochs(axes)
    figure.legend(loc="outside right upper", fontsize="small", frameon=False)


def method_curves(cells: Sequence[Cell], found: Mapping[str, Path], path: Path) -> None:
  """Draws mean validation AUC over epochs, a line a method: mean and range over its replicates.

  The runs are those at the best rates. A run that has stopped counts with its last value. A dot
  marks the mean best epoch and AUC of the runs, which is above the line where their best epochs
  differ. The lowest twentieth of the lines, first epochs, may be below the picture, and the range
  is left out where there are more than ten.

  Args:
    cells: of one data set and model.
    found: name of an experiment -> its workdir.
    path: the picture.
  """
  means = []
  with drawing(path, (9, 4.8)) as (figure, axes):
    for i, cell in enumerate(cells):
      auc = followed(cell, found, "mean_auc")  # [E, replicates]
      epochs = np.arange(1, len(auc) + 1)
      means.append(auc.mean(1))
      called = label(names.method_name(cell.method))
      axes.plot(epochs, means[-1], label=called, linewidth=1.8, **style(i))
      if len(cells) <= MOST_BANDS:
        band(axes, epochs, auc.min(1), auc.max(1), style(i)["color"])
      best = [[run["best_epoch"], run["valid"]["mean_auc"]] for run in cell.runs]
      axes.plot(*np.array(best, float).mean(0), "o", color=style(i)["color"])
    title = f"{label(cells[0].data)}: {label(names.model_name(cells[0].model))}"
    axes.set(ylabel="mean validation AUC", title=title)
    whole_epochs(axes)
    drawn = np.concatenate(means)
    if np.isfinite(drawn).any():
      low, high = np.nanquantile(drawn, 0.05), axes.get_ylim()[1]
      axes.set_ylim(bottom=max(axes.get_ylim()[0], low - 0.2 * (high - low)))
    figure.legend(loc="outside right upper", fontsize="small", frameon=False)
