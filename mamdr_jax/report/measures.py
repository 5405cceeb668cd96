"""What results have beside AUC, as `measures.py` names it: a table a data set."""

import re

import numpy as np

from mamdr_jax.markdown import table
from mamdr_jax.measures import COUNTED, LEFT_OUT, MEAN, MEASURES, SAMPLED
from mamdr_jax.report.cells import Cell, by_data
from mamdr_jax.report.tables import bold, marked, spread

TITLES = {"gauc": "GAUC", "pcoc": "PCOC", "ece": "ECE", "log_loss": "log loss"}
NOTE = f"""\
Test figures, plain means over the domains that have one. GAUC is the AUC of a user's rows within a
domain, averaged over users by their rows. PCOC is the mean prediction over the rate of positives,
best at 1; ECE is over ten bins of equal mass. Both, and the log loss, are of the rows as they are:
where negatives were drawn, not of all impressions.

{SAMPLED}"""


def measure_sections(cells: list[Cell]) -> list[tuple[str, str]]:
  """(heading, Markdown) of every data set some of whose cells have measures."""
  return [
    (f"Measures beside AUC on {data}", f"{measure_table(group)}\n\n{NOTE}{told(group)}")
    for data, group in by_data(cells).items()
    if any(map(measures_of, group))
  ]


def measures_of(cell: Cell) -> list[str]:
  """The names of those that all its runs have."""
  first, *others = (run["test"].get(MEASURES, {}) for run in cell.runs)
  return [name for name in first if all(name in other for other in others)]


def measure_table(cells: list[Cell]) -> str:
  """A row a cell, a column a measure: mean ± deviation over replicates, the best in bold."""
  names = list(dict.fromkeys(name for cell in cells for name in measures_of(cell)))
  columns = []
  for name in names:
    values = [over_runs(cell, name) if name in measures_of(cell) else None for cell in cells]
    texts = [
      "" if v is None else marked(spread(v), c.runs) for v, c in zip(values, cells, strict=True)
    ]
    means = [np.nan if v is None else goodness(name, v.mean()) for v in values]
    columns.append(bold(texts, means) if len(cells) > 1 else texts)
  rows = [[cell.row, *texts] for cell, *texts in zip(cells, *columns, strict=True)]
  return table(["method", *map(title, names)], rows)


def over_runs(cell: Cell, name: str) -> np.ndarray:
  """The mean over domains in each run: [runs]."""
  return np.array([run["test"][MEASURES][name][MEAN] for run in cell.runs], float)


def goodness(name: str, value: float) -> float:
  """What is the larger the better."""
  if name == "pcoc":
    return -abs(np.log(value)) if value > 0 else -np.inf
  return -value if name in ("ece", "log_loss") else value


def title(name: str) -> str:
  """How tables call a measure: "NDCG@10" for "ndcg@10"."""
  return TITLES.get(name) or re.sub("^[a-z]+", lambda kind: kind[0].upper(), name)


def told(cells: list[Cell]) -> str:
  """A sentence about the users that measures count, of the first run that has them."""
  for cell in cells:
    found = {name: cell.runs[0]["test"][MEASURES][name] for name in measures_of(cell)}
    said = [
      f"{title(name)} {one[COUNTED]:,} ({one[LEFT_OUT]:,} left out)"
      for name, one in found.items()
      if COUNTED in one
    ]
    if said:
      return f"\nUsers of all domains that count: {', '.join(said)}."
  return ""
