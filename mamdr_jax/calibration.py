"""Whether probabilities are the rates at which labels come, domain by domain, and what corrects
those that were learned from some of the negatives."""

import numpy as np

BINS = 10


def probability(logits: np.ndarray) -> np.ndarray:
  """1 / (1 + e⁻ˣ) in float64, in which logits that differ stay apart."""
  with np.errstate(over="ignore"):
    return 1 / (1 + np.exp(-np.asarray(logits, np.float64)))


def pcoc(
  predicted: np.ndarray, label: np.ndarray, domain: np.ndarray, num_domains: int
) -> np.ndarray:
  """Predicted over observed rate, the mean probability over the share of positives: [D].

  1 is right, above is too high. NaN where a domain has no positive.

  Args:
    predicted: [n], probabilities of the label 1.
    label: [n], 0 or 1.
    domain: [n] integer.
    num_domains: D.
  """
  positives = np.bincount(domain, label, num_domains)
  total = np.bincount(domain, predicted, num_domains)
  return np.divide(total, positives, out=np.full(num_domains, np.nan), where=positives > 0)


def ece(
  predicted: np.ndarray,
  label: np.ndarray,
  domain: np.ndarray,
  num_domains: int,
  bins: int = BINS,
) -> np.ndarray:
  """Expected calibration error with bins of equal mass: [D], NaN where a domain has no rows.

  The rows of a domain, by rising probability, make `bins` bins of as many rows each, those of
  equal probability in that of the first of them. It is Σ share of the bin · |mean probability −
  share of positives in it|. Of few rows it is large by chance. The rest is as for `pcoc`.
  """
  order = np.lexsort((predicted, domain))
  predicted, label, domain = (np.asarray(x)[order] for x in (predicted, label, domain))
  rows = np.bincount(domain, minlength=num_domains)
  opens, index = np.ones(domain.size, bool), np.arange(domain.size)
  opens[1:] = (domain[1:] != domain[:-1]) | (predicted[1:] != predicted[:-1])
  first = np.maximum.accumulate(np.where(opens, index, 0)) - (np.cumsum(rows) - rows)[domain]
  cell = domain.astype(np.int64) * bins + first * bins // rows[domain]
  gap = np.bincount(cell, predicted - label, num_domains * bins).reshape(-1, bins)
  total = np.abs(gap).sum(1)
  return np.divide(total, rows, out=np.full(num_domains, np.nan), where=rows > 0)


def log_loss(
  logit: np.ndarray, label: np.ndarray, domain: np.ndarray, num_domains: int
) -> np.ndarray:
  """Mean binary cross entropy of every domain, from logits [n]: [D] nats, NaN without rows."""
  logit = np.asarray(logit, np.float64)
  total = np.bincount(domain, np.logaddexp(0, np.where(label > 0, -logit, logit)), num_domains)
  rows = np.bincount(domain, minlength=num_domains)
  return np.divide(total, rows, out=np.full(num_domains, np.nan), where=rows > 0)


def corrected(logits: np.ndarray, kept: np.ndarray | float) -> np.ndarray:
  """Logits among all impressions, of those learned where a share w = `kept` of negatives was.

  Of probabilities that is p ← p / (p + (1 − p) / w), of logits x ← x + log w. It is right where
  chance alone decided which negatives were kept. Order within a domain is as before.
  """
  return np.asarray(logits, np.float64) + np.log(kept)


def kept_share(trained: np.ndarray, true: np.ndarray) -> np.ndarray:
  """w of `corrected` where the share of positives is `trained` in training rows, and truly `true`.

  w is the negatives that were trained on over all that there are; above 1 where more were drawn.
  """
  return true / (1 - true) * (1 - trained) / trained
