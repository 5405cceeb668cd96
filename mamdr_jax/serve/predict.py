"""Logits of rows whose ids are numbers: dealt into minibatches of a domain each, in any order.

A minibatch has as many rows as when the run was measured, and a logit depends on its own row alone,
so that it is the same bit by bit whichever rows come along.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mamdr_jax.core import Array, Batch, DomainBatches, Tree, full_precision
from mamdr_jax.data import Dataset, HostBatches
from mamdr_jax.data.batches import cut, domains_of
from mamdr_jax.descent import lookup
from mamdr_jax.evaluate import Serving
from mamdr_jax.stored import Stored, with_kept
from mamdr_jax.train import shifts

TOGETHER = 64  # minibatches that are scored by one call


class Rows(NamedTuple):
  """Rows to be scored."""

  ids: dict[str, np.ndarray]  # field -> [n] int32, rows of its table; N for an id not known
  dense: dict[str, np.ndarray]  # field -> [n, f] float32
  domain: np.ndarray  # [n] int32; D for what no domain has: the shared parameters


class Predictor:
  """Scores rows by a stored model. What it takes to the device stays there as far as it fits."""

  def __init__(self, stored: Stored):
    self.stored = stored
    self.num_domains = len(stored.domains)
    self._most = shifts.most_domains(stored.kept)
    self._whole = None
    self._score = program(stored)

  def __call__(self, rows: Rows) -> np.ndarray:
    """Logits: [n] float32."""
    data = dealt(rows, self.num_domains + 1, self.stored.about["batch_size"])
    of_batch, found = domains_of(data), []
    for first, last in self._slices(of_batch):
      which = np.arange(first, last, dtype=np.int32)
      part = cut(data, which, TOGETHER, of_batch)
      state = self.state(np.unique(of_batch[first:last]))
      logits = self._score(state, self.stored.moments, self.stored.given, part.batch, last - first)
      if self.stored.kept and not self._fits:
        logits.block_until_ready()  # else parts would pile up on the device
      found.append((logits, part.batch.weight > 0))
    logits = np.empty(rows.domain.size, np.float32)
    if found:
      logits[data.rows] = np.concatenate([np.asarray(x)[real] for x, real in found])
    return logits

  def _slices(self, of_batch: np.ndarray):
    """Minibatches that are scored together: so many at most, and of so many domains."""
    first = 0
    number = np.cumsum(np.append(False, of_batch[1:] != of_batch[:-1]))
    while first < of_batch.size:
      last = min(first + TOGETHER, of_batch.size)
      if self._most is not None and not self._fits:
        end = np.searchsorted(number, number[first] + self._most)
        last = min(last, int(end))
      yield first, last
      first = last

  @property
  def _fits(self) -> bool:
    return self._most is not None and self._most >= self.num_domains

  def state(self, domains: np.ndarray) -> Tree:
    """What serves some domains, on the device."""
    if not self.stored.kept:
      return self.stored.light
    if not self._fits:
      return with_kept(self.stored, domains[domains < self.num_domains])
    if self._whole is None:
      self._whole = with_kept(self.stored, np.arange(self.num_domains))
    return self._whole


class Both:
  """Scores rows of a model's domains and of those that were added: see `added.joined`."""

  def __init__(self, base: Predictor, added: Predictor):
    self.base, self.added = base, added

  def __call__(self, rows: Rows) -> np.ndarray:
    """Logits: [n] float32."""
    logits = np.empty(rows.domain.size, np.float32)
    for of, (which, some) in zip((self.base, self.added), apart(rows, self.base), strict=True):
      if which.size:
        logits[which] = of(some)
    return logits


def apart(rows: Rows, base: Predictor) -> list[tuple[np.ndarray, Rows]]:
  """Which rows are of a model's domains, and of the added ones, D + 1 + j of which j becomes."""
  first, found = base.num_domains + 1, []
  late = rows.domain >= first
  for which, shift in ((np.flatnonzero(~late), 0), (np.flatnonzero(late), first)):
    some = jax.tree.map(lambda column, which=which: column[which], rows)
    found.append((which, some._replace(domain=some.domain - np.int32(shift))))
  return found


def program(stored: Stored):
  """(state, moments, given, batch [T, B], num) -> the logits of the first `num` minibatches."""
  goal, method = stored.objective, stored.method

  @jax.jit
  @full_precision
  def scored(state: Tree, moments: Tree, given: Tree, batch: Batch, num: Array) -> Array:
    serving = Serving(goal, method, state, moments)
    data = DomainBatches(batch, (), (), given, {})
    one = lambda t, out: out.at[t].set(serving.predict(lookup(data, t)))
    return jax.lax.fori_loop(0, num, one, jnp.zeros(batch.label.shape))

  return scored


def dealt(rows: Rows, num_domains: int, batch_size: int) -> HostBatches:
  """The rows of each domain together, in the order in which they came."""
  size = np.bincount(rows.domain, minlength=num_domains)
  count = (-(-size // batch_size)).astype(np.int32)
  nothing = np.zeros(rows.domain.size, np.int8)
  dataset = Dataset(rows.ids, rows.dense, nothing, rows.domain, nothing, (), {}, {}, {}, None, ())
  return HostBatches(
    dataset=dataset,
    rows=np.argsort(rows.domain, kind="stable"),
    first=np.concatenate([[0], np.cumsum(size)]),
    batch_size=batch_size,
    start=(np.cumsum(count) - count).astype(np.int32),
    count=count,
    frozen={},
    own={},
  )
