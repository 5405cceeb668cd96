"""Which experiment stands for a model and a method on a data set, and the ranks of those."""

from typing import NamedTuple

import numpy as np

from mamdr_jax.metrics import rank
from mamdr_jax.report import names
from mamdr_jax.report.replicates import common_name, merged, pool
from mamdr_jax.report.results import (
  best_setting,
  domain_auc,
  draw,
  mean_passes,
  measurable,
  preference,
)


class Cell(NamedTuple):
  """A model trained by a method on a data set: of its experiments the best by validation AUC."""

  data: str  # as `names.data_names` has it
  model: str
  method: str
  candidates: int  # among how many experiments, replicates counted as one, it was chosen
  config: dict
  runs: list[dict]  # of its best rates, one a replicate, as `replicates.pool` has them

  @property
  def row(self) -> str:
    return names.row_name(self.model, self.method)

  @property
  def experiment(self) -> str:
    """What the experiments that the runs are of are called together."""
    return common_name(list(dict.fromkeys(run["experiment"] for run in self.runs)))

  @property
  def domains(self) -> list[str]:
    return list(self.runs[0]["test"]["auc"])

  def auc(self, split: str = "test") -> np.ndarray:
    """`results.domain_auc`: the mean over replicates, [D]."""
    return domain_auc(self.runs, split)

  @property
  def passes(self) -> float:
    return mean_passes(self.runs)


def cells_of(results: dict[str, dict]) -> list[Cell]:
  """A cell for every data set, model and method that there is, in the order of the tables.

  Rates are chosen among all runs that have the other settings in common, whichever experiments
  they are of: by their mean over replicates, and so the same for all splits.
  """
  results = pool(results)
  data = names.data_names(results)
  places = {}  # of the table -> settings -> results
  for name, result in results.items():
    config = result["config"]
    key = data[name], config["model"]["name"], names.method_of(config)
    places.setdefault(key, {}).setdefault(names.identity(result), []).append(result)
  cells = {}
  for key, alike in places.items():
    configs = [group[0]["config"] for group in alike.values()]
    runs = [best_setting({"runs": merged(group)}) for group in alike.values()]
    best = max(range(len(runs)), key=lambda i, runs=runs: preference(runs[i]))
    candidates = sum(map(len, alike.values()))
    cells[key] = Cell(*key, candidates, configs[best], runs[best])
  models = names.order((model for _, model, _ in cells), names.MODEL_TITLES)
  methods = names.order((method for _, _, method in cells), names.METHOD_TITLES)
  keys = (
    (d, model, method)
    for d in dict.fromkeys(data.values())
    for model in models
    for method in methods
  )
  return [cells[key] for key in keys if key in cells]


def by_data(cells: list[Cell]) -> dict[str, list[Cell]]:
  """name of a data set -> its cells."""
  groups = {}
  for cell in cells:
    groups.setdefault(cell.data, []).append(cell)
  return groups


def by_model(cells: list[Cell]) -> dict[tuple[str, str], list[Cell]]:
  """(data set, model) -> its cells, one a method; other systems are beside every model's."""
  groups = {}
  for cell in cells:
    groups.setdefault((cell.data, cell.model), []).append(cell)
  for data in by_data(cells):
    others = groups.get((data, names.EXTERNAL))
    models = [key for key in groups if key[0] == data and key[1] != names.EXTERNAL]
    if others and models:
      del groups[data, names.EXTERNAL]
      for key in models:
        groups[key] += others
  return groups


def fewer_draws(cells: list[Cell]) -> list[tuple[Cell, int, int]]:
  """(cell, its draws of the data, all draws) of those that lack some of their data set's draws."""
  lacking = []
  for group in by_data(cells).values():
    draws = [set(map(draw, cell.runs)) for cell in group]
    every = set().union(*draws)
    lacking += [(c, len(d), len(every)) for c, d in zip(group, draws, strict=True) if d < every]
  return lacking


def average_ranks(cells: list[Cell]) -> np.ndarray:
  """RANK of the cells of one data set among each other, by test AUC averaged over replicates.

  Luo et al. 2023, Table V: the rank in each domain, 1 the best and ties half, averaged over
  domains: [cells]. What has diverged ranks last; a domain that has no AUC in a cell does not count.
  """
  auc = np.stack([cell.auc() for cell in cells])  # [cells, D]
  return np.asarray(rank(auc[:, ranked(cells)]))


def ranked(cells: list[Cell]) -> np.ndarray:
  """Which domains have an AUC in every cell, if its runs have not diverged: [D] bool."""
  return np.all([measurable(cell.runs, "test").any(0) for cell in cells], axis=0)
