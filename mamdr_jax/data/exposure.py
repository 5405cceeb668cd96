"""Who is shown what: random (user, item) pairs of domains that share users and items."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mamdr_jax.data import exposure_blocks
from mamdr_jax.data.exposure_blocks import SKEW, first_seen, popular

FEW = 100  # domains; the draw of so few looks at every user and item in each of them


class Dials(NamedTuple):
  """How domains overlap; other values than these are for up to 100 domains."""

  shared_users: float = 0.5
  shared_items: float = 0.5
  skew: float = SKEW


USUAL = Dials()


def draw_pairs(
  rng: np.random.Generator,
  sizes: np.ndarray,
  num_users: int,
  num_items: int,
  dials: Dials = USUAL,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """Draws `user, item: [n]` int32 domain after domain, `sizes: [D]` rows each, in parts.

  A pair occurs once in a domain; every user and item occurs somewhere. A domain is home to a share
  of the users and items in proportion to its rows, each at home in one domain; others visit, so
  that they are the share that `dials` say, by default as many again, or more where there would be
  too few pairs. Some are popular, and are so in every domain. ValueError if there is no room.

  Up to 100 domains a part is a domain. More are drawn from other streams, a part a block of them,
  in a time that is linear in rows, users and items: see `exposure_blocks`.
  """
  total, largest = int(sizes.sum()), int(sizes.max())
  if min(num_users, num_items) < 1 or max(num_users, num_items) > total:
    raise ValueError(
      f"{num_users} users and {num_items} items must each be from 1 to {total}, the number of rows"
    )
  if num_users * num_items < 2 * largest:
    raise ValueError(
      f"{num_users} users and {num_items} items make {num_users * num_items} pairs; the largest"
      f" domain has {largest} rows and needs at least {2 * largest} pairs to draw from"
    )
  if len(sizes) > FEW:
    if dials != USUAL:
      raise ValueError(
        f"{len(sizes):,} domains with shared_users={dials.shared_users}, "
        f"shared_items={dials.shared_items}, skew={dials.skew}; these are for at most {FEW} domains"
      )
    return exposure_blocks.draw(rng, sizes, num_users, num_items)
  return _by_domain(rng, sizes, num_users, num_items, dials)


def _by_domain(rng, sizes, num_users, num_items, dials):
  domain, total = np.repeat(np.arange(len(sizes)), sizes), int(sizes.sum())
  # One row each, evenly spaced: no domain is home to more than it has rows to show.
  user_home, item_home = (
    rng.permutation(domain[np.arange(count) * total // count]) for count in (num_users, num_items)
  )
  for d, n in enumerate(sizes.tolist()):
    home_users = rng.permutation(np.flatnonzero(user_home == d))
    home_items = rng.permutation(np.flatnonzero(item_home == d))
    items = _pool(rng, home_items, num_items, int(np.sqrt(4 * n)), dials.shared_items)
    users = _pool(rng, home_users, num_users, -(-4 * n // len(items)), dials.shared_users)
    if len(users) * len(items) < n:  # there are so few users that every item has to be shown
      items = np.arange(num_items)
    # Those at home come first and so are kept; twice too many, since popular pairs repeat.
    user, item = (
      np.concatenate([home, pool[popular(rng, 2 * n - len(home), len(pool), dials.skew)]])
      for home, pool in ((home_users, users), (home_items, items))
    )
    pair = user * num_items + item
    pair = pair[first_seen(pair)]
    while len(pair) < n:  # the popular are used up, so the rest is drawn evenly
      more = rng.choice(users, 2 * n) * num_items + rng.choice(items, 2 * n)
      pair = np.concatenate([pair, more])
      pair = pair[first_seen(pair)]
    user, item = np.divmod(pair[:n], num_items)
    yield user.astype(np.int32), item.astype(np.int32)


def _pool(rng, home, count, at_least, shared):
  """Ids, rising: `home`, and of all `count` as many as make up the share `shared`.

  Or `at_least`, where that is more.
  """
  wanted = count if shared == 1 else round(len(home) * shared / (1 - shared))
  if shared != USUAL.shared_items:  # by default visitors alone are to be enough, as ever
    at_least -= len(home)
  visitors = rng.permutation(count)[: max(wanted, at_least, 0)]
  return np.union1d(home, visitors)
