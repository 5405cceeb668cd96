"""Which experiment stands for a model and a method on a data set, and the ranks of those."""

from typing import NamedTuple

import numpy as np

from mamdr_jax.metrics import rank
from mamdr_jax.report import names
from mamdr_jax.report.results import best_setting, mean_passes, over_seeds, standing


class Cell(NamedTuple):
  """A model trained by a method on a data set: of its experiments the best by validation AUC."""

  data: str  # as `names.data_names` has it
  model: str
  method: str
  experiment: str  # the name of the one that was chosen
  candidates: int  # among how many
  result: dict
  runs: list[dict]  # of its best rates, one a seed

  @property
  def row(self) -> str:
    return names.row_name(self.model, self.method)

  @property
  def domains(self) -> list[str]:
    return list(self.runs[0]["test"]["auc"])

  def auc(self, split: str = "test") -> np.ndarray:
    """AUC of every domain, the mean over seeds: [D]."""
    return over_seeds(self.runs, split, "auc").mean(0)

  @property
  def passes(self) -> float:
    return mean_passes(self.runs)


def choose(results: dict[str, dict]) -> list[Cell]:
  """A cell for every data set, model and method that there is, in the order of the tables."""
  data = names.data_names(results)
  candidates = {}
  for name, result in results.items():
    config = result["config"]
    key = data[name], config["model"]["name"], names.method_of(config)
    candidates.setdefault(key, []).append((name, result, best_setting(result)))
  cells = {}
  for key, entries in candidates.items():
    name, result, runs = max(entries, key=lambda entry: standing(entry[2]))
    cells[key] = Cell(*key, name, len(entries), result, runs)
  models = names.order((model for _, model, _ in cells), names.MODELS)
  methods = names.order((method for _, _, method in cells), names.METHODS)
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
  """(data set, model) -> its cells, one a method."""
  groups = {}
  for cell in cells:
    groups.setdefault((cell.data, cell.model), []).append(cell)
  return groups


def average_ranks(cells: list[Cell]) -> np.ndarray:
  """RANK of the cells of one data set among each other, by test AUC averaged over seeds: [cells].

  Luo et al. 2023, Table V: the rank in each domain, 1 the best and ties half, averaged over
  domains. What has no AUC ranks last.
  """
  auc = np.stack([cell.auc() for cell in cells])  # [cells, D]
  return rank(np.where(np.isnan(auc), -np.inf, auc))
