"""The counts of a data set in the form of the paper's Tables I-IV, and what is to be said of it."""

import numpy as np

from mamdr_jax import markdown
from mamdr_jax.data.dataset import SPLITS, Dataset, num_rows_of, unmeasured
from mamdr_jax.data.files import listed
from mamdr_jax.data.minibatches import AUTO, advice, real_share
from mamdr_jax.distribution import domain_rows, spectrum

HEADER = ("Domain", "#Samples", "Percentage", "CTR Ratio", "#User", "#Item")


def statistics(dataset: Dataset, batch_size: int | str = AUTO) -> str:
  """Markdown: overall counts (Luo et al. 2023, Table I), counts per domain (II-IV), and notes.

  Of more than `distribution.MOST_LISTED` domains there are the quantiles of each count, which are
  of one domain only by chance, and the largest domains.

  Args:
    dataset: the data.
    batch_size: rows of a minibatch, or "auto": how many of its slots hold one is among the notes.
  """
  num_domains, num_rows = len(dataset.domains), len(dataset.label)
  overall = markdown.table(
    ("#Domain", "#User", "#Item", "#Train", "#Val", "#Test", "Sample / Domain"),
    [
      [
        f"{count:,}"
        for count in (
          *(num_domains, len(dataset.vocab["user"]), len(dataset.vocab["item"])),
          *np.bincount(dataset.split, minlength=len(SPLITS)),
          num_rows // num_domains,
        )
      ]
    ],
    right=True,
  )
  rows = np.bincount(dataset.domain, minlength=num_domains)
  positives = np.bincount(dataset.domain[dataset.label == 1], minlength=num_domains)
  counts = rows, rows / num_rows, positives / np.maximum(rows - positives, 1)
  counts = np.stack([*counts, *(_distinct(dataset, field) for field in ("user", "item"))])  # [5, D]
  lines = [(name, *_told(of)) for name, of in spectrum(counts)]
  lines += [(name, *_told(counts[:, d])) for name, d in domain_rows(dataset.domains, rows)]
  by_domain = markdown.table(HEADER, lines, right=True)
  notes = [*(dataset.notes or ["nothing was dropped"]), *remarks(dataset, batch_size)]
  if batch_size != AUTO:
    share = real_share(num_rows_of(dataset, "train"), batch_size)
    notes.append(f"batch_size={batch_size:,}: {share:.0%} of the slots of minibatches hold a row")
  notes = "\n".join(f"- {markdown.escape(note)}" for note in notes)
  return f"{overall}\n\n{by_domain}\n\n{notes}\n"


def remarks(dataset: Dataset, batch_size: int | str) -> tuple[str, ...]:
  """Besides the notes of a data set, which domains have no AUC, and `minibatches.advice`."""
  said = []
  for split in SPLITS[1:]:
    lacking = np.flatnonzero(unmeasured(dataset, split))
    if lacking.size:
      named = listed([dataset.domains[d] for d in lacking])
      said.append(
        f"{len(lacking):,} of {len(dataset.domains):,} domains have no AUC in the {split} split, "
        f"which lacks positives or negatives of theirs: {named}"
      )
  said.append(advice(batch_size, num_rows_of(dataset, "train")))
  return tuple(filter(None, said))


def _told(counts: np.ndarray) -> list[str]:
  """Rows, their share, positives / negatives, users and items, as text."""
  rows, share, ratio, users, items = counts
  return [f"{rows:,.0f}", f"{share:.2%}", f"{ratio:.2f}", f"{users:,.0f}", f"{items:,.0f}"]


def _distinct(dataset: Dataset, field: str) -> np.ndarray:
  """How many ids of a field each domain has, `[D]`."""
  size = len(dataset.vocab[field])
  # Sorted, since NumPy's unique takes ten times as long for so many integers.
  pair = np.sort(dataset.domain.astype(np.int64) * size + dataset.ids[field])
  first = np.diff(pair, prepend=-1) != 0
  return np.bincount(pair[first] // size, minlength=len(dataset.domains))
