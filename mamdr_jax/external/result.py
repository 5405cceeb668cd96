"""Scores of another system become a result that a report reads beside those of methods here."""

import contextlib
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from mamdr_jax import files, keys, measures, metrics, report, results
from mamdr_jax.baselines import grouped_auc
from mamdr_jax.calibration import log_loss
from mamdr_jax.data.files import brief
from mamdr_jax.data.lookup import index, rows_of
from mamdr_jax.evaluate import by_name
from mamdr_jax.external.match import labels_of
from mamdr_jax.external.read import Scores, read
from mamdr_jax.external.rows import columns_of, data_of
from mamdr_jax.files import RESULT
from mamdr_jax.measures import Scored
from mamdr_jax.methods import METHODS
from mamdr_jax.metrics import Tally
from mamdr_jax.report.names import EXTERNAL, METHOD_TITLES, external
from mamdr_jax.report.results import RATES
from mamdr_jax.serve.ranks import Numbers

# How far rows are known to be the test rows: each of them, their numbers, or not at all.
ROWS, COUNTS, NOTHING = "rows", "counts", "nothing"
SAID = {
  ROWS: "they are of its test rows, each once",
  COUNTS: "they are of as many rows and positives in each domain; whether of the same rows was not "
  "looked at, as its data are not at hand (--trust reads the files that its config names)",
  NOTHING: "whether they are of its test rows could not be looked at: its data are not at hand "
  "(--trust reads the files that its config names), and its result does not say how many there are",
}


def import_scores(
  scores: str | os.PathLike,
  like: str | os.PathLike,
  name: str,
  out: str | os.PathLike,
  *,
  trust: bool = False,
) -> dict:
  """Makes `out` a workdir of the scores of another system, which a report takes for a method.

  They are compared with the test rows of `like`: each has to have one score in every run. Where its
  data are not at hand, rows and positives in each domain are compared with what its result says of
  them, and the report says that. AUC and what else the scores allow are computed here.

  Args:
    scores: a file with the columns of `write_rows` that tell a row, `score`, and perhaps its label
      and `run`, the seed of a run, by which runs are paired with those of methods.
    like: the workdir of an experiment that has ended, on the same data.
    name: of the method.
    out: a folder that is not there, or has such scores, which are replaced.
    trust: let the config of `like` say which files are read.

  Returns:
    The result.

  Raises:
    ValueError: a file is broken, or its rows are others.
  """
  like, out = Path(like), Path(out)
  there = report.read(like)
  _check(name, out, like, there)
  found = read(Path(scores), columns_of(there["config"]["data"]))
  domains = list(there["runs"][0]["test"]["auc"])
  domain = _domains(found, domains, like)
  label, checked = _compared(found, domain, domains, there, like, trust)
  user = Numbers()(*found.texts["user"])
  asked = there["config"].get(measures.MEASURES, ())
  runs = []
  for number, seed in enumerate(found.runs):
    own = found.run == number
    rows = Scored(found.score[own], label[own], user[own], domain[own])
    runs.append(
      {"seed": there["runs"][0]["seed"] if seed is None else seed}
      | dict.fromkeys(RATES, 0.0)
      | {"epochs": None, "best_epoch": None, "diverged": False, "checked": checked}
      | {"valid": unknown(domains), "test": figures(rows, domains, asked)}
    )
  config = {"data": there["config"]["data"], "model": {"name": EXTERNAL}, "method": {"name": name}}
  shared = {key: there[key] for key in ("ceiling", "baselines", "rows", "data") if key in there}
  result = {"config": config, "runs": runs, "scores": str(scores), "rates": [], **shared}
  out.mkdir(parents=True, exist_ok=True)
  results.write(out / RESULT, result)
  print(f"{scores}, compared with {like}: {SAID[checked]}", file=sys.stderr)
  return files.plain(result)


def figures(rows: Scored, domains: Sequence[str], asked: Collection[str] = ()) -> dict:
  """What a result has of a split: AUC, and log loss if all scores are from 0 to 1.

  Args:
    rows: their scores.
    domains: [D], names.
    asked: measures to take besides; those of probabilities if the scores are such.
  """
  num_domains, every, losses = len(domains), np.zeros_like(rows.domain), np.nan
  more = measures.measured([n for n in asked if n not in measures.OF_RATES], rows, num_domains)
  if ((rows.logit >= 0) & (rows.logit <= 1)).all():
    with np.errstate(divide="ignore"):
      logits = rows._replace(logit=np.log(rows.logit) - np.log1p(-rows.logit))
    losses = log_loss(logits.logit, rows.label, every, 1)[0] * every.size
    more |= measures.measured([n for n in asked if n in measures.OF_RATES], logits, num_domains)
  # As a run's are, so that the same scores have the same figures to the last digit.
  auc = grouped_auc(rows.logit, rows.label, rows.domain, num_domains)
  size = np.bincount(rows.domain, minlength=num_domains)
  told = metrics.figures(Tally(*map(jnp.asarray, (auc, size, ~np.isnan(auc), losses))))
  told = by_name(told, domains)
  return told | ({measures.MEASURES: measures.told(more, domains)} if asked else {})


def unknown(domains: Sequence[str]) -> dict:
  """What a result has of a split without scores."""
  return {"auc": dict.fromkeys(domains), "mean_auc": None, "weighted_auc": None, "log_loss": None}


def _check(name: str, out: Path, like: Path, there: Mapping) -> None:
  """Raises a ValueError for what cannot be asked."""
  if not name.strip() or name.partition("+")[0] in METHOD_TITLES.keys() | METHODS.keys():
    raise ValueError(f"name={name!r}: expected one that no method here has, as it is in tables")
  if external(there):
    raise ValueError(f"{like} has the scores of another system; name the workdir of an experiment")
  if out.exists() and any(out.iterdir()):
    ours = (out / RESULT).exists() and external(files.read_json(out / RESULT))
    if not ours:
      raise ValueError(f"{out} holds something else than scores; name another folder as --out")


def _domains(scores: Scores, domains: Sequence[str], like: Path) -> np.ndarray:
  """The number of the domain of every row; ValueError at the first that there is not."""
  codes, texts = scores.texts["domain"]
  domain = rows_of(index(np.array(domains, str)), codes, texts)
  if (domain < 0).any():
    at = int(np.argmax(domain < 0))
    name = brief(texts[codes[at]])
    raise ValueError(f"{scores.place(at)}: {like} has no domain {name!r}")
  return domain


def _compared(
  scores: Scores,
  domain: np.ndarray,
  domains: Sequence[str],
  there: Mapping,
  like: Path,
  trust: bool,
) -> tuple[np.ndarray, str]:
  """The label of every row, and how far these are known to be the test rows of an experiment."""
  dataset = None
  if trust or not keys.files_named(there["config"]):
    with contextlib.suppress(FileNotFoundError):
      dataset = data_of(like, trust)
  if dataset is not None:
    return labels_of(scores, dataset, str(like)), ROWS
  if scores.label is None:
    raise ValueError(
      f"{scores.path} has no column {scores.named['label']!r}, and the data of {like} are not at "
      "hand to take labels from; --trust reads the files that its config names"
    )
  if "tested" not in there:
    return scores.label, NOTHING
  expected = np.array([[*there["tested"][of].values()] for of in ("rows", "positives")], int)
  for run in range(len(scores.runs)):
    own = scores.run == run
    count = lambda weight, own=own: np.bincount(domain[own], weight, len(domains)).astype(int)
    found = np.stack([count(None), count(scores.label[own])])
    if (found != expected).any():
      d = int(np.argmax((found != expected).any(0)))
      (rows, positives), (true, liked) = found[:, d], expected[:, d]
      raise ValueError(
        f"{scores.path}{scores.of_run(run)}: domain {brief(domains[d])!r} has {rows:,} rows and "
        f"{positives:,} positives, and the test split of {like} has {true:,} and {liked:,}"
      )
  return scores.label, COUNTS
