"""Choosing among the runs of a result: by validation AUC, its mean taken over replicates."""

import numpy as np

RATES = ("alpha", "beta", "gamma")


def by_setting(result: dict) -> list[list[dict]]:
  """The runs of a result, a list a setting of the rates: the best mean validation AUC first.

  A setting that ran on fewer draws of the data than another comes after it: the means are of other
  data.
  """
  settings = {}
  for run in result["runs"]:
    settings.setdefault(tuple(run[rate] for rate in RATES), []).append(run)
  return sorted(settings.values(), key=preference, reverse=True)


def best_setting(result: dict) -> list[dict]:
  """The runs, one a replicate, of the rates with the best mean validation AUC over replicates."""
  return by_setting(result)[0]


def preference(runs: list[dict]) -> tuple:
  """What settings are chosen by, the larger the better: draws of the data, then `standing`."""
  return len(set(map(draw, runs))), standing(runs)


def draw(run: dict) -> tuple:
  """Which draw of the data a run was on: the seeds of synthetic data and of split and negatives."""
  return run.get("data_seed"), run.get("split_seed")


def standing(runs: list[dict]) -> tuple[bool, float]:
  """What runs of one setting are chosen by, the larger the better: their best validation AUC.

  A run that diverged after its best epoch counts with that, as any other does with its best; one
  that diverged before it had any comes last.
  """
  auc = over_runs(runs, "valid", "mean_auc")
  lost = any(diverged(run) and not run["best_epoch"] for run in runs)
  return not lost, float(np.where(np.isnan(auc), -np.inf, auc).mean())


def diverged(run: dict) -> bool:
  """Whether something in the run was not finite while it trained."""
  return bool(run.get("diverged", False))


def over_runs(runs: list[dict], split: str, key: str) -> np.ndarray:
  """A figure of each run as an array: [runs], or [runs, D] for "auc"; NaN where there is none."""
  values = [r[split][key] for r in runs]
  return np.array([list(v.values()) if isinstance(v, dict) else v for v in values], float)


def mean_passes(runs: list[dict]) -> float:
  """Gradient evaluations of an epoch, their mean over the runs for which it is known, or NaN."""
  known = [run["passes"] for run in runs if run.get("passes") is not None]
  return float(np.mean(known)) if known else np.nan


def baselines(runs: list[dict]) -> list[dict]:
  """What needs no training, on each draw of the data that the runs had: see `baselines.py`."""
  known = {draw(run): run["baselines"] for run in runs if run.get("baselines")}
  return list(known.values())


def ceiling(runs: list[dict]) -> tuple[dict[str, float], float] | None:
  """AUC per domain of what drew synthetic labels, and its mean, over draws; None where unknown."""
  known = list({draw(run): run["ceiling"] for run in runs if run.get("ceiling")}.values())
  if not known:
    return None
  auc = {name: float(np.mean([c["auc"][name] for c in known])) for name in known[0]["auc"]}
  return auc, float(np.mean([c["mean_auc"] for c in known]))
