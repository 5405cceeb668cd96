"""Tables of single experiments, and what all tables are made with."""

import numpy as np

from mamdr_jax.report import names
from mamdr_jax.report.results import (
  RATES,
  best_setting,
  by_setting,
  diverged,
  mean_passes,
  over_seeds,
  standing,
)

DIVERGED = "†"  # a run of what stands here has diverged
NONE = "–"


def domain_table(result: dict) -> str:
  """Markdown: AUC per domain of the best setting, mean over seeds."""
  runs = best_setting(result)
  ceiling = result.get("ceiling")
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
    epochs = np.mean([run["best_epoch"] for run in runs])
    rates = [f"{runs[0][rate]:g}" for rate in RATES]
    rows.append([*rates, len(runs), f"{epochs:.0f}", measured(runs, "valid", "mean_auc")])
  return markdown([*RATES, "seeds", "best epoch", "valid AUC"], rows)


def method_table(results: dict[str, dict]) -> str:
  """Markdown: a line per name -> result, mean ± deviation over the seeds of its best rates.

  The passes, gradient evaluations of an epoch, are there if any result has them (`files.read`).
  """
  header = ["run", "data", "model", "method", "rates α, β, γ", "seeds", "best epoch", "valid AUC"]
  header += ["test AUC", "weighted test AUC", "log loss", "passes"]
  data = names.data_names(results)
  rows = []
  for name, result in results.items():
    runs = best_setting(result)
    config = result["config"]
    rates = ", ".join(f"{runs[0][rate]:g}" for rate in RATES)
    epochs = np.mean([r["best_epoch"] for r in runs])
    called = [name, data[name], config["model"]["name"], names.method_of(config)]
    figures = [("valid", "mean_auc"), ("test", "mean_auc")]
    figures += [("test", "weighted_auc"), ("test", "log_loss")]
    cells = [measured(runs, *figure) for figure in figures]
    rows.append([*called, rates, len(runs), f"{epochs:.0f}", *cells, count(mean_passes(runs))])
  if all(row[-1] == NONE for row in rows):
    header, rows = header[:-1], [row[:-1] for row in rows]
  return markdown(header, rows)


def chosen(results: dict[str, dict]) -> str:
  """Which result, at its best rates, validation chooses, or "" if they are on several data sets."""
  if len(set(names.data_names(results).values())) > 1:
    return ""
  best = {name: best_setting(result) for name, result in results.items()}
  name = max(best, key=lambda name: standing(best[name]))
  valid, test = (measured(best[name], split, "mean_auc") for split in ("valid", "test"))
  rates = ", ".join(f"{rate} {best[name][0][rate]:g}" for rate in RATES)
  return f"Best by validation AUC ({valid}): {name} at {rates}; test AUC {test}"


def measured(runs: list[dict], split: str, key: str) -> str:
  """A figure of the runs of a setting as `spread` has it, marked if one of them diverged."""
  return marked(spread(over_seeds(runs, split, key)), runs)


def marked(text: str, runs: list[dict]) -> str:
  """`text`, with `DIVERGED` behind it if one of the runs diverged."""
  return f"{text} {DIVERGED}" if any(map(diverged, runs)) else text


def spread(values: np.ndarray) -> str:
  """Mean ± sample standard deviation, or the value where there is one only."""
  if not np.isfinite(values).all():
    return NONE
  if len(values) == 1:
    return f"{values[0]:.4f}"
  return f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}"


def count(value: float) -> str:
  """A number of gradient evaluations."""
  return f"{value:,.0f}" if np.isfinite(value) else NONE


def bold(texts: list[str], values: np.ndarray) -> list[str]:
  """`texts`, the one of the largest value in bold, or all that share it."""
  values = np.asarray(values, float)
  largest = np.max(values, where=np.isfinite(values), initial=-np.inf)
  return [f"**{t}**" if v == largest else t for t, v in zip(texts, values, strict=True)]


def beside(text: str, value: float | None, digits: int = 4) -> str:
  """`text`, and in parentheses the paper's value where it has one."""
  return text if value is None else f"{text} ({value:.{digits}f})"


def markdown(header: list, rows: list[list]) -> str:
  """An aligned Markdown table; floats with four digits."""
  text = [[f"{x:.4f}" if isinstance(x, float) else str(x) for x in row] for row in [header, *rows]]
  width = [max(len(row[c]) for row in text) for c in range(len(header))]
  lines = [
    "| " + " | ".join(x.ljust(w) for x, w in zip(row, width, strict=True)) + " |" for row in text
  ]
  return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in width) + "|", *lines[1:]])
