"""What `configs/table.py` gives, against a search over rates on the same net.

python -m results.defaults OUT PATH [KEY=VALUE ...]

PATH is a table or a folder of them, KEY=VALUE what else the config needs to read it, as in
`domain=category rating=rating positive_from=4 negatives=rated`. Trained are alternate, DN and
MAMDR. OUT gets the runs; what has ended there is not trained again.
"""

import argparse
import ast
import copy
from pathlib import Path

import ml_collections

from configs import table as shipped
from mamdr_jax import experiment
from mamdr_jax.markdown import table
from mamdr_jax.report.names import method_name
from mamdr_jax.report.results import best_setting
from mamdr_jax.report.tables import rates_of

ALPHA, BETA, GAMMA = ("alpha", 3e-4, 3e-2), ("beta", 0.05, 1.0), ("gamma", 1e-3, 1.0)
METHODS = {
  "alternate": (ALPHA,), "domain_negotiation": (ALPHA, BETA), "mamdr": (ALPHA, BETA, GAMMA),
}  # fmt: skip
TRIALS, RUNGS = 6, (4.0, 12.0)  # of the search; a third goes on at a rung
PASSES = 200.0  # of a run at most


def searched(config: ml_collections.ConfigDict, space: tuple) -> ml_collections.ConfigDict:
  """The same with rates that are drawn."""
  config = copy.deepcopy(config)
  config.sweep.update(alpha=(), beta=())
  config.search.update(trials=TRIALS, space=space, rungs=RUNGS, passes=PASSES)
  return config


def ways(method: str, data: dict) -> dict[str, ml_collections.ConfigDict]:
  """The config as it is, under "default", and that of the "search"."""
  config = shipped.get_config(f"mlp,{method}")
  config.data.update(data)
  return {"default": config, "search": searched(config, METHODS[method])}


def row(method: str, way: str, result: dict) -> list[str]:
  """Of the best run by validation, and the mean cost of a run."""
  (best,), runs = best_setting(result), result["runs"]
  rates = ", ".join(rates_of(result, [best]))
  auc = [f"{best[split]['mean_auc']:.4f}" for split in ("valid", "test")]
  seconds = sum(run["seconds"] for run in runs)
  cost = [f"{x:.0f}" for x in (best["seconds"], seconds / len(runs), seconds)]
  which = [f"{len(runs)}", rates, f"{best['best_epoch']:g}"]
  return [method_name(method), way, *which, *auc, *cost]


def main(out: Path, data: dict) -> None:
  """Trains what OUT lacks, and prints the table."""
  rows = [
    row(method, way, experiment.run(config, out / way / method))
    for method in METHODS
    for way, config in ways(method, data).items()
  ]
  header = ("method", "rates by", "runs", "rates α, β, γ", "best epoch", "valid AUC", "test AUC")
  print(table([*header, "s, best run", "s, a run", "s, all"], rows))


def given(pairs: list[str]) -> dict:
  """KEY=VALUE -> the keys of `config.data`."""
  found = dict(pair.split("=", 1) for pair in pairs)
  return {key: _value(text) for key, text in found.items()}


def _value(text: str):
  try:
    return ast.literal_eval(text)
  except (SyntaxError, ValueError):
    return text


if __name__ == "__main__":
  parser = argparse.ArgumentParser()
  parser.add_argument("out", type=Path)
  parser.add_argument("path")
  parser.add_argument("keys", nargs="*")
  options = parser.parse_args()
  main(options.out, {"path": options.path} | given(options.keys))
