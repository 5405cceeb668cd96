"""The counts of a data set in the form of the paper's Tables I-IV."""

import numpy as np

from mamdr_jax import markdown
from mamdr_jax.data.dataset import SPLITS, Dataset


def statistics(dataset: Dataset) -> str:
  """Markdown: overall counts (Luo et al. 2023, Table I), counts per domain (II-IV), and notes."""
  num_domains, num_rows = len(dataset.domains), len(dataset.label)
  train, valid, test = np.bincount(dataset.split, minlength=len(SPLITS))
  overall = markdown.table(
    ("#Domain", "#User", "#Item", "#Train", "#Val", "#Test", "Sample / Domain"),
    [
      [
        f"{count:,}"
        for count in (
          *(num_domains, len(dataset.vocab["user"]), len(dataset.vocab["item"])),
          *(train, valid, test, num_rows // num_domains),
        )
      ]
    ],
    right=True,
  )
  rows = np.bincount(dataset.domain, minlength=num_domains)
  positives = np.bincount(dataset.domain[dataset.label == 1], minlength=num_domains)
  users, items = (_distinct(dataset, field) for field in ("user", "item"))
  by_domain = markdown.table(
    ("Domain", "#Samples", "Percentage", "CTR Ratio", "#User", "#Item"),
    [
      (
        *(name, f"{rows[d]:,}", f"{rows[d] / num_rows:.2%}"),
        *(f"{positives[d] / max(rows[d] - positives[d], 1):.2f}", f"{users[d]:,}", f"{items[d]:,}"),
      )
      for d, name in enumerate(dataset.domains)
    ],
    right=True,
  )
  notes = "\n".join(f"- {markdown.escape(note)}" for note in dataset.notes)
  notes = notes or "- nothing was dropped"
  return f"{overall}\n\n{by_domain}\n\n{notes}\n"


def _distinct(dataset: Dataset, field: str) -> np.ndarray:
  """How many ids of a field each domain has, `[D]`."""
  size = len(dataset.vocab[field])
  pair = np.unique(dataset.domain.astype(np.int64) * size + dataset.ids[field])
  return np.bincount(pair // size, minlength=len(dataset.domains))
