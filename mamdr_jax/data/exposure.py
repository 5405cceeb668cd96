"""Who is shown what: random (user, item) pairs of domains that share users and items."""

from collections.abc import Sequence

import numpy as np


def draw_pairs(
  rng: np.random.Generator, sizes: Sequence[int], num_users: int, num_items: int
) -> tuple[np.ndarray, np.ndarray]:
  """Draws `user, item: [n]` int32, domain after domain, `sizes: [D]` rows each.

  A pair occurs once in a domain; every user and item occurs somewhere. A domain is home to a share
  of the users and items in proportion to its rows, each at home in one domain; others visit, as
  many again. Some are popular, and are so in every domain. ValueError if there is no room.
  """
  total = sum(sizes)
  if min(num_users, num_items) < 1 or max(num_users, num_items) > total:
    raise ValueError(
      f"{num_users} users and {num_items} items must each be from 1 to {total}, the number of rows"
    )
  if num_users * num_items < 2 * max(sizes):
    raise ValueError(
      f"{num_users} users and {num_items} items make {num_users * num_items} pairs; the largest"
      f" domain has {max(sizes)} rows and needs at least {2 * max(sizes)} pairs to draw from"
    )
  domain = np.repeat(np.arange(len(sizes)), sizes)
  # One row each, evenly spaced: no domain is home to more than it has rows to show.
  user_home, item_home = (
    rng.permutation(domain[np.arange(count) * total // count]) for count in (num_users, num_items)
  )
  drawn = []
  for d, n in enumerate(sizes):
    home_users = rng.permutation(np.flatnonzero(user_home == d))
    home_items = rng.permutation(np.flatnonzero(item_home == d))
    items = _pool(rng, home_items, num_items, at_least=int(np.sqrt(4 * n)))
    users = _pool(rng, home_users, num_users, at_least=-(-4 * n // len(items)))
    # Those at home come first and so are kept; twice too many, since popular pairs repeat.
    user = np.concatenate([home_users, _popular(rng, users, 2 * n - len(home_users))])
    item = np.concatenate([home_items, _popular(rng, items, 2 * n - len(home_items))])
    pair = _distinct(user * num_items + item)
    while len(pair) < n:  # the popular are used up, so the rest is drawn evenly
      more = rng.choice(users, 2 * n) * num_items + rng.choice(items, 2 * n)
      pair = _distinct(np.concatenate([pair, more]))
    drawn.append(pair[:n])
  user, item = np.divmod(np.concatenate(drawn), num_items)
  return user.astype(np.int32), item.astype(np.int32)


def _pool(rng, home, count, at_least):
  """Ids, rising: `home`, and as many of all `count` again, or `at_least` where that is more."""
  visitors = rng.permutation(count)[: max(len(home), at_least)]
  return np.union1d(home, visitors)


def _popular(rng, pool, size):
  """Draws ids: one of the first `q` of a pool, as a fraction, with probability `q^(2/3)`.

  Low ids lead every pool they are in. `u √u` and not a power: IEEE 754 fixes the root's last bit.
  """
  u = rng.random(size)
  return pool[(len(pool) * u * np.sqrt(u)).astype(np.int64)]


def _distinct(pair):
  """The distinct pairs in order of first appearance."""
  return pair[np.sort(np.unique(pair, return_index=True)[1])]
