"""Choosing among the runs of a result: by validation AUC, its mean taken over replicates."""

import numpy as np

from mamdr_jax.distribution import mean

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


def rows_of(runs: list[dict]) -> np.ndarray | None:
  """Training rows of every domain, where there are very many: [D]; None where unknown."""
  known = next((run["rows"] for run in runs if run.get("rows")), None)
  return None if known is None else np.array(list(known.values()), float)


def domain_auc(runs: list[dict], split: str) -> np.ndarray:
  """AUC of every domain, the mean over the runs in which it has one: [D].

  NaN where it has none in any, or where a run diverged.
  """
  return mean(over_runs(runs, split, "auc"), measurable(runs, split))


def measurable(runs: list[dict], split: str) -> np.ndarray:
  """Whether a domain has rows of both labels, and so an AUC, in a split of a run: [runs, D].

  Where the mean is a number, what is none is no part of it (`metrics.figures`).
  """
  mean = over_runs(runs, split, "mean_auc")
  return ~(np.isnan(over_runs(runs, split, "auc")) & np.isfinite(mean)[:, None])


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
  auc = np.array([list(c["auc"].values()) for c in known], float).mean(0)
  auc = dict(zip(known[0]["auc"], auc.tolist(), strict=True))
  return auc, float(np.mean([c["mean_auc"] for c in known]))
