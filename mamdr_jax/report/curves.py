"""Validation AUC over epochs: of the domains of one experiment, and of several experiments."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mamdr_jax.report import files, names
from mamdr_jax.report.canvas import MOST_BANDS, band, drawing, style, whole_epochs
from mamdr_jax.report.results import best_setting


def history(lines: list[dict], num_runs: int, key: str) -> np.ndarray:
  """A validation figure over epochs, from the lines of `metrics.jsonl`: [E, R] or [E, R, D].

  A line may hold any of the runs, and an epoch any number of lines. A run that has stopped keeps
  its last value; before its first one it has NaN.
  """
  num_epochs = max(line["epoch"] for line in lines)
  shape = np.array(lines[0]["valid"][key], float).shape[1:]
  values = np.full((num_epochs, num_runs, *shape), np.nan)
  there = np.zeros((num_epochs, num_runs), bool)
  for line in lines:
    values[line["epoch"] - 1, line["run"]] = np.array(line["valid"][key], float)
    there[line["epoch"] - 1, line["run"]] = True
  for epoch in range(1, num_epochs):
    stays = ~there[epoch]
    values[epoch, stays] = values[epoch - 1, stays]
  return values


def learning_curves(workdir: Path, path: Path | None = None) -> Path:
  """Draws validation AUC per domain over epochs, mean and range over seeds of the best rates.

  The range is left out where there are more than ten domains.

  Args:
    workdir: of a finished experiment.
    path: the picture; by default `auc.png` in the workdir.

  Returns:
    `path`.
  """
  workdir = Path(workdir)
  path = path or workdir / "auc.png"
  result, lines, runs = _read(workdir)
  auc = history(lines, len(result["runs"]), "auc")[:, runs]  # [E, seeds, D]
  epochs = np.arange(1, len(auc) + 1)
  domains = list(result["runs"][0]["test"]["auc"])
  with drawing(path, (9, max(4.8, 0.27 * len(domains)))) as (figure, axes):
    for d, name in enumerate(domains):
      axes.plot(epochs, auc[:, :, d].mean(1), label=name, linewidth=1.4, **style(d))
      if len(runs) > 1 and len(domains) <= MOST_BANDS:
        band(axes, epochs, auc[:, :, d].min(1), auc[:, :, d].max(1), style(d)["color"])
    axes.plot(epochs, auc.mean((1, 2)), color="black", linewidth=2.6, label="mean")
    config = result["config"]
    row = names.row_name(config["model"]["name"], config["method"]["name"])
    axes.set(ylabel="validation AUC", title=f"{names.data_name(config['data'])}: {row}")
    whole_epochs(axes)
    figure.legend(loc="outside right upper", fontsize="small", frameon=False)
  return path


def method_curves(
  workdirs: Sequence[Path],
  path: Path,
  labels: Sequence[str] | None = None,
  title: str = "",
) -> None:
  """Draws mean validation AUC over epochs, a line an experiment: mean and range over its seeds.

  Of each experiment the runs at its best rates count. A run that has stopped counts with its last
  value. A dot marks the mean best epoch and AUC of the runs, which is above the line where their
  best epochs differ. The lowest twentieth of the lines, first epochs, may be below the picture, and
  the range is left out where there are more than ten. Labels are by default the folders' names.
  """
  labels, means = labels or [Path(workdir).name for workdir in workdirs], []
  with drawing(path, (9, 4.8)) as (figure, axes):
    for i, (workdir, label) in enumerate(zip(workdirs, labels, strict=True)):
      result, lines, runs = _read(Path(workdir))
      auc = history(lines, len(result["runs"]), "mean_auc")[:, runs]  # [E, seeds]
      epochs = np.arange(1, len(auc) + 1)
      means.append(auc.mean(1))
      axes.plot(epochs, means[-1], label=label, linewidth=1.8, **style(i))
      if len(workdirs) <= MOST_BANDS:
        band(axes, epochs, auc.min(1), auc.max(1), style(i)["color"])
      chosen = [result["runs"][r] for r in runs]
      best = [[r["best_epoch"], r["valid"]["mean_auc"]] for r in chosen]
      axes.plot(*np.array(best, float).mean(0), "o", color=style(i)["color"])
    axes.set(ylabel="mean validation AUC", title=title)
    whole_epochs(axes)
    low, high = np.nanquantile(np.concatenate(means), 0.05), axes.get_ylim()[1]
    axes.set_ylim(bottom=max(axes.get_ylim()[0], low - 0.2 * (high - low)))
    figure.legend(loc="outside right upper", fontsize="small", frameon=False)


def _read(workdir: Path) -> tuple[dict, list[dict], list[int]]:
  """The result, the lines of its metrics, and the indices of the runs at its best rates."""
  result = files.read(workdir)
  best = best_setting(result)
  runs = [r for r, run in enumerate(result["runs"]) if any(run is one for one in best)]
  return result, files.read_metrics(workdir, len(result["runs"])), runs
