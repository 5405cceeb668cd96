"""What needs no training: popularity of items, the base rate, and the truth of synthetic data.

It is counted on the host, a block of whole domains at a time: its time is linear in the rows, and
its memory beyond them is that of a block.
"""

import numpy as np

from mamdr_jax.data import SPLITS, Dataset
from mamdr_jax.data.blocks import by_block, count_rows


def baselines(dataset: Dataset) -> dict[str, dict]:
  """`valid` and `test` -> figures in the form of `metrics.figures`, AUC by name of the domain.

  AUC are those of an item's number of training positives in the domain, NaN where a domain lacks a
  label, and left out of their means there. The log loss, in nats, is that of the share of positives
  among the domain's training rows, predicted for each of its rows; shares of 0 or 1 count as if
  half a row had the other label.
  """
  counts = count_rows(dataset)
  by_split = {name: counts[:, SPLITS.index(name)] for name in SPLITS}  # [D, 2]
  rows = by_split["train"].sum(1)
  rate = np.clip(by_split["train"][:, 1], 0.5, rows - 0.5) / rows
  loss = -np.log(np.stack([1 - rate, rate], 1))  # of a row by its label, [D, 2]
  aucs = {name: np.empty(len(counts), np.float32) for name in SPLITS[1:]}
  for domains, block in by_block(dataset, counts.sum((1, 2))):
    split, label, domain = dataset.split[block], dataset.label[block], dataset.domain[block]
    domain = domain.astype(np.int64) - domains.start
    pair = domain * len(dataset.vocab["item"]) + dataset.ids["item"][block]
    liked = np.sort(pair[(split == SPLITS.index("train")) & (label == 1)])
    for name, auc in aucs.items():
      own = split == SPLITS.index(name)
      auc[domains] = grouped_auc(
        occurrences(liked, pair[own]), label[own], domain[own], domains.stop - domains.start
      )
  figures = {}
  for name, auc in aucs.items():
    size, there = by_split[name].sum(1), ~np.isnan(auc)
    figures[name] = {
      "auc": dict(zip(dataset.domains, auc.tolist(), strict=True)),
      "mean_auc": float(auc[there].mean()),
      "weighted_auc": float((auc * size)[there].sum() / size[there].sum()),
      "log_loss": float((by_split[name] * loss).sum() / size.sum()),
    }
  return figures


def ceiling(dataset: Dataset, split: str = "test") -> dict | None:
  """AUC per domain of the score that drew the labels, and its mean, if the data are synthetic."""
  if dataset.truth is None:
    return None
  auc = np.empty(len(dataset.domains), np.float32)
  for domains, block in by_block(dataset, count_rows(dataset).sum((1, 2))):
    own = dataset.split[block] == SPLITS.index(split)
    truth, label, domain = (x[block][own] for x in (dataset.truth, dataset.label, dataset.domain))
    auc[domains] = grouped_auc(truth, label, domain - domains.start, domains.stop - domains.start)
  mean = auc[~np.isnan(auc)].mean()
  return {"auc": dict(zip(dataset.domains, auc.tolist(), strict=True)), "mean_auc": mean}


def occurrences(known: np.ndarray, asked: np.ndarray) -> np.ndarray:
  """How often each of `asked: [n]` is among `known: [m]`, which rises: [n]."""
  return np.searchsorted(known, asked, "right") - np.searchsorted(known, asked, "left")


def grouped_auc(
  score: np.ndarray, label: np.ndarray, group: np.ndarray, num_groups: int
) -> np.ndarray:
  """`metrics.grouped_auc` of rows [n] of weight 1, counted in integers on the host: [G] float32.

  No score may be NaN.
  """
  order = np.lexsort((score, group))
  score, label, group = score[order], label[order].astype(np.int64), group[order]
  opens = np.ones(len(score), bool)  # a tie
  opens[1:] = (score[1:] != score[:-1]) | (group[1:] != group[:-1])
  opens = np.flatnonzero(opens)
  group = group[opens]
  positive, negative = np.add.reduceat(label, opens), np.add.reduceat(1 - label, opens)
  count = lambda rows: np.bincount(group, rows, num_groups)  # in float64, which is exact to 2⁵³
  num_positive, num_negative = count(positive), count(negative)
  below = np.cumsum(negative) - negative - (np.cumsum(num_negative) - num_negative)[group]
  won = count(positive * (2 * below + negative))
  won, num_positive, num_negative = (
    x.astype(np.float32) for x in (won, num_positive, num_negative)
  )
  with np.errstate(invalid="ignore"):
    return won / num_negative / num_positive / np.float32(2)
