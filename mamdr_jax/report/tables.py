"""Tables of single experiments, and what all tables are made with."""

import numpy as np

from mamdr_jax.distribution import domain_rows, spectrum
from mamdr_jax.markdown import Markdown, table
from mamdr_jax.report import names
from mamdr_jax.report.replicates import over, pool
from mamdr_jax.report.results import (
  RATES,
  baselines,
  best_setting,
  by_setting,
  ceiling,
  diverged,
  domain_auc,
  mean_passes,
  over_runs,
  preference,
  rows_of,
)

DIVERGED = "†"  # a run of what stands here has diverged
NONE = "–"
MEAN = "mean over domains"
POPULARITY = "item popularity"  # of `baselines.py`
CEILING = "ceiling (synthetic)"


def domain_table(result: dict) -> str:
  """Markdown: AUC per domain of the best setting, mean over replicates; test AUC of popularity.

  Of very many domains, the quantiles over them, and those of the largest, the best and the worst by
  test AUC.
  """
  (result,) = pool({"": result}).values()
  runs = best_setting(result)
  simple, highest = baselines(runs), ceiling(runs)
  columns = [  # header, AUC of domains, their mean, and weighted by size
    ("valid AUC", *_column(runs, "valid")),
    ("test AUC", *_column(runs, "test")),
    *([(POPULARITY, *_column(simple, "test"))] if simple else []),
    *([(CEILING, np.array(list(highest[0].values())), highest[1], "")] if highest else []),
  ]
  header, auc, mean, weighted = zip(*columns, strict=True)
  listed = domain_rows(list(runs[0]["test"]["auc"]), rows_of(runs), auc[1])
  rows = spectrum(auc) + [(name, [of[d] for of in auc]) for name, d in listed]
  rows += [(MEAN, mean), ("weighted by size", weighted)]
  return table(["domain", *header], [[name, *map(decimal, values)] for name, values in rows])


def _column(runs: list[dict], split: str) -> tuple:
  """AUC of domains [D], their mean and that weighted by size, the mean over runs of each."""
  means = (over_runs(runs, split, key).mean() for key in ("mean_auc", "weighted_auc"))
  return domain_auc(runs, split), *means


def setting_table(result: dict) -> str:
  """Markdown: validation AUC of every setting of the rates that was swept, best first."""
  rows = []
  for runs in by_setting(result):
    epochs = np.mean([run["best_epoch"] for run in runs])
    rates = rates_of(result, runs)
    rows.append([*rates, over(runs), f"{epochs:.0f}", measured(runs, "valid", "mean_auc")])
  return table([*RATES, "± over", "best epoch", "valid AUC"], rows)


def method_table(results: dict[str, dict]) -> str:
  """Markdown: a line per experiment, mean ± deviation over the replicates of its best rates.

  Then, of each data set for which they are known, the AUC of item popularity and the log loss of
  the base rate. The passes, gradient evaluations of an epoch, are there if any result has them
  (`files.read`).
  """
  header = ["run", "data", "model", "method", "rates α, β, γ", "± over", "best epoch", "valid AUC"]
  header += ["test AUC", "weighted test AUC", "log loss", "passes"]
  figures = (("valid", "mean_auc"), ("test", "mean_auc"))
  figures += (("test", "weighted_auc"), ("test", "log_loss"))
  results = pool(results)
  data, rows, drawn = names.data_names(results), [], {}
  for name, result in results.items():
    runs, config = best_setting(result), result["config"]
    drawn.setdefault(data[name], []).extend(result["runs"])
    rates = ", ".join(rates_of(result, runs))
    known = [r["best_epoch"] for r in runs if r["best_epoch"] is not None]
    epochs = f"{np.mean(known):.0f}" if known else NONE
    called = [name, data[name], config["model"]["name"], names.method_of(config)]
    cells = [measured(runs, *figure) for figure in figures]
    rows.append([*called, rates, over(runs), epochs, *cells, count(mean_passes(runs))])
  for where, simple in ((where, baselines(runs)) for where, runs in drawn.items()):
    if simple:
      cells = [spread(over_runs(simple, *figure)) for figure in figures]
      cells[-1] += " (base rate)"
      rows.append([POPULARITY, where, *[NONE] * 5, *cells, NONE])
  if all(row[-1] == NONE for row in rows):
    header, rows = header[:-1], [row[:-1] for row in rows]
  return table(header, rows)


def spent_table(results: dict[str, dict]) -> str:
  """Markdown: how many rates every experiment tried, on how many replicates, and what that took.

  Gradients of minibatches are counted over all epochs of all runs; none where that is not known.
  """
  rows = []
  for name, result in pool(results).items():
    runs, settings = result["runs"], by_setting(result)
    known = [run for run in runs if run.get("passes") is not None]
    if not known:
      continue
    gradients = sum(run["passes"] * run["epochs"] for run in known)
    epochs = sum(run["epochs"] for run in known)
    called = [name, result["config"]["model"]["name"], names.method_of(result["config"])]
    rows.append([*called, len(settings), len(runs), f"{epochs:.0f}", f"{gradients:,.0f}",
                 f"{sum(run.get('seconds', 0.0) for run in runs):.0f}"])  # fmt: skip
  header = ["run", "model", "method", "rates tried", "runs", "epochs", "gradients", "seconds"]
  compares = len(rows) > 1 or any(row[3] > 1 for row in rows)
  return table(header, rows) if compares else ""


def verdict(results: dict[str, dict]) -> str:
  """Which result, at its best rates, validation chooses, or "" if they are on several data sets."""
  results = pool(results)
  if len(set(names.data_names(results).values())) > 1:
    return ""
  best = {name: best_setting(result) for name, result in results.items()}
  name = max(best, key=lambda name: preference(best[name]))
  valid, test = (measured(best[name], split, "mean_auc") for split in ("valid", "test"))
  rates = ", ".join(f"{each} {rate(best[name][0][each])}" for each in RATES)
  return f"Best by validation AUC ({valid}): {name} at {rates}; test AUC {test}"


def rates_of(result: dict, runs: list[dict]) -> list[str]:
  """The rates of a setting, in the order of `RATES`; a dash where the method reads none."""
  read = result.get("rates", RATES)
  return [rate(runs[0][name]) if name in read else NONE for name in RATES]


def rate(value: float | None) -> str:
  """A rate as a short text; one that is not a number was NaN or infinite."""
  return NONE if value is None else f"{value:g}"


def measured(runs: list[dict], split: str, key: str) -> str:
  """A figure of the runs of a setting as `spread` has it, marked if one of them diverged."""
  return marked(spread(over_runs(runs, split, key)), runs)


def marked(text: str, runs: list[dict]) -> str:
  """`text`, with `DIVERGED` behind it if one of the runs diverged."""
  return f"{text} {DIVERGED}" if any(map(diverged, runs)) else text


def decimal(value) -> str:
  """A figure with four digits; a dash where there is none."""
  if isinstance(value, str):
    return value
  return f"{value:.4f}" if np.isfinite(value) else NONE


def spread(values: np.ndarray) -> str:
  """Mean ± sample standard deviation, or the value where there is one only."""
  if not (values.size and np.isfinite(values).all()):
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
  return [Markdown(f"**{t}**") if v == largest else t for t, v in zip(texts, values, strict=True)]


def beside(text: str, value: float | None, digits: int = 4) -> str:
  """`text`, and in parentheses the paper's value where it has one."""
  return text if value is None else Markdown(f"{text} ({value:.{digits}f})")
