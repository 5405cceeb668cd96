"""What sweeps say: AUC over the number of helpers k, and over the rates α and β."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mamdr_jax.report import names
from mamdr_jax.report.replicates import merged, pool
from mamdr_jax.report.results import by_setting, diverged, over_runs, preference


class Helpers(NamedTuple):
  """AUC over k of experiments that differ in k and in rates only (Luo et al. 2023, Fig. 8)."""

  data: str
  label: str
  k: list[int]  # K, rising
  valid: list[np.ndarray]  # K of [replicates]: mean AUC over domains at the best rates of each k
  test: list[np.ndarray]
  best: int  # which of the K validation chooses
  diverged: list[bool]  # K: a run of it diverged


class Grid(NamedTuple):
  """Test AUC over α and β (Luo et al. 2023, Fig. 9), of each pair with the best γ.

  Arrays are [A, B]: mean over domains and replicates, its deviation over these (0 for one), how
  many runs, and whether one of them diverged. NaN where nothing was run or nothing is finite.
  """

  data: str
  label: str
  alpha: list[float]  # A, rising
  beta: list[float]  # B, rising
  mean: np.ndarray
  deviation: np.ndarray
  num_runs: np.ndarray
  diverged: np.ndarray
  best: tuple[int, int]  # which pair validation chooses


def over_k(results: dict[str, dict]) -> list[Helpers]:
  """A `Helpers` for every group of experiments alike but for k and rates, with two k or more."""
  results = pool(results)
  data, found = names.data_names(results), []
  k_of = lambda name: results[name]["config"]["method"].get("k")
  swept = lambda group: None not in (ks := {k_of(name) for name in group}) and len(ks) > 1
  for label, group in _alike(results, swept, leave_out="method.k"):
    ks = sorted({k_of(name) for name in group})
    every = [merged(results[name] for name in group if k_of(name) == k) for k in ks]
    best = [by_setting({"runs": runs})[0] for runs in every]
    valid, test = ([over_runs(r, s, "mean_auc") for r in best] for s in ("valid", "test"))
    chosen = max(range(len(ks)), key=lambda i, best=best: preference(best[i]))
    marks = [any(map(diverged, runs)) for runs in best]
    found.append(Helpers(data[group[0]], label, ks, valid, test, chosen, marks))
  return found


def over_rates(results: dict[str, dict]) -> list[Grid]:
  """A `Grid` for every group of experiments alike but for rates, with two α and two β or more."""
  results = pool(results)
  data, found = names.data_names(results), []

  def values(group, rate):
    return sorted({run[rate] for name in group for run in results[name]["runs"]})

  swept = lambda group: min(len(values(group, rate)) for rate in ("alpha", "beta")) > 1
  for label, group in _alike(results, swept):
    runs = merged(results[name] for name in group)
    settings = by_setting({"runs": runs})  # best first, so the best γ as well
    alpha, beta = values(group, "alpha"), values(group, "beta")
    shape = len(alpha), len(beta)
    mean, deviation = np.full(shape, np.nan), np.full(shape, np.nan)
    num_runs, marks = np.zeros(shape, int), np.zeros(shape, bool)
    places = [(alpha.index(s[0]["alpha"]), beta.index(s[0]["beta"])) for s in settings]
    for at, setting in zip(places, settings, strict=True):
      if num_runs[at]:
        continue
      auc = over_runs(setting, "test", "mean_auc")
      num_runs[at], mean[at] = len(setting), auc.mean()
      deviation[at] = auc.std(ddof=1) if len(auc) > 1 else auc[0] * 0
      marks[at] = any(map(diverged, setting))
    found.append(
      Grid(data[group[0]], label, alpha, beta, mean, deviation, num_runs, marks, places[0])
    )
  return found


def _alike(
  results: dict[str, dict], wanted: Callable[[list[str]], bool], leave_out: str = ""
) -> list[tuple[str, list[str]]]:
  """(label, names) of the wanted groups of experiments whose settings are equal.

  Settings are a config's without rates and seeds (`names.settings`), and without `leave_out`. The
  label tells in what the wanted groups of one model and method differ.
  """
  groups, kept = {}, {}
  for name, result in results.items():
    identity = names.identity(result, leave_out)
    groups.setdefault(identity, []).append(name)
    kept[identity] = {k: v for k, v in names.settings(result["config"]).items() if k != leave_out}
  groups = {identity: group for identity, group in groups.items() if wanted(group)}
  labelled = []
  for identity, group in groups.items():
    own = kept[identity]
    rivals = [other for other in map(kept.get, groups) if _place(other) == _place(own)]
    told = [key for key in names.differing(rivals) if key in own]
    row = names.row_name(own["model.name"], own["method.name"])
    labelled.append((", ".join([row, *(f"{key} {own[key]}" for key in told)]), group))
  return labelled


def _place(settings: dict) -> dict:
  """What the title of a figure tells anyway: data set, model and method."""
  shown = ("model.name", "method.name")
  return {k: v for k, v in settings.items() if k in shown or k.startswith("data.")}
