"""Choosing among the runs of a result: by validation AUC, its mean taken over seeds."""

import numpy as np

RATES = ("alpha", "beta", "gamma")


def by_setting(result: dict) -> list[list[dict]]:
  """The runs of a result, a list a setting of the rates: the best mean validation AUC first.

  A setting of which a run has diverged comes after all of which none has.
  """
  settings = {}
  for run in result["runs"]:
    settings.setdefault(tuple(run[rate] for rate in RATES), []).append(run)
  return sorted(settings.values(), key=standing, reverse=True)


def best_setting(result: dict) -> list[dict]:
  """The runs, one a seed, of the rates with the best validation AUC, its mean taken over seeds."""
  return by_setting(result)[0]


def standing(runs: list[dict]) -> tuple[bool, float]:
  """What runs of one setting are chosen by, the larger the better."""
  auc = over_seeds(runs, "valid", "mean_auc")
  return not any(map(diverged, runs)), float(np.where(np.isnan(auc), -np.inf, auc).mean())


def diverged(run: dict) -> bool:
  """Whether something in the run was not finite while it trained."""
  return bool(run.get("diverged", False))


def over_seeds(runs: list[dict], split: str, key: str) -> np.ndarray:
  """A figure of each run as an array: [seeds], or [seeds, D] for "auc"; NaN where there is none."""
  values = [r[split][key] for r in runs]
  return np.array([list(v.values()) if isinstance(v, dict) else v for v in values], float)


def mean_passes(runs: list[dict]) -> float:
  """Gradient evaluations of an epoch, their mean over the runs for which it is known, or NaN."""
  known = [run["passes"] for run in runs if run.get("passes") is not None]
  return float(np.mean(known)) if known else np.nan
