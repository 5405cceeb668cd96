"""The best items for users of a domain, out of all items or a list, each of them scored."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mamdr_jax.core import Array, Batch, DomainBatches, Tree, full_precision
from mamdr_jax.descent import lookup
from mamdr_jax.evaluate import Serving
from mamdr_jax.serve.predict import Predictor, Rows
from mamdr_jax.stored import Stored
from mamdr_jax.train.parts import power_of_two


class Best(NamedTuple):
  """Items by row and rank, end to end."""

  row: np.ndarray  # [m] int64, which of the rows that were asked for
  rank: np.ndarray  # [m] int32, from 1
  item: np.ndarray  # [m] int32, rows of the table of items
  logit: np.ndarray  # [m] float32


class Recommender:
  """Finds items by a stored model. Equal scores are in the order of the raw ids."""

  def __init__(self, predict: Predictor):
    self.predict, self.stored = predict, predict.stored
    vocab = self.stored.vocab["item"]
    self._place = np.empty(len(vocab), np.int64)  # of an item among all, by its raw id
    self._place[np.argsort(vocab, kind="stable")] = np.arange(len(vocab))
    every, mean = np.arange(len(vocab)), self.stored.about["fields"]["item"]
    self._every = every[every != mean]  # which stands among those of domains that were added
    self._search = search(self.stored)

  def __call__(
    self,
    rows: Rows,
    top: int,
    items: Callable[[int], np.ndarray] | None = None,
    seen: Mapping[int, Sequence[int]] | None = None,
  ) -> Best:
    """The `top` items of each row, fewer where there are not as many.

    Items that the domains here have no row of do not count, in `items` nor in `seen`.

    Args:
      rows: users, domains and what else a row has; their items are not looked at.
      top: how many.
      items: domain -> items to choose from there, [k] int32; by default all.
      seen: row -> items that it is not to get.
    """
    mine = lambda items: np.asarray(items, np.int64)[np.asarray(items) < len(self._place)]
    top = min(top, len(self._place))
    found, last, state, choice = [None] * rows.domain.size, None, None, None
    # The rows of a domain one after the other.
    for row in np.argsort(rows.domain, kind="stable").tolist():
      if rows.domain[row] != last:
        last = rows.domain[row]
        state = self.predict.state(rows.domain[row : row + 1])
        if items is not None or choice is None:
          choice = self._choice(self._every if items is None else mine(items(int(last))))
      places = np.unique(choice.where[mine((seen or {}).get(row, ()))])
      without = np.full(power_of_two(places.size + 1), choice.ordered.size, np.int32)
      without[: places.size] = places
      of_row = lambda x, row=row: {field: column[row] for field, column in x.items()}
      asked = of_row(rows.ids), of_row(rows.dense), last
      shared = state, self.stored.moments, self.stored.given
      best = self._search(*shared, *asked, choice.dealt, choice.ordered.size, without, top=top)
      found[row] = choice.ordered, best
    return _gathered(found)

  def _choice(self, items: np.ndarray) -> "Choice":
    """Of items to choose from; minibatches are as many as a power of two, so that sizes recur."""
    every = np.unique(items)
    ordered = every[np.argsort(self._place[every])].astype(np.int32)
    size = self.stored.about["batch_size"]
    dealt = np.zeros((power_of_two(-(-ordered.size // size)), size), np.int32)
    dealt.ravel()[: ordered.size] = ordered
    where = np.full(len(self._place), ordered.size, np.int32)
    where[ordered] = np.arange(ordered.size)
    return Choice(ordered, dealt, where)


class Choice(NamedTuple):
  """Items to choose from."""

  ordered: np.ndarray  # [k] int32, by raw id
  dealt: np.ndarray  # [T, B] int32, the same in minibatches, and filler
  where: np.ndarray  # [N] int32, place of every item among them; k for one that is not


def _gathered(found: list[tuple[np.ndarray, tuple[Array, Array]]]) -> Best:
  """Of each row the items to choose from, and the best of them: logits and places, [top] each."""
  parts = [(np.empty(0, x) for x in (np.int64, np.int32, np.int32, np.float32))]
  for row, (ordered, (logits, places)) in enumerate(found):
    logits = np.asarray(logits)
    count = int((logits > -np.inf).sum())  # they come first
    rank = np.arange(1, count + 1, dtype=np.int32)
    item = ordered[np.asarray(places)[:count]]
    parts.append((np.full(count, row), rank, item, logits[:count]))
  return Best(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def search(stored: Stored):
  """(..., the items [T, B], how many of them count, places that do not [P]) -> the best.

  Returns:
    Logits, from the highest, and places in the list of items: [top] each.
  """
  goal, method = stored.objective, stored.method

  @functools.partial(jax.jit, static_argnames="top")
  @full_precision
  def searched(state: Tree, moments, given, ids, dense, domain, items, count, seen, *, top: int):
    serving, size = Serving(goal, method, state, moments), items.shape[1]
    wide = lambda x: jnp.broadcast_to(x, (size, *jnp.shape(x)))

    def step(t, carry):
      place = t * size + jnp.arange(size)
      batch = Batch(
        jax.tree.map(wide, ids) | {"item": items[t]}, jax.tree.map(wide, dense),
        jnp.zeros(size), jnp.ones(size), domain,
      )  # fmt: skip
      one = DomainBatches(jax.tree.map(lambda x: x[None], batch), (), (), given, {})
      logits = serving.predict(lookup(one, 0))
      at = jnp.minimum(jnp.searchsorted(seen, place), seen.size - 1)
      logits = jnp.where((place >= count) | (seen[at] == place), -jnp.inf, logits)
      # Of equal ones the first counts, which has the lower place.
      best, which = jax.lax.top_k(jnp.concatenate([carry[0], logits]), top)
      return best, jnp.concatenate([carry[1], place])[which]

    begin = jnp.full(top, -jnp.inf), jnp.zeros(top, jnp.int32)
    return jax.lax.fori_loop(0, -(-count // size), step, begin)

  return searched
