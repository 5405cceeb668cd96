"""Every run as a line of one flat table."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mamdr_jax.distribution import QUANTILES, many, quantiles
from mamdr_jax.files import write_aside
from mamdr_jax.measures import MEAN, MEASURES
from mamdr_jax.report import names
from mamdr_jax.report.replicates import SEEDS, told
from mamdr_jax.report.results import RATES, diverged

NAMES = ("data.name", "model.name", "method.name", "method.k")  # columns of their own
FORMULA = tuple("=+-@\t\r")  # how one begins


def write_runs(results: Mapping[str, dict], path: Path) -> None:
  """Writes a CSV file with a line a run, in whole or not at all.

  Args:
    results: name of an experiment -> what its `result.json` holds, or `files.read` gives.
    path: the file, in UTF-8. Its columns: the experiment, data set, model, method and k; the config
      keys in which two experiments differ, as on the command line, `config.l2`; the run's own
      seeds, rates and figures, with means over domains of the measures that it has, AUC per domain
      last, or of very many its quantiles. `seconds` are the run's own, or else those of its whole
      experiment. What a run does not have is empty. A text that a spreadsheet would take for a
      formula has an apostrophe before it.
  """
  data = names.data_names(results)
  configs = {name: names.settings(result["config"]) for name, result in results.items()}
  keys = [key for key in names.differing(list(configs.values())) if key not in NAMES]
  rows = [
    _identity(name, data[name], configs[name], keys) | _figures(run) | _without_rates(result)
    for name, result in results.items()
    for run in told(name, result)
  ]
  columns = list(dict.fromkeys(column for row in rows for column in row))
  domains = [column for column in columns if column.startswith(("test_auc/", "test_auc "))]
  columns = [column for column in columns if column not in domains] + domains

  def write(aside):
    with aside.open("w", newline="", encoding="utf-8", errors="replace") as file:
      writer = csv.writer(file)
      writer.writerow(map(harmless, columns))
      writer.writerows([harmless(row.get(column)) for column in columns] for row in rows)

  write_aside(Path(path), write)


def harmless(value):
  """A cell that no spreadsheet takes for a formula (OWASP, CSV injection)."""
  return f"'{value}" if isinstance(value, str) and value[:1] in FORMULA else value


def _identity(name: str, data: str, config: Mapping, keys: list[str]) -> dict:
  row = {"experiment": name, "data": data}
  row |= {"model": config["model.name"], "method": config["method.name"]}
  return row | {"k": config.get("method.k")} | {f"config.{key}": config.get(key) for key in keys}


def _without_rates(result: Mapping) -> dict:
  """What another system does not have."""
  return dict.fromkeys(RATES) if names.external(result) else {}


def _figures(run: Mapping) -> dict:
  row = {key: run[key] for key in (*SEEDS, *RATES, "epochs", "best_epoch")}
  row |= {"diverged": str(diverged(run)).lower(), "passes": run.get("passes")}
  row["seconds"] = run["seconds"]
  row |= {"valid_mean_auc": run["valid"]["mean_auc"], "test_mean_auc": run["test"]["mean_auc"]}
  row |= {f"test_{key}": run["test"][key] for key in ("weighted_auc", "log_loss")}
  more = run["test"].get(MEASURES, {})
  row |= {f"test_mean_{name}": measure[MEAN] for name, measure in more.items()}
  auc = run["test"]["auc"]
  if many(len(auc)):
    of = quantiles(np.array(list(auc.values()), float)).tolist()
    return row | {f"test_auc {name}": value for name, value in zip(QUANTILES, of, strict=True)}
  return row | {f"test_auc/{domain}": value for domain, value in auc.items()}
