"""Results on disk -> tables and figures: `python -m mamdr_jax.report RUNS... [--out=DIR]`."""

import itertools
import json
import sys
from pathlib import Path

import matplotlib
import numpy as np
from absl import app, flags

from mamdr_jax import record

matplotlib.use("Agg")
from matplotlib import pyplot as plt

RATES = ("alpha", "beta", "gamma")


def by_setting(result: dict) -> list[list[dict]]:
  """The runs of a result, a list a setting of the rates: the best mean validation AUC first."""
  settings = {}
  for run in result["runs"]:
    settings.setdefault(tuple(run[rate] for rate in RATES), []).append(run)
  score = lambda runs: np.mean(
    [-np.inf if (v := r["valid"]["mean_auc"]) is None else v for r in runs]
  )
  return sorted(settings.values(), key=score, reverse=True)


def best_setting(result: dict) -> list[dict]:
  """The runs, one a seed, of the rates with the best validation AUC, its mean taken over seeds."""
  return by_setting(result)[0]


def over_seeds(runs: list[dict], split: str, key: str) -> np.ndarray:
  """A figure of each run as an array: [seeds], or [seeds, D] for "auc"."""
  values = [r[split][key] for r in runs]
  return np.array([list(v.values()) if isinstance(v, dict) else v for v in values], float)


def domain_table(result: dict) -> str:
  """Markdown: AUC per domain of the best setting, mean over seeds."""
  runs = best_setting(result)
  ceiling = result["ceiling"]
  valid, test = (over_seeds(runs, split, "auc").mean(0) for split in ("valid", "test"))
  header = ["domain", "valid AUC", "test AUC"] + (["ceiling (synthetic)"] if ceiling else [])
  rows = []
  for d, name in enumerate(runs[0]["test"]["auc"]):
    rows.append([name, valid[d], test[d]] + ([ceiling["auc"][name]] if ceiling else []))
  means = [over_seeds(runs, split, "mean_auc").mean() for split in ("valid", "test")]
  rows.append(["mean", *means] + ([ceiling["mean_auc"]] if ceiling else []))
  weighted = [over_seeds(runs, split, "weighted_auc").mean() for split in ("valid", "test")]
  rows.append(["weighted by size", *weighted] + ([""] if ceiling else []))
  return markdown(header, rows)


def setting_table(result: dict) -> str:
  """Markdown: validation AUC of every setting of the rates that was swept, best first."""
  rows = []
  for runs in by_setting(result):
    auc = over_seeds(runs, "valid", "mean_auc")
    epochs = np.mean([run["best_epoch"] for run in runs])
    rates = [f"{runs[0][rate]:g}" for rate in RATES]
    rows.append([*rates, len(runs), f"{epochs:.0f}", spread(auc)])
  return markdown([*RATES, "seeds", "best epoch", "valid AUC"], rows)


def method_table(results: dict[str, dict]) -> str:
  """Markdown: a line per name -> result, mean ± deviation over the seeds of its best rates."""
  header = ["run", "data", "model", "method", "rates α, β, γ", "seeds", "best epoch", "valid AUC"]
  header += ["test AUC", "weighted test AUC", "log loss"]
  rows = []
  for name, result in results.items():
    runs = best_setting(result)
    config = result["config"]
    rates = ", ".join(f"{runs[0][rate]:g}" for rate in RATES)
    epochs = np.mean([r["best_epoch"] for r in runs])
    names = [name, _data_name(config["data"])]
    names += [config["model"]["name"], config["method"]["name"]]
    figures = [("valid", "mean_auc"), ("test", "mean_auc")]
    figures += [("test", "weighted_auc"), ("test", "log_loss")]
    cells = [spread(over_seeds(runs, *figure)) for figure in figures]
    rows.append([*names, rates, len(runs), f"{epochs:.0f}", *cells])
  return markdown(header, rows)


def _data_name(data: dict) -> str:
  """How a table calls a data set: amazon small, synthetic taobao10."""
  which = data.get("domains") or data.get("preset") or data.get("num_domains") or ""
  return f"{data['name']} {which}".strip()


def spread(values: np.ndarray) -> str:
  """Mean ± sample standard deviation, or the value where there is one only."""
  if len(values) == 1:
    return f"{values[0]:.4f}"
  return f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}"


def markdown(header: list, rows: list[list]) -> str:
  """An aligned Markdown table; floats with four digits."""
  text = [[f"{x:.4f}" if isinstance(x, float) else str(x) for x in row] for row in [header, *rows]]
  width = [max(len(row[c]) for row in text) for c in range(len(header))]
  lines = [
    "| " + " | ".join(x.ljust(w) for x, w in zip(row, width, strict=True)) + " |" for row in text
  ]
  return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in width) + "|", *lines[1:]])


def learning_curves(workdir: Path) -> Path:
  """Draws validation AUC per domain over epochs, mean and range over runs: `auc.png`."""
  lines = _metrics(workdir)
  names = list(record.read(workdir / record.RESULT)["runs"][0]["test"]["auc"])
  figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
  colors = plt.get_cmap("tab20" if len(names) > 10 else "tab10")
  epochs = [line["epoch"] for line in lines]
  for d, name in enumerate(names):
    auc = [np.array(line["valid"]["auc"], float)[:, d] for line in lines]
    mean = [a.mean() for a in auc]
    axes.plot(epochs, mean, color=colors(d % colors.N), label=name, linewidth=1.2)
    if max(len(a) for a in auc) > 1:
      low, high = [a.min() for a in auc], [a.max() for a in auc]
      axes.fill_between(epochs, low, high, color=colors(d % colors.N), alpha=0.12, linewidth=0)
  mean = [np.mean(np.array(line["valid"]["mean_auc"], float)) for line in lines]
  axes.plot(epochs, mean, color="black", linewidth=2.4, label="mean")
  axes.set(xlabel="epoch", ylabel="validation AUC", title=workdir.name)
  axes.xaxis.get_major_locator().set_params(integer=True)
  axes.grid(alpha=0.3)
  figure.legend(loc="outside right upper", fontsize="small", frameon=False)
  path = workdir / "auc.png"
  figure.savefig(path, dpi=150)
  plt.close(figure)
  return path


def method_curves(workdirs: list[Path], path: Path) -> None:
  """Draws mean validation AUC over epochs, a line an experiment: mean and range over its runs.

  A run that has stopped counts with its last value. A dot marks the mean best epoch.
  """
  figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
  for workdir in workdirs:
    runs = record.read(workdir / record.RESULT)["runs"]
    lines = _metrics(workdir)
    auc = np.full((len(lines), len(runs)), np.nan)  # [epochs, R]
    for row, line in zip(auc, lines, strict=True):
      row[line["run"]] = np.array(line["valid"]["mean_auc"], float)
    for before, row in itertools.pairwise(auc):
      row[:] = np.where(np.isnan(row), before, row)
    epochs = np.arange(1, len(lines) + 1)
    (curve,) = axes.plot(epochs, auc.mean(1), label=workdir.name, linewidth=1.6)
    axes.fill_between(epochs, auc.min(1), auc.max(1), color=curve.get_color(), alpha=0.12)
    best = np.array([[r["best_epoch"], r["valid"]["mean_auc"]] for r in runs], float).mean(0)
    axes.plot(*best, "o", color=curve.get_color())
  axes.set(xlabel="epoch", ylabel="mean validation AUC")
  axes.xaxis.get_major_locator().set_params(integer=True)
  axes.grid(alpha=0.3)
  axes.legend(fontsize="small", frameon=False, loc="lower right")
  figure.savefig(path, dpi=150)
  plt.close(figure)


def _metrics(workdir: Path) -> list[dict]:
  return [json.loads(line) for line in (workdir / record.METRICS).read_text().splitlines()]


def main(argv: list[str]) -> None:
  workdirs = [Path(workdir) for workdir in argv[1:]]
  if not workdirs:
    raise app.UsageError("give at least one workdir")
  try:
    table = method_table({w.name: record.read(w / record.RESULT) for w in workdirs})
  except ValueError as error:
    sys.exit(f"error: {error}")
  print(table)
  if flags.FLAGS.out:
    out = Path(flags.FLAGS.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "methods.md").write_text(table + "\n")
    method_curves(workdirs, out / "curves.png")


if __name__ == "__main__":
  flags.DEFINE_string("out", None, "Folder for methods.md, the table, and curves.png.")
  app.run(main)
