"""Search over rates: trials that are drawn, and those that are behind end at rungs.

Rungs and caps are counted in passes: gradients by how many one pass over the training data takes,
so that methods that look at more in an epoch have no more of them.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import qmc

from mamdr_jax import keys

DRAWS = ("random", "halton")


def points(config: Mapping) -> list[dict]:
  """The runs of a config: the product of what `sweep` gives, else the single values; or trials.

  Args:
    config: see `configure.make`. With `search.trials` that many rates are drawn, uniformly in the
      logarithm within `search.space`, each for every seed; the draw depends on nothing else but
      `search.draw`, and the first trials of more are those of fewer.
  """
  axes = {name: config["sweep"][name] or (config[name],) for name in keys.OF_RUN}
  grid = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
  trials, space = config["search"]["trials"], config["search"]["space"]
  if not trials:
    return grid
  found = []
  for point in _drawn(config["search"]["draw"], trials, len(space)):
    rates = {
      name: float(f"{least * (most / least) ** share:.3g}")
      for share, (name, least, most) in zip(point, space, strict=True)
    }
    found += [{"seed": seed} | {name: config[name] for name in keys.RATES} | rates
              for seed in axes["seed"]]  # fmt: skip
  return found


def _drawn(draw: str, trials: int, num_rates: int) -> np.ndarray:
  """Points of the unit cube: [trials, rates]."""
  if draw == "halton":
    return qmc.Halton(num_rates, scramble=False).fast_forward(1).random(trials)  # the first is 0
  return np.random.default_rng(0).random((trials, num_rates))


class Halving:
  """Which runs end after an epoch: those behind at a rung, and those that have had their passes.

  Asynchronous successive halving (Li et al. 2020, ASHA, Alg. 2): at a rung a run goes on if it is
  among the best 1 / keep of those that have come there so far, or the best. What was before a run
  decides alone, so that runs that go one after the other, or that were interrupted, end alike. Of
  runs of the same rates, which differ in their seed, the first decides for all.

  Args:
    points: the rates and seed of every run.
    rungs: passes, rising.
    keep: one of so many goes on.
    passes: at most so many for a run; 0 for no limit.
    num_minibatches: those of one pass.
  """

  def __init__(
    self,
    points: Sequence[Mapping],
    rungs: Sequence[float],
    keep: float,
    passes: float,
    num_minibatches: int,
  ):
    rates = [tuple(point[name] for name in keys.RATES) for point in points]
    self._first = [rates.index(of) for of in rates]
    self._rungs, self._keep, self._cap = tuple(rungs), keep, passes
    self._num_minibatches = num_minibatches
    self._at = [{} for _ in self._rungs]  # run -> its best validation AUC there
    self._ended = [set() for _ in self._rungs]  # those of these runs that ended there
    self._best, self._spent = {}, {}

  def __call__(self, told: Mapping) -> np.ndarray:
    """Of the runs that an epoch has told of, a line of the metrics or of `fit`, which end: bool."""
    ends = []
    for run, auc, passes in zip(
      told["run"], told["valid"]["mean_auc"], told["passes"], strict=True
    ):
      auc = -np.inf if auc is None or not np.isfinite(auc) else float(auc)
      self._best[run] = max(self._best.get(run, -np.inf), auc)
      self._spent[run] = self._spent.get(run, 0.0) + float(passes) / self._num_minibatches
      behind = [self._behind(k, run) for k in range(len(self._rungs))]
      ends.append(any(behind) or bool(self._cap and self._spent[run] >= self._cap))
    return np.array(ends, bool)

  def _behind(self, k: int, run: int) -> bool:
    """Whether a run comes to rung k now and is not good enough there."""
    at, first = self._at[k], self._first[run]
    if self._spent[run] < self._rungs[k]:
      return False
    if first != run:
      return first in self._ended[k]
    if run in at:
      return False
    better = sum(auc > self._best[run] for auc in at.values())
    at[run] = self._best[run]
    behind = better >= max(1, int(len(at) / self._keep))
    if behind:
      self._ended[k].add(run)
    return behind


def halving(config: Mapping, points: Sequence[Mapping], num_minibatches: int) -> Halving | None:
  """That of a config and its runs; None if all runs go on to their end."""
  search = config["search"]
  if not (search["rungs"] or search["passes"]):
    return None
  return Halving(points, search["rungs"], search["keep"], search["passes"], num_minibatches)
