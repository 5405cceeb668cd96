"""The paper's comparisons as tables: forms V, VI, VII and X of Luo et al. 2023.

Figures are test figures of the best rates by validation AUC, mean ± sample standard deviation over
replicates, the best in bold; `passes` are gradient evaluations of an epoch. With `paper` the
paper's value on its own data stands in parentheses where it has one in that place. Item popularity,
where it is known, is in forms V, VI and VII, and has no part in RANK or in what is bold.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mamdr_jax.distribution import domain_rows, mean, spectrum
from mamdr_jax.markdown import table
from mamdr_jax.report import names, paper
from mamdr_jax.report.cells import Cell, average_ranks, by_data, by_model
from mamdr_jax.report.results import (
  baselines,
  ceiling,
  domain_auc,
  measurable,
  over_runs,
  rows_of,
)
from mamdr_jax.report.tables import (
  CEILING,
  MEAN,
  NONE,
  POPULARITY,
  beside,
  bold,
  count,
  decimal,
  marked,
  measured,
  spread,
)

ABLATION = {  # method -> what Table VI calls it, after the model
  "mamdr": "MAMDR (DN+DR)",
  "domain_regularization": "w/o DN",
  "domain_negotiation": "w/o DR",
  "alternate": "w/o DN+DR",
}


def average_table(cells: list[Cell], with_paper: bool = False) -> str:
  """Form V: mean AUC, RANK among all rows, and passes; a row a model and method."""
  rows = {(cell.model, cell.method): cell.row for cell in cells}
  return _averages(cells, rows, with_paper)


def ablation_table(cells: list[Cell], model: str, with_paper: bool = False) -> str:
  """Form VI, of a model: MAMDR without DN, without DR and without both; RANK as in form V."""
  called = names.model_name(model)
  there = {cell.method for cell in cells if cell.model == model}
  rows = {
    (model, method): f"{called}+{text}" if method == "mamdr" else text
    for method, text in ABLATION.items()
    if method in there
  }
  return _averages(cells, rows, with_paper)


def _averages(cells: list[Cell], rows: dict[tuple[str, str], str], with_paper: bool) -> str:
  header, columns, popularity = ["method"], [list(rows.values())], [POPULARITY]
  for data, group in by_data(cells).items():
    known = {
      (cell.model, cell.method): (cell, rank)
      for cell, rank in zip(group, average_ranks(group), strict=True)
    }
    header += [f"{data}: AUC", "RANK", "passes"]
    found = [known.get(row) for row in rows]
    auc = bold(
      [measured(f[0].runs, "test", "mean_auc") if f else "" for f in found],
      [_mean(f[0]) if f else np.nan for f in found],
    )
    ranks = bold(
      [f"{f[1]:.1f}" if f else "" for f in found], [-f[1] if f else -np.inf for f in found]
    )
    if with_paper:
      values = [
        (paper.average(f[0].config["data"], *row) if f else None) or (None, None)
        for f, row in zip(found, rows, strict=True)
      ]
      auc = [beside(text, value) for text, (value, _) in zip(auc, values, strict=True)]
      ranks = [beside(text, value, 1) for text, (_, value) in zip(ranks, values, strict=True)]
    columns += [auc, ranks, [count(f[0].passes) if f else "" for f in found]]
    simple = baselines([run for cell in group for run in cell.runs])
    popularity += [spread(over_runs(simple, "test", "mean_auc")) if simple else "", "", ""]
  lines = list(zip(*columns, strict=True)) + ([popularity] if any(popularity[1:]) else [])
  return table(header, lines)


def framework_table(cells: list[Cell], with_paper: bool = False) -> str:
  """Form X, of one data set: a row a model, a column a method, the best of a row in bold.

  The last row has the passes of a method as a multiple of alternate's, its mean over the models.
  """
  known = {(cell.model, cell.method): cell for cell in cells}
  methods = names.order((cell.method for cell in cells), names.METHOD_TITLES)
  rows = []
  for model in names.order((cell.model for cell in cells), names.MODEL_TITLES):
    found = [known.get((model, method)) for method in methods]
    texts = bold(
      [measured(cell.runs, "test", "mean_auc") if cell else "" for cell in found],
      [_mean(cell) if cell else np.nan for cell in found],
    )
    if with_paper:
      values = [paper.framework(model, method) for method in methods]
      texts = [
        beside(text, value) if text else "" for text, value in zip(texts, values, strict=True)
      ]
    rows.append([names.model_name(model), *texts])
  ratios = []
  for method in methods:
    pairs = [(cell.passes, known.get((model, "alternate")))
             for (model, own), cell in known.items() if own == method]  # fmt: skip
    ratio = [passes / base.passes for passes, base in pairs if base]
    ratio = [value for value in ratio if np.isfinite(value)]
    ratios.append(f"{np.mean(ratio):.2f} ×" if ratio else NONE)
  rows.append(["passes, of alternate's", *ratios])
  return table(["model", *map(names.method_name, methods)], rows)


def domain_comparison(cells: list[Cell], with_paper: bool = False) -> str:
  """Form VII, of a model on a data set: a row a domain, a column a method; at last the passes.

  Of very many domains there are the quantiles over them of AUC averaged over replicates, and the
  largest, and the best and worst by the mean over methods.
  """
  every = [run for cell in cells for run in cell.runs]
  auc = [cell.auc() for cell in cells]  # [D] each
  listed = domain_rows(cells[0].domains, rows_of(every), mean(np.stack(auc)))
  beside_them, known = _beside_methods(every), [_known(cell.runs) for cell in cells]
  rows = []
  for name, values in spectrum([*auc, *(column.auc for column in beside_them)]):
    texts = bold([*map(decimal, values[: len(cells)])], values[: len(cells)])
    rows.append([name, *texts, *map(decimal, values[len(cells) :])])
  for name, d in listed:
    texts = bold(
      [marked(spread(of(d)), cell.runs) for of, cell in zip(known, cells, strict=True)],
      [of[d] for of in auc],
    )
    if with_paper:
      texts = [
        beside(text, paper.domain(c.config["data"], c.model, c.method, c.domains[d]))
        for text, c in zip(texts, cells, strict=True)
      ]
    rows.append([name, *texts, *(column.text(d) for column in beside_them)])
  means = bold([measured(c.runs, "test", "mean_auc") for c in cells], [_mean(c) for c in cells])
  rows.append([MEAN, *means, *(column.mean for column in beside_them)])
  rows.append(["passes", *(count(c.passes) for c in cells), *[""] * len(beside_them)])
  header = ["domain", *(names.method_name(c.method) for c in cells)]
  return table([*header, *(column.title for column in beside_them)], rows)


class _Column(NamedTuple):
  """One of form VII that is no method's."""

  title: str
  auc: np.ndarray  # [D]
  text: Callable[[int], str]  # of a domain
  mean: str


def _beside_methods(runs: list[dict]) -> list[_Column]:
  """Item popularity, and the ceiling of synthetic data, where they are known."""
  columns, simple, highest = [], baselines(runs), ceiling(runs)
  if simple:
    average = spread(over_runs(simple, "test", "mean_auc"))
    known = _known(simple)
    columns.append(
      _Column(POPULARITY, domain_auc(simple, "test"), lambda d: spread(known(d)), average)
    )
  if highest:
    auc = np.array(list(highest[0].values()))
    columns.append(_Column(CEILING, auc, lambda d: decimal(auc[d]), decimal(highest[1])))
  return columns


def _known(runs: list[dict]) -> Callable[[int], np.ndarray]:
  """Domain -> its test AUC in the runs in which it has one."""
  auc, there = over_runs(runs, "test", "auc"), measurable(runs, "test")
  return lambda domain: auc[there[:, domain], domain]


def improvements(cells: list[Cell]) -> list[str]:
  """A sentence a data set: in how many of the models MAMDR's mean test AUC is above alternate's."""
  sentences = []
  for data in by_data(cells):
    gains = {}
    for (where, model), group in by_model(cells).items():
      mean = {cell.method: _mean(cell) for cell in group}
      if where == data and {"mamdr", "alternate"} <= mean.keys():
        gains[names.model_name(model)] = mean["mamdr"] - mean["alternate"]
    if gains:
      told = ", ".join(f"{model} {gain:+.4f}" for model, gain in gains.items())
      above = sum(gain > 0 for gain in gains.values())
      sentences.append(
        f"On {data}, MAMDR's mean test AUC is above alternate training's in {above} of "
        f"{len(gains)} models ({told})."
      )
  return sentences


def _mean(cell: Cell) -> float:
  return float(over_runs(cell.runs, "test", "mean_auc").mean())
