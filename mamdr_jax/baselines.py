"""What needs no training: popularity of items, the base rate, and the truth of synthetic data."""

import jax.numpy as jnp
import numpy as np

from mamdr_jax.data import SPLITS, Dataset
from mamdr_jax.metrics import grouped_auc


def baselines(dataset: Dataset) -> dict[str, dict]:
  """`valid` and `test` -> figures in the form of `metrics.summary`, AUC by name of the domain.

  AUC are those of an item's number of training positives in the domain, NaN where a domain lacks a
  label, and left out of their means there. The log loss, in nats, is that of the share of positives
  among the domain's training rows, predicted for each of its rows; shares of 0 or 1 count as if
  half a row had the other label.
  """
  num_domains, train = len(dataset.domains), dataset.split == SPLITS.index("train")
  score = popularity(dataset)
  rows = np.bincount(dataset.domain[train], minlength=num_domains)
  positives = np.bincount(dataset.domain[train], dataset.label[train], num_domains)
  rate = np.clip(positives, 0.5, rows - 0.5) / rows
  figures = {}
  for name in SPLITS[1:]:
    split = dataset.split == SPLITS.index(name)
    auc = domain_auc(dataset, score, name)
    size, there = np.bincount(dataset.domain[split], minlength=num_domains), ~np.isnan(auc)
    predicted = rate[dataset.domain[split]]
    likelihood = np.where(dataset.label[split] == 1, predicted, 1 - predicted)
    figures[name] = {
      "auc": dict(zip(dataset.domains, auc.tolist(), strict=True)),
      "mean_auc": float(auc[there].mean()),
      "weighted_auc": float((auc * size)[there].sum() / size[there].sum()),
      "log_loss": float(-np.log(likelihood).mean()),
    }
  return figures


def popularity(dataset: Dataset) -> np.ndarray:
  """The number of training positives of a row's item in its domain: [n]."""
  item = dataset.domain.astype(np.int64) * len(dataset.vocab["item"]) + dataset.ids["item"]
  _, number = np.unique(item, return_inverse=True)
  counted = (dataset.split == SPLITS.index("train")) & (dataset.label == 1)
  return np.bincount(number[counted], minlength=number.max() + 1)[number]


def ceiling(dataset: Dataset, split: str = "test") -> dict | None:
  """AUC per domain of the score that drew the labels, and its mean, if the data are synthetic."""
  if dataset.truth is None:
    return None
  auc = domain_auc(dataset, dataset.truth, split)
  mean = auc[~np.isnan(auc)].mean()
  return {"auc": dict(zip(dataset.domains, auc.tolist(), strict=True)), "mean_auc": mean}


def domain_auc(dataset: Dataset, score: np.ndarray, split: str) -> np.ndarray:
  """AUC of every domain from a score of every row, [n]: [D]."""
  rows = dataset.split == SPLITS.index(split)
  columns = (score, dataset.label, np.ones(len(rows)), dataset.domain)
  score, label, weight, domain = (jnp.asarray(column[rows]) for column in columns)
  score, label, weight = (x.astype(jnp.float32) for x in (score, label, weight))
  return np.asarray(grouped_auc(score, label, weight, domain, len(dataset.domains)))
