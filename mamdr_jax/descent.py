"""Steps of an optimizer that cost what their minibatches touch, and descent along a schedule."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from mamdr_jax import tree
from mamdr_jax.core import Array, Batch, DomainBatches, Key, Loss, Params, Tree
from mamdr_jax.schedule import Order
from mamdr_jax.view import merge, touched, view


def minibatch(data: DomainBatches | Batch, index: Array) -> Batch:
  """The minibatch `index` of a split, its frozen features looked up into `dense`.

  Or that of minibatches which `gather` has looked up already.
  """
  if isinstance(data, Batch):
    return tree.take(data, index)
  return lookup(data, index if data.which is None else jnp.searchsorted(data.which, index))


def lookup(data: DomainBatches, place: Array) -> Batch:
  """As `minibatch`, of the `place`-th that are here."""
  batch = tree.take(data.batch, place)
  looked_up = {field: table[batch.ids[field]] for field, table in data.frozen.items()}
  trainable = {field: ids for field, ids in batch.ids.items() if field not in data.frozen}
  return batch._replace(ids=trainable, dense=batch.dense | looked_up)


def gather(data: DomainBatches, order: Array) -> Batch:
  """The minibatches of `order: [S]` in that order, frozen features looked up: leaves [S, ...]."""
  return jax.vmap(lambda t: minibatch(data, t))(order)


def reshuffle(key: Key, data: DomainBatches) -> DomainBatches:
  """The same rows dealt into new minibatches, each row within its domain, padding last."""
  weight = data.batch.weight  # [T, B]
  domain = jnp.broadcast_to(data.batch.domain[:, None], weight.shape).ravel()
  stretch = 2 * domain + (weight.ravel() == 0)  # of a domain its rows, then its padding
  order = jnp.lexsort((jax.random.bits(key, domain.shape), stretch))
  deal = lambda x: x.reshape((-1,) + x.shape[2:])[order].reshape(x.shape)
  columns = jax.tree.map(deal, data.batch._replace(domain=None))
  # As in `pack`, padding repeats the first row of its minibatch, which is a real one.
  own = lambda ids: jnp.where(columns.weight > 0, ids, ids[:, :1])
  ids = {field: own(column) for field, column in columns.ids.items()}
  return data._replace(batch=columns._replace(ids=ids, domain=data.batch.domain))


def step(
  key: Key,
  params: Params,
  opt_state: Tree,
  batch: Batch,
  *,
  gradient: Callable[..., tuple[Array, Params]],
  tx: optax.GradientTransformation,
  base: Params | None = None,
  sparse: bool = True,
) -> tuple[Params, Tree, Array]:
  """One step of the optimizer; it costs what `batch`, a minibatch or several, reads.

  Args:
    key: consumed.
    params, opt_state: where it starts, and `tx`'s state there.
    batch: leaves [...] of one minibatch, or [n, ...].
    gradient: (key, params, batch) -> the loss, and what the optimizer takes as its gradient.
    base: parameters that stand still, which `gradient` is then given as well; `params` may lack
      branches of them.
    sparse: only the table rows of `batch` are stepped. If False every row takes the step (moments
      decay, weights decay), at the cost of the whole table.

  Returns:
    The parameters and the optimizer's state after it, and the loss before.
  """
  rows = None
  if sparse:
    rows, batch = touched((params if base is None else base).get("tables", {}), batch)
  fixed, part, part_state = (view(x, rows) for x in (base, params, opt_state))
  value, grads = gradient(key, part, batch, *() if base is None else (fixed,))
  updates, part_state = tx.update(grads, part_state, part)
  part = optax.apply_updates(part, updates)
  return merge(params, part, rows), merge(opt_state, part_state, rows), value


def of_loss(loss: Loss) -> Callable:
  """The `gradient` of `step` that is ∇L, taken at base + params if there is a base."""

  def gradient(key, params, batch, base=None):
    at = lambda params: params if base is None else tree.add(base, params)
    return jax.value_and_grad(lambda params: loss(at(params), key, batch))(params)

  return gradient


def descend(
  key: Key,
  params: Params,
  opt_state: Tree,
  data: DomainBatches | Batch,
  order: Array | Order,
  *,
  loss: Loss,
  tx: optax.GradientTransformation,
  length: Array | None = None,
  base: Params | None = None,
  sparse: bool = True,
) -> tuple[Params, Tree, Array]:
  """One optimizer step per minibatch of `order`: θ ← θ − α ∇L(θ, batch).

  Args:
    key: consumed; one key per step reaches the loss.
    params, opt_state, tx, sparse: see `step`.
    data: a split, or minibatches of one.
    order: [S] int32, minibatch ids, or what gives that of a step.
    loss: the objective.
    length: [] int32, how many steps of `order` to take; by default all of [S].
    base: parameters that stand still while `params` moves: the loss is taken at base + params.
      `params` may then lack branches of `base`.

  Returns:
    The parameters and optimizer state after the last step, and the mean loss over steps.
  """
  gradient = of_loss(loss)

  def take(s, carry):
    *carry, total = carry
    batch = minibatch(data, order(s) if callable(order) else order[s])
    *carry, value = step(
      jax.random.fold_in(key, s), *carry, batch, gradient=gradient, tx=tx, base=base, sparse=sparse
    )
    return (*carry, total + value)

  steps = order.size if length is None else length
  params, opt_state, total = jax.lax.fori_loop(0, steps, take, (params, opt_state, jnp.zeros(())))
  return params, opt_state, total / steps


def narrowed(loss: Callable, sparse: bool = True) -> Callable:
  """`loss(params, key, batch)`, taken at a view of `params` onto the rows of `batch`.

  So it stays the loss of its minibatch where `params` are the view of several. Differentiable.
  """

  def narrow(params, key, batch):
    rows, batch = touched(params.get("tables", {}), batch)
    return loss(view(params, rows), key, batch)

  return narrow if sparse else loss


def pull(start: Params, end: Params, opt_state: Tree, tx: optax.GradientTransformation):
  """An outer step from `start` with start − end as the gradient.

  With `optax.sgd(β)` this is θ ← θ + β (θ̃ − θ) (Luo et al. 2023, Eqs. 3 and 8).
  Returns the new parameters and optimizer state.
  """
  updates, opt_state = tx.update(tree.sub(start, end), opt_state, start)
  return optax.apply_updates(start, updates), opt_state
