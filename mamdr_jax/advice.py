"""What a reader would see in a run, said in a sentence: what it costs, and what to change."""

from collections.abc import Mapping, Sequence

import numpy as np

EARLY = 2  # a best epoch that is no later is one of the first
LONGER = 3.0  # times as long as the others take is by far


def passes_of(config: Mapping, count: np.ndarray) -> float | None:
  """Passes over the training data that an epoch of DR or MAMDR takes; None of other methods.

  A pass is as many gradients as the data have minibatches; every domain helps as often as it is
  helped.

  Args:
    config: see `configure.make`.
    count: [D], minibatches of every domain.
  """
  method = config["method"]
  if method["name"].partition("+")[0] not in ("domain_regularization", "mamdr"):
    return None
  bound = method["visit_steps"] or count.max()
  pairs = method["k"] + method["help_self"]
  return 1 + 2 * pairs * np.minimum(count, bound).sum() / count.sum()


def before(config: Mapping, count: np.ndarray) -> list[str]:
  """What an epoch takes, where that is more than a pass."""
  passes = passes_of(config, count)
  if passes is None or passes < 2:
    return []
  method = config["method"]
  told = f"an epoch takes {passes:.1f} passes over the training data, k={method['k']} helpers"
  if method["visit_steps"]:
    return [f"{told} with visits of {method['visit_steps']} minibatches"]
  bounded = passes_of({"method": method | {"visit_steps": 5}}, count)
  return [f"{told} with whole visits; method.visit_steps=5 would take {bounded:.1f}"]


def after(config: Mapping, runs: Sequence[Mapping], trained_ids: bool) -> list[str]:
  """What the runs of a result show about when they ended.

  Args:
    config: see `configure.make`.
    runs: those of the result.
    trained_ids: whether the model has tables of users or items, which can learn rows by heart.
  """
  said, cap = [], config["epochs"]
  rising = [r for r in runs if not r["stopped"] and not r["diverged"] and late(r, cap)]
  if rising:
    told = f"{len(rising)} of {len(runs)} runs were" if len(runs) > 1 else "the run was"
    said.append(f"{told} still rising at epochs={cap}: raise epochs, or alpha or beta")
  early = [r for r in runs if r["epochs"] >= 2 * EARLY and r["best_epoch"] <= EARLY]
  if trained_ids and len(early) > len(runs) / 2:
    told = f"{len(early)} of {len(runs)} runs were" if len(runs) > 1 else "the run was"
    said.append(
      f"{told} best after epoch {EARLY} or before: tables learn rows by heart; a larger l2 "
      f"(now {config['l2']:g}), smaller embeddings or a smaller alpha keep them from it"
    )
  if diverged := sum(bool(r["diverged"]) for r in runs):
    said.append(f"{diverged} of {len(runs)} runs diverged: lower alpha or beta")
  return said


def late(run: Mapping, cap: int) -> bool:
  """Whether the best epoch of a run is among the last tenth, at least the last."""
  return run["epochs"] >= cap and run["best_epoch"] > cap - max(1, cap // 10)


def of_study(results: Mapping[str, Mapping]) -> list[str]:
  """Of experiments side by side that which takes longest, if by far."""
  seconds = {name: result["seconds"] for name, result in results.items()}
  if len(seconds) < 2:
    return []
  name = max(seconds, key=seconds.get)
  others = float(np.median([s for other, s in seconds.items() if other != name]))
  if seconds[name] < 60 or seconds[name] < LONGER * others:
    return []
  told = f"{name} took {seconds[name] / max(others, 1):.0f} times as long as the others"
  method = results[name]["config"]["method"]
  whole = method.get("visit_steps", 0) is None
  return [told + ("; method.visit_steps=5 takes less" if whole else "")]
