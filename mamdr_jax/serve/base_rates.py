"""True rates of positives, for probabilities that were learned from some of the negatives."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from mamdr_jax.calibration import kept_share
from mamdr_jax.data.files import brief, check_columns
from mamdr_jax.data.lookup import distinct, index, rows_of
from mamdr_jax.serve.raw import Source, no_domain
from mamdr_jax.stored import Stored
from mamdr_jax.workdir.model import COUNTS

DOMAIN, RATE = "domain", "rate"  # the columns


class BaseRates(NamedTuple):
  """What probabilities are corrected by."""

  path: Path  # the file that they are from
  domains: tuple[str | None, ...]  # as rows have them: the model's, None, those that were added
  kept: np.ndarray  # of each, w of `calibration.corrected`; NaN where no rate is given

  def of(self, domain: np.ndarray, place) -> np.ndarray:
    """w of rows of these domains: [n]; ValueError at `place` of the first that has none."""
    kept = self.kept[domain]
    if np.isnan(kept).any():
      at = int(np.argmax(np.isnan(kept)))
      name = self.domains[domain[at]]
      name = "a domain not known" if name is None else f"domain {brief(name)!r}"
      raise ValueError(f"{place(at)}: {self.path} has no base rate of {name}")
    return kept


def read(source: Source, stored: Stored, added: Stored | None = None) -> BaseRates:
  """Rates of a file with the columns `domain` and `rate`, the share of positives of all rows.

  They are of domains of the model, or of those that were `added` to it, see `added.joined`.

  Raises:
    ValueError: a domain is not known or comes twice, a rate is not between 0 and 1, training had
      rows of one label alone, or the model does not tell how many it had.
  """
  if stored.counts is None:
    raise ValueError(
      f"{stored.path} has no {COUNTS!r}, the rates in training: an earlier version stored it; make "
      "it again, with python -m mamdr_jax.serve store"
    )
  check_columns(source.path, [DOMAIN, RATE], source.table.column_names)
  known, counts, num = stored.domains, stored.counts, len(stored.domains)
  if added:
    known, counts = known + added.domains, np.concatenate([counts, added.counts])
  cells = distinct(source.path, DOMAIN, source.table[DOMAIN])
  domain = rows_of(index(np.array(known, str)), *cells)
  codes, texts = distinct(source.path, RATE, source.table[RATE])
  rate = np.array([_number(text) for text in texts])[codes]
  names = [cells[1][code] for code in cells[0]]

  def refuse(wrong: np.ndarray, says) -> None:
    if wrong.any():
      at = int(np.argmax(wrong))
      raise ValueError(f"{source.place(at)}: {says(at)}")

  refuse(domain < 0, lambda at: no_domain(names[at], known).rstrip("; "))
  again = np.ones(domain.size, bool)
  again[np.unique(domain, return_index=True)[1]] = False
  refuse(again, lambda at: f"domain {brief(names[at])!r} comes a second time")
  expected = "expected a number between 0 and 1"
  refuse(
    ~((rate > 0) & (rate < 1)), lambda at: f"the rate is {brief(texts[codes[at]])!r}, {expected}"
  )
  negatives, positives = counts[domain].T
  one = "training had rows of one label alone, which no rate corrects"
  refuse(positives * negatives == 0, lambda at: f"of domain {brief(names[at])!r} {one}")
  kept = np.full(len(known) + 1, np.nan)
  kept[domain + (domain >= num)] = kept_share(positives / (positives + negatives), rate)
  return BaseRates(source.path, (*known[:num], None, *known[num:]), kept)


def _number(text: str) -> float:
  try:
    return float(text)
  except ValueError:
    return float("nan")
