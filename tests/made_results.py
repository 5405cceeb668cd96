"""Tiny results made by hand, and workdirs as experiments leave them."""

from pathlib import Path

from mamdr_jax import files, report

ROOT = Path(__file__).parents[1]
PASSES = {  # 10 of any other
  "domain_regularization": 40.0,
  "mamdr": 50.0,
}


def a_run(test, valid=None, seed=0, alpha=0.01, beta=0.1, gamma=0.1, **more):
  """A run with AUC `test` and `valid` on the domains A, B, ...; `valid` is `test` unless given."""
  figures = lambda auc: {
    "auc": dict(zip("ABCDEFGH", auc, strict=False)),
    "mean_auc": None if None in auc or not auc else sum(auc) / len(auc),
    "weighted_auc": auc[0] if auc else None,
    "log_loss": 0.5,
  }
  rates = {"seed": seed, "alpha": alpha, "beta": beta, "gamma": gamma}
  measured = {"valid": figures(test if valid is None else valid), "test": figures(test)}
  return rates | {"epochs": 3, "best_epoch": 2} | measured | more


def a_result(runs, model="mlp", method="alternate", data=None, **config):
  method = {"name": method} | ({"k": config.pop("k")} if "k" in config else {})
  data = data or {"name": "amazon", "domains": "6", "root": "/here"}
  base = {"l2": 0.0, "seed": 0, "alpha": 0.01, "sweep": {"seed": []}, "lanes": 0}
  config = base | {"data": data, "model": {"name": model}, "method": method} | config
  return {"config": config, "runs": runs, "ceiling": None, "seconds": 7.0}


def save(workdir, result):
  """A workdir as an experiment leaves it: three epochs, the last of run 0 only, a line a run."""
  workdir.mkdir(parents=True)
  files.write_json(workdir / files.RESULT, result)
  files.write_json(workdir / files.CONFIG, result["config"])
  runs, method = result["runs"], result["config"]["method"]["name"].partition("+")[0]
  passes = PASSES.get(method, 10.0)
  for epoch in (1, 2, 3):
    for r, run in enumerate(runs[:1] if epoch == 3 else runs):
      auc = list(run["valid"]["auc"].values())
      valid = {"auc": [auc], "mean_auc": [run["valid"]["mean_auc"]]}
      line = {"epoch": epoch, "run": [r], "loss": [0.1], "passes": [passes], "valid": valid}
      files.append_line(workdir / files.METRICS, line)
  return workdir


def rows_of(table):
  """Cells of a Markdown table: header, then rows, the rule between them left out."""
  lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
  return [line for line in lines if set("".join(line)) != {"-"}]


def read_all(*workdirs):
  return {name: report.read(path) for name, path in report.find(workdirs).items()}
