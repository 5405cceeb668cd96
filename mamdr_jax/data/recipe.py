"""The data recipe of the paper: pairs of users and items become labelled rows.

Luo et al. 2023, §V-A: drop repeated pairs, take the rest as positives, draw negatives by the ctr
ratio of the domain (Eq. 23), and split 60/20/20 by label.
"""

import random
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from mamdr_jax.data.dataset import Dataset
from mamdr_jax.data.files import listed
from mamdr_jax.data.negatives import LOW, SHORT, sample_negatives
from mamdr_jax.data.pairs import REPEATED, UNRATED, label_pairs
from mamdr_jax.data.rules import PLAIN, Rules
from mamdr_jax.data.split import as_vocab, counted, finish

NEGATIVES = ("sampled", "rated")
RATED = ("rating", "timestamp")


def ctr_ratios(num_domains: int) -> tuple[float, ...]:
  """Positives / negatives of each domain; the first 30 are those of Luo et al. 2023, Table IV."""
  rng = random.Random(123)
  return tuple(round(rng.uniform(0.2, 0.5), 2) for _ in range(num_domains))


def build(
  frames: Mapping[str, pd.DataFrame],
  *,
  ctr: Sequence[float] = (),
  positive_from: float | None = None,
  negatives: str = "sampled",
  rules: Rules = PLAIN,
  notes: Sequence[str] = (),
) -> Dataset:
  """Domains of pairs, name -> frame with `user, item[, rating][, timestamp]`, as a split data set.

  By default every pair is a positive. With `positive_from`, ratings from there up are; what is
  below is dropped with `negatives="sampled"`, and is all the negatives there are with "rated".
  `ctr: [D]` are `ctr_ratios` unless given. The seed of `rules` fixes the negatives and the splits.
  Where splits go by time every row needs one. What was dropped or fell short is counted in `notes`.
  """
  check_options(positive_from, negatives)
  if not frames:
    raise ValueError("no domains; expected at least one")
  ctr = tuple(ctr) or ctr_ratios(len(frames))
  if len(ctr) != len(frames) or min(ctr) <= 0:
    told = listed([str(ratio) for ratio in ctr])
    raise ValueError(f"expected {len(frames):,} ctr ratios above 0, one a domain; got {told}")
  pairs, vocab = _number_ids(frames)
  rngs = np.random.default_rng(rules.split_seed).spawn(len(frames))
  rows, tallies = [], []
  for d, (name, frame) in enumerate(frames.items()):
    if positive_from is not None and "rating" not in frame:
      raise ValueError(f"domain {name!r} has no ratings, which positive_from needs")
    if rules.timed and ("timestamp" not in frame or frame["timestamp"].isna().any()):
      raise ValueError(f"domain {name!r} has rows without a time, by which they are to be split")
    # Without ratings the time is not looked at, so that which row of a pair stays is as ever.
    looked = [] if positive_from is None and not rules.timed else RATED
    known = {column: frame[column].to_numpy() for column in looked if column in frame}
    labelled, tally = label_pairs(*pairs[d], **known, positive_from=positive_from)
    if not rules.timed:
      labelled = labelled._replace(time=None)
    if negatives == "sampled":
      labelled, more = sample_negatives(rngs[d], labelled, ctr[d])
      tally += more
    rows.append(labelled)
    tallies.append(tally)
  joined = lambda name: np.concatenate([getattr(row, name) for row in rows])
  user, item, label = map(joined, ("user", "item", "label"))
  told = ((what, [tally[what] for tally in tallies]) for what in (UNRATED, REPEATED, LOW, SHORT))
  dataset = Dataset(
    ids={"user": user, "item": item},
    dense={},
    label=label,
    domain=np.repeat(np.arange(len(frames), dtype=np.int32), [len(row.user) for row in rows]),
    split=np.zeros(len(label), np.int8),
    domains=tuple(frames),
    vocab=vocab,
    frozen={},
    moments={},
    truth=None,
    notes=(*notes, *(counted(what, tuple(frames), counts) for what, counts in told if any(counts))),
  )
  return finish(dataset, rules, time=joined("time") if rules.timed else None)


def check_options(positive_from: float | None, negatives: str) -> None:
  """Raises a ValueError for a rule that does not exist or would change nothing."""
  if negatives not in NEGATIVES:
    raise ValueError(f"unknown negatives {negatives!r}; choose one of {', '.join(NEGATIVES)}")
  if negatives == "rated" and positive_from is None:
    raise ValueError("negatives='rated' needs positive_from, the lowest rating of a positive")


def _number_ids(frames: Mapping[str, pd.DataFrame]):
  """Per domain `(user, item)` as rows of one vocabulary of users and one of items."""
  ends = np.cumsum([len(frame) for frame in frames.values()])[:-1]
  numbered, vocab = [], {}
  for field in ("user", "item"):
    codes, known = pd.factorize(_joined([frame[field] for frame in frames.values()]))
    numbered.append(np.split(codes.astype(np.int32), ends))
    vocab[field] = as_vocab(known)
  return list(zip(*numbered, strict=True)), vocab


def _joined(columns: Sequence[pd.Series]):
  """Columns one after another, categories of text kept as such."""
  if all(isinstance(column.dtype, pd.CategoricalDtype) for column in columns):
    return union_categoricals(columns)
  return pd.concat(columns, ignore_index=True)
