"""What a stored model is worth on rows of a file that have labels, domain by domain."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mamdr_jax import measures
from mamdr_jax.baselines import grouped_auc
from mamdr_jax.data.files import brief, check_columns
from mamdr_jax.data.lookup import distinct
from mamdr_jax.measures import Measure, Scored
from mamdr_jax.serve.model import Model
from mamdr_jax.serve.predict import Rows
from mamdr_jax.serve.ranks import Numbers
from mamdr_jax.serve.raw import ERROR, Reader, Source
from mamdr_jax.serve.score import numbered
from mamdr_jax.train.parts import ahead

LABELS = {"0": 0, "1": 1}


class Labelled(NamedTuple):
  """Rows of a file, scored; texts are numbered as they come, those of the model's domains first."""

  rows: Rows  # as the model reads them
  scored: Scored  # [n]; users and domains by text, so that those not known differ
  item: np.ndarray  # [n], by text
  domains: list[str]  # [D], names
  numbers: dict[str, Numbers]  # "user", "item" and "domain"


class Figures(NamedTuple):
  """What rows come to, of the domains that have some."""

  domains: list[str]  # [D], names
  rows: np.ndarray  # [D]
  positives: np.ndarray  # [D]
  measures: dict[str, Measure]  # "auc" the first


def evaluate(labelled: Labelled, k: int = 10) -> Figures:
  """AUC, GAUC, NDCG@k, HR@k, PCOC, ECE and log loss of rows."""
  scored, num_domains = labelled.scored, len(labelled.domains)
  names = "gauc", f"ndcg@{k}", f"hr@{k}", "calibration", "log_loss"
  count = lambda weight: np.bincount(scored.domain, weight, num_domains).astype(np.int64)
  auc = grouped_auc(scored.logit, scored.label, scored.domain, num_domains).astype(float)
  auc[count(np.isnan(scored.logit)) > 0] = np.nan
  found = {"auc": Measure(auc)} | measures.measured(names, scored, num_domains)
  return Figures(labelled.domains, count(None), count(scored.label), found)


def of_some(figures: Figures) -> Figures:
  """Without the domains that have no rows."""
  some = figures.rows > 0
  picked = {
    name: Measure(of.value[some], of.users and type(of.users)(*(x[some] for x in of.users)))
    for name, of in figures.measures.items()
  }
  names = [name for name, there in zip(figures.domains, some, strict=True) if there]
  return Figures(names, figures.rows[some], figures.positives[some], picked)


def read(model: Model, source: Path, unknown_domain: str = ERROR) -> Labelled:
  """The rows of a file and their scores; all of them are in memory.

  Args:
    model: what scores. Its base rates, if it has them, are in the logits.
    source: a .csv, .csv.gz or .parquet file with the columns that the model reads, and its labels
      in the column that had them in training, or `label`.
    unknown_domain: see `Model.score`; of "shared", a domain that is not known has a name and
      figures of its own.

  Raises:
    ValueError: as for `score_file`, or a label is neither 0 nor 1.
  """
  reader = model.reader(unknown_domain)
  data = model.stored.about["config"]["data"]
  label = (data.get("label") if data["name"] == "table" else None) or "label"
  numbers = {"user": Numbers(), "item": Numbers(), "domain": Numbers(model.domains)}
  found = list(_scored(model, reader, source, label, numbers))
  rows, logit, labels, *texts = zip(*found, strict=True)
  user, item, domain = (np.concatenate(x) for x in texts)
  return Labelled(
    rows=together(rows),
    scored=Scored(np.concatenate(logit), np.concatenate(labels), user, domain),
    item=item,
    domains=list(numbers["domain"].of),
    numbers=numbers,
  )


def _scored(model: Model, reader: Reader, source: Path, label: str, numbers) -> Iterator[tuple]:
  """Block after block: rows, logits, labels, and numbers of users, items and domains."""
  named = reader.columns.ids | {"domain": reader.columns.domain}
  for of, rows, _ in ahead(numbered(reader, source)):
    texts = (numbers[key](*distinct(source, named[key], of.table[named[key]])) for key in numbers)
    yield rows, model.logits(rows, of.place), labels_of(of, label), *texts


def labels_of(source: Source, name: str) -> np.ndarray:
  """The labels of rows, [n] int8; ValueError at the first that is neither 0 nor 1."""
  check_columns(source.path, [name], source.table.column_names)
  codes, texts = distinct(source.path, name, source.table[name])
  known = np.array([LABELS.get(x.lower().removesuffix(".0"), -1) for x in texts], np.int8)
  wrong = known[codes] < 0
  if wrong.any():
    at = int(np.argmax(wrong))
    cell = brief(texts[codes[at]])
    raise ValueError(f"{source.place(at)}: the {name} is {cell!r}, expected 0 or 1")
  return known[codes]


def together(parts: tuple[Rows, ...]) -> Rows:
  """The rows of all parts."""
  join = lambda columns: {name: np.concatenate([c[name] for c in columns]) for name in columns[0]}
  ids, dense, domain = zip(*parts, strict=True)
  return Rows(join(ids), join(dense), np.concatenate(domain))
