"""Who is shown what in thousands of domains: the pairs of a block of domains at once.

The work is linear in rows, users and items, however many domains there are, and its memory in the
rows of a block. Every purpose has a stream of random numbers of its own, read domain after domain,
so that how domains are put into blocks changes no row.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mamdr_jax.data.blocks import blocks

SKEW = 1.5  # of how popular ids are


class Ids(NamedTuple):
  """The users, or the items."""

  home: np.ndarray  # [N] int32, all of them in the order of the domains where they are at home
  first: np.ndarray  # [D + 1], where those of a domain begin in `home`
  visits: np.random.Generator
  shown: np.random.Generator


class Pools(NamedTuple):
  """The ids that the `d` domains of a block draw from: those at home there, and visitors."""

  ids: np.ndarray  # [P] int32, domain after domain, rising in each
  length: np.ndarray  # [d], how many a domain has
  first: np.ndarray  # [d], its place of the first
  at_home: np.ndarray  # [d], how many of them are at home
  home: np.ndarray  # the places of those, domain after domain


def draw(
  rng: np.random.Generator, sizes: np.ndarray, num_users: int, num_items: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """`user, item: [n]` int32 of a block of domains at a time; see `exposure.draw_pairs`.

  The visitors of a domain are one out of each of as many equal spans of ids, which finds distinct
  ones, popular and not, without a look at the others.
  """
  rest, *streams = rng.spawn(5)
  users = _ids(rng, sizes, num_users, *streams[:2])
  items = _ids(rng, sizes, num_items, *streams[2:])
  for domains in blocks(sizes):
    n = sizes[domains]
    # So that there are 4n pairs to draw from, or all there are.
    enough = np.maximum(np.sqrt(4 * n).astype(np.int64), -(-4 * n // num_users))
    shown = _pools(items, domains, enough)
    seeing = _pools(users, domains, -(-4 * n // shown.length))
    # Pairs of places in the pools, where a place says the domain as well. Twice too many, since
    # popular pairs repeat.
    pair = _places(users, seeing, 2 * n) * len(shown.ids) + _places(items, shown, 2 * n)
    found = first_seen(pair)
    pair, of = pair[found], np.repeat(np.arange(len(n)), 2 * n)[found]
    have = np.bincount(of, minlength=len(n))
    first, start, rank = _starts(have), _starts(n), _ranks(of, have)
    kept = rank < n[of]
    drawn = np.empty(n.sum(), np.int64)
    drawn[start[of[kept]] + rank[kept]] = pair[kept]
    for d in np.flatnonzero(have < n):  # the popular are used up, so the rest is drawn evenly
      more = pair[first[d] : first[d] + have[d]]
      while len(more) < n[d]:
        user, item = (
          pools.first[d] + rest.integers(pools.length[d], size=2 * n[d])
          for pools in (seeing, shown)
        )
        more = np.concatenate([more, user * len(shown.ids) + item])
        more = more[first_seen(more)]
      drawn[start[d] : start[d] + n[d]] = more[: n[d]]
    user, item = np.divmod(drawn, len(shown.ids))
    yield seeing.ids[user], shown.ids[item]


def popular(
  rng: np.random.Generator, size: int, num_ids: int | np.ndarray, skew: float = SKEW
) -> np.ndarray:
  """Draws places in pools: one of the first `q`, as a fraction, with probability `q^(1 / skew)`.

  Low ids lead every pool they are in; with a skew of 1 all are alike. By default it is `u √u` and
  not a power: IEEE 754 fixes the root's last bit.
  """
  u = rng.random(size)
  place = u * np.sqrt(u) if skew == SKEW else u**skew
  return np.minimum((num_ids * place).astype(np.int64), num_ids - 1)


def first_seen(pair: np.ndarray) -> np.ndarray:
  """Where each distinct pair appears first, rising."""
  first = np.zeros(len(pair), bool)
  first[np.unique(pair, return_index=True)[1]] = True
  return np.flatnonzero(first)


def _ids(rng, sizes, count, visits, shown) -> Ids:
  home = rng.permutation(np.arange(count, dtype=np.int32))
  # Place i is at home in the domain of row i · total // count: no domain is home to more than it
  # has rows to show.
  end = np.cumsum(np.concatenate([[0], sizes]))
  return Ids(home, -(-end * count // end[-1]), visits, shown)


def _pools(ids: Ids, domains: slice, at_least: np.ndarray) -> Pools:
  """Of each domain: who is at home there, and as many visitors again, or `at_least: [d]`."""
  count, first = len(ids.home), ids.first[domains.start : domains.stop + 1]
  at_home, every = np.diff(first), np.arange(len(at_least))
  visits = np.minimum(np.maximum(at_home, at_least), count)
  of = np.repeat(every, visits)
  span, spans = _ranks(of, visits), visits[of]
  low, high = span * count // spans, (span + 1) * count // spans
  visitor = low + (ids.visits.random(len(of)) * (high - low)).astype(np.int64)
  home = np.repeat(every, at_home) * count + ids.home[first[0] : first[-1]]
  known = np.sort(np.concatenate([home, of * count + visitor]))
  known = known[np.diff(known, prepend=-1) > 0]
  domain, pool = np.divmod(known, count)
  length = np.bincount(domain, minlength=len(every))
  places = np.searchsorted(known, home)
  return Pools(pool.astype(np.int32), length, _starts(length), at_home, places)


def _places(ids: Ids, pools: Pools, size: np.ndarray) -> np.ndarray:
  """Draws `size: [d]` places in the pools of each domain; those at home come first."""
  of = np.repeat(np.arange(len(size)), size)
  place = pools.first[of] + popular(ids.shown, len(of), pools.length[of])
  home_of = np.repeat(np.arange(len(size)), pools.at_home)
  place[_starts(size)[home_of] + _ranks(home_of, pools.at_home)] = pools.home
  return place


def _starts(count: np.ndarray) -> np.ndarray:
  """Where each group begins, of groups one after the other."""
  return np.cumsum(count) - count


def _ranks(of: np.ndarray, count: np.ndarray) -> np.ndarray:
  """The number of each entry within its group; `of` says which that is."""
  return np.arange(len(of)) - _starts(count)[of]
