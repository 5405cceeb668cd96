"""The rows of a few domains as a data set of their own: the ids that they have, and no others."""

from typing import NamedTuple

import numpy as np

from mamdr_jax.data import SPLITS, Dataset
from mamdr_jax.data.dataset import scaled
from mamdr_jax.data.lookup import places
from mamdr_jax.stored import Stored

TRAIN = SPLITS.index("train")
MOST_HELPERS = 64  # domains that help, drawn from those that are given


class Small(NamedTuple):
  """The rows of a new domain and of its helpers, as a data set of their own."""

  dataset: Dataset  # the new domain is the first
  numbers: dict[str, np.ndarray]  # field -> [U], which rows of the model's tables its ids are
  fresh: dict[str, list[str]]  # field -> raw ids of the numbers N + 1, N + 2, ...


def gathered(stored: Stored, rows: Dataset, helpers: Dataset | None, seed: int = 0) -> Small:
  """One data set of both, with the ids that they have and no others."""
  parts = [scaled(rows, stored.units)]
  if helpers:
    some = np.sort(np.random.default_rng(seed).permutation(len(helpers.domains))[:MOST_HELPERS])
    parts.append(scaled(of_domains(helpers, some), stored.units))
  numbers, fresh, ids, vocab, frozen = {}, {}, {}, {}, {}
  for field in stored.vocab:
    of_field = [numbered(stored, field, part, fresh.setdefault(field, {})) for part in parts]
    numbers[field], inverse = np.unique(np.concatenate(of_field), return_inverse=True)
    ids[field] = inverse.astype(np.int32)
    vocab[field] = numbers[field]
    if field in stored.given:
      frozen[field] = np.asarray(stored.given[field][numbers[field]])
  helping = [stored.domains.index(name) for part in parts[1:] for name in part.domains]
  numbers["domain"] = np.array([len(stored.domains), *helping], np.int32)
  joined = lambda of: np.concatenate([of(part) for part in parts])
  dataset = rows._replace(
    ids=ids,
    dense={field: joined(lambda part, f=field: part.dense[f]) for field in rows.dense},
    label=joined(lambda part: part.label),
    domain=np.concatenate([part.domain + min(1, i) for i, part in enumerate(parts)]),
    split=joined(lambda part: part.split),
    domains=sum((part.domains for part in parts), ()),
    vocab=vocab, frozen=frozen, moments=dict(stored.units), truth=None,
  )  # fmt: skip
  return Small(dataset, numbers, {field: list(known) for field, known in fresh.items()})


def numbered(stored: Stored, field: str, part: Dataset, fresh: dict[str, int]) -> np.ndarray:
  """The rows of the model's table for a column of ids, new ones entered in `fresh`: [n] int32."""
  mean, texts = len(stored.vocab[field]), part.vocab[field].astype(str).tolist()
  found = places(part.vocab[field], stored.vocab[field])
  if field in stored.given:
    more = places(part.vocab[field], stored.more[field]) if field in stored.more else -1
    found = np.where(found < 0, mean + 1 + more, found)
  else:
    for at in np.flatnonzero(found < 0):
      found[at] = mean + 1 + fresh.setdefault(texts[at], len(fresh))
  return found.astype(np.int32)[part.ids[field]]


def of_domains(dataset: Dataset, which: np.ndarray) -> Dataset:
  """The training rows of some domains, rising."""
  place = np.full(len(dataset.domains), -1, np.int32)
  place[which] = np.arange(which.size)
  keep = (place[dataset.domain] >= 0) & (dataset.split == TRAIN)
  cut = lambda columns: {field: column[keep] for field, column in columns.items()}
  return dataset._replace(
    ids=cut(dataset.ids), dense=cut(dataset.dense), label=dataset.label[keep],
    domain=place[dataset.domain[keep]], split=dataset.split[keep],
    domains=tuple(dataset.domains[d] for d in which),
  )  # fmt: skip


def identified(stored: Stored, small: Small, trained: dict) -> tuple[dict, dict]:
  """(known, fresh) of an `Addition`, of the ids at hand that its rows of tables are."""
  known, fresh = {}, {}
  for field, ids in trained.items():
    if field != "domain":
      numbers, num = small.numbers[field][np.asarray(ids)], len(stored.vocab[field])
      known[field] = numbers[numbers < num]
      new = numbers[numbers > num] - num - 1
      fresh[field] = np.array([small.fresh[field][i] for i in new], str)
  return known, fresh


def training_rows(stored: Stored, small: Small, trained: dict, most: int) -> dict[str, np.ndarray]:
  """User, item and label of the new domain's training rows, [n] each; nothing of more than `most`.

  Ids are places among those that `identified` gives, known ones first. Of a field with given
  features they are rows of the model, and -1 for one that it lacks.
  """
  own = of_domains(small.dataset, np.zeros(1, np.int32))
  if own.label.size > most:
    return {}
  found = {"label": own.label}
  for field in ("user", "item"):
    if field in trained:
      place = np.searchsorted(np.asarray(trained[field]), own.ids[field])
    else:
      number = small.numbers[field][own.ids[field]]
      place = np.where(number < len(stored.vocab[field]), number, -1)
    found[field] = place.astype(np.int32)
  return found
