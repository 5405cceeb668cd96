"""The best items for users of a domain, out of all items or a list, each of them scored."""

import functools
from collections.abc import Mapping, Sequence
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
    self._search = search(self.stored)

  def __call__(
    self,
    rows: Rows,
    top: int,
    items: np.ndarray | None = None,
    seen: Mapping[int, Sequence[int]] | None = None,
  ) -> Best:
    """The `top` items of each row, fewer where there are not as many.

    Args:
      rows: users, domains and what else a row has; their items are not looked at.
      top: how many.
      items: [k] int32, to choose from; by default all.
      seen: row -> items that it is not to get.
    """
    every = np.arange(len(self._place)) if items is None else np.unique(items)
    ordered = every[np.argsort(self._place[every])].astype(np.int32)
    size = self.stored.about["batch_size"]
    dealt = np.resize(ordered, (-(-ordered.size // size), size)) if ordered.size else None
    where = np.full(len(self._place), ordered.size, np.int32)
    where[ordered] = np.arange(ordered.size)
    top, found = min(top, ordered.size), []
    for row in range(rows.domain.size if top else 0):
      not_for_it = np.unique(where[np.asarray((seen or {}).get(row, ()), np.int64)])
      filled = np.full(power_of_two(not_for_it.size + 1), ordered.size, np.int32)
      filled[: not_for_it.size] = not_for_it
      of_row = lambda x, row=row: {field: column[row] for field, column in x.items()}
      asked = of_row(rows.ids), of_row(rows.dense), rows.domain[row]
      state = self.predict.state(rows.domain[row : row + 1])
      shared = state, self.stored.moments, self.stored.given
      found.append(self._search(*shared, *asked, dealt, ordered.size, filled, top=top))
    return _gathered(found, ordered)


def _gathered(found: list[tuple[Array, Array]], ordered: np.ndarray) -> Best:
  if not found:
    return Best(*(np.empty(0, kind) for kind in (np.int64, np.int32, np.int32, np.float32)))
  logits, places = (np.stack([np.asarray(x) for x in part]) for part in zip(*found, strict=True))
  row, rank = np.nonzero(logits > -np.inf)
  return Best(row, (rank + 1).astype(np.int32), ordered[places[row, rank]], logits[row, rank])


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
    return jax.lax.fori_loop(0, items.shape[0], step, begin)

  return searched
