"""What the next rounds visit, part by part: cut from the host's rows by a thread, ahead of time."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import jax
import numpy as np

from mamdr_jax.core import Batch, DomainBatches, Key
from mamdr_jax.data.batches import HostBatches, cut, dealt, domains_of, on_device
from mamdr_jax.schedule import Visit


class Slices(NamedTuple):
  """Rounds, so many of them together that what they look at fits."""

  bounds: list[tuple[int, int]]  # (first round, one past the last)
  size: int  # minibatches that each of them may look at
  most: int  # rounds, no fewer than any has; a power of two, so that it is seldom another


def slices(
  visits: Visit, size: int, domain: np.ndarray | None = None, most_domains: int | None = None
) -> Slices:
  """Cuts rounds with these `visits`, [S] or [S, V], where they look at `size` minibatches.

  Args:
    visits: what they look at, NumPy.
    size: so many minibatches at a time; more where what cannot be parted looks at more, and fewer
      where all of them are.
    domain: [S], for whom a round is. The rounds of a domain, one after the other, are not parted.
    most_domains: at most so many domains at a time.
  """
  lengths = visits.length.reshape(visits.length.shape[0], -1).sum(1)
  begins = np.arange(lengths.size)  # of what cannot be parted
  if domain is not None:
    begins = np.flatnonzero(np.append(True, domain[1:] != domain[:-1]))
  lengths, begins = np.add.reduceat(lengths, begins), np.append(begins, lengths.size)
  ends, bounds, first = np.cumsum(lengths), [], 0
  size = max(min(size, power_of_two(int(ends[-1]))), power_of_two(int(lengths.max())))
  while first < ends.size:
    before = ends[first - 1] if first else 0
    last = int(np.searchsorted(ends, before + size, side="right"))
    last = min(last, first + (most_domains or last))
    bounds.append((int(begins[first]), int(begins[last])))
    first = last
  return Slices(bounds, size, power_of_two(max(last - first for first, last in bounds)))


def parts(
  data: HostBatches, visits: Visit, of: Slices, deal: Callable | None = None
) -> Iterator[DomainBatches]:
  """The data that the rounds of each slice look at, on the device."""
  domain = domains_of(data)

  def make() -> Iterator[DomainBatches]:
    for first, last in of.bounds:
      ids = visited(Visit(*(x[first:last] for x in visits)))
      if deal is not None:
        deal(np.unique(domain[ids]))
      yield on_device(cut(data if deal is None else deal.data, ids, of.size, domain))

  return ahead(make())


def by_domain(data: HostBatches) -> Visit:
  """A visit of all the data of each domain: [D]."""
  return Visit(data.start, np.maximum(data.count, 1), np.zeros_like(data.count), data.count)


def visited(visits: Visit) -> np.ndarray:
  """The distinct minibatches of some visits, rising."""
  start, count, turn, length = (np.ravel(x) for x in visits)
  step = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
  again = lambda x: np.repeat(x, length)
  return np.unique(again(start) + (again(turn) + step) % again(count)).astype(np.int32)


def dealing(key: Key, data: HostBatches) -> Callable[[np.ndarray], None]:
  """Deals the rows of domains when they are first asked for; `data` are the rows so far."""
  seed = np.asarray(jax.random.key_data(key)).tolist()
  done = np.zeros(data.count.size, bool)
  own = data._replace(rows=data.rows.copy())

  def deal(domains):
    fresh = domains[~done[domains]]
    dealt(own, seed, fresh)
    done[fresh] = True

  deal.data = own
  return deal


def without_rows(data: HostBatches) -> DomainBatches:
  """As much of a split as a plan looks at."""
  batch = Batch({}, {}, None, None, domains_of(data))
  return on_device(DomainBatches(batch, data.start, data.count, {}, {}))


def power_of_two(least: int) -> int:
  return 1 << max(least - 1, 0).bit_length()


def ahead(made: Iterable, depth: int = 1) -> Iterator:
  """The same, `depth` of them made by a thread before they are asked for."""
  made_first, stop = queue.Queue(depth), threading.Event()

  def put(item) -> bool:
    while not stop.is_set():
      try:
        made_first.put(item, timeout=0.1)
        return True
      except queue.Full:
        continue
    return False

  def fill():
    try:
      for item in made:
        if not put((item, None)):
          return
      put((None, None))
    except BaseException as error:
      put((None, error))

  thread = threading.Thread(target=fill, daemon=True)
  thread.start()
  try:
    while True:
      item, error = made_first.get()
      if error is not None:
        raise error
      if item is None:
        return
      yield item
  finally:
    stop.set()
    thread.join()
