"""What every method is written with: a schedule of minibatches, and descent along it.

A schedule is an integer vector of minibatch ids, or where it would be longer than what is taken of
it, a function from step to id.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from mamdr_jax import tree
from mamdr_jax.core import Array, Batch, DomainBatches, Key, Loss, Params, Tree
from mamdr_jax.view import merge, touched, view


def minibatch(data: DomainBatches | Batch, index: Array) -> Batch:
  """The minibatch `index` of a split, its frozen features looked up into `dense`.

  Or that of minibatches which `gather` has looked up already.
  """
  if isinstance(data, Batch):
    return tree.take(data, index)
  batch = tree.take(data.batch, index)
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


def full_pass(key: Key, data: DomainBatches) -> Array:
  """Every minibatch once, domains in a shuffled order and shuffled within: [T] int32."""
  domain_key, within_key = jax.random.split(key)
  rank = jax.random.permutation(domain_key, data.start.size)
  within = jax.random.bits(within_key, data.batch.domain.shape)
  return jnp.lexsort((within, rank[data.batch.domain]))


Order = Callable[[Array], Array]  # step -> minibatch id, elementwise


def visit(key: Key, data: DomainBatches, domain: Array, bound: int | None = None):
  """Minibatches of one domain, at most `bound` of them, from a random one on around its circle.

  Rows are dealt anew every epoch, so that a stretch of the circle is as random as any choice; and
  it costs the same however many minibatches there are.

  Returns:
    order: step -> minibatch id; from `length` on they come over again.
    length: [] int32, min(count[domain], bound).
  """
  start, count = data.start[domain], data.count[domain]
  turn = jax.random.randint(key, (), 0, count)
  order = lambda step: start + (turn + step) % count
  return order, count if bound is None else jnp.minimum(count, bound)


def rounds(key: Key, data: DomainBatches, num_rounds: int) -> Array:
  """A minibatch of every domain per round: [num_rounds, D] int32.

  A domain's minibatches come in a shuffled order, and over again in that order where it has fewer
  than `num_rounds`; where it has more, those left over are not seen.
  """
  shuffled = jnp.lexsort((jax.random.bits(key, data.batch.domain.shape), data.batch.domain))
  first = jnp.cumsum(data.count) - data.count
  return shuffled[first + jnp.arange(num_rounds)[:, None] % data.count]


def check_domains(domains_per_step: int | None) -> None:
  """Raises a ValueError if a step would look at no domain."""
  if domains_per_step is not None and domains_per_step < 1:
    raise ValueError(f"domains_per_step={domains_per_step}; choose 1 or more, or none for all")


def num_rounds(data: DomainBatches, size: int = 1) -> int:
  """How many rounds of `size` minibatches of every domain are a pass: ⌈T / (D · size)⌉."""
  return -(-data.batch.domain.size // (data.start.size * size))


def joint_steps(
  key: Key, data: DomainBatches, each: int = 1, num_domains: int | None = None
) -> Array:
  """A pass as `rounds` whose every step takes `each` minibatches of several domains: [S, each, n].

  They are n = `num_domains` others in every step, in a shuffled order; those of a round that do
  not make up a last step are joined by some that come over again. By default they are all domains.
  """
  every, num = data.start.size, num_rounds(data, each)
  if num_domains is None or num_domains >= every:
    return rounds(key, data, num * each).reshape(num, each, every)
  steps = -(-every // num_domains)
  again = visits(key, data, each)[:, jnp.arange(steps * num_domains) % every]
  return again.reshape(num * steps, num_domains, each).swapaxes(1, 2)


def visits(key: Key, data: DomainBatches, size: int) -> Array:
  """A pass as `rounds` in which every domain is visited for `size` minibatches: [S, D, size].

  The order of the domains is shuffled every round.
  """
  rounds_key, domains_key = jax.random.split(key)
  num = num_rounds(data, size)
  taken = rounds(rounds_key, data, num * size).reshape(num, size, -1).swapaxes(1, 2)
  rank = jnp.argsort(jax.random.bits(domains_key, taken.shape[:2]), axis=1)
  return jnp.take_along_axis(taken, rank[..., None], axis=1)


def follow(first: tuple[Order, Array], second: tuple[Order, Array]) -> tuple[Order, Array]:
  """Two visits one after the other, as one."""
  (order_a, length_a), (order_b, length_b) = first, second
  order = lambda s: jnp.where(s < length_a, order_a(s), order_b(s - length_a))
  return order, length_a + length_b


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
    params, opt_state: where the descent starts, and `tx`'s state there.
    data: a split, or minibatches of one.
    order: [S] int32, minibatch ids, or what gives that of a step.
    loss: the objective.
    tx: the inner optimizer.
    length: [] int32, how many steps of `order` to take; by default all of [S].
    base: parameters that stand still while `params` moves: the loss is taken at base + params.
      `params` may then lack branches of `base`.
    sparse: a step updates the table rows of its batch only. If False every row takes every
      step (moments decay, weights decay), at the cost of the whole table.

  Returns:
    The parameters and optimizer state after the last step, and the mean loss over steps.
  """

  def step(s, carry):
    params, opt_state, total = carry
    batch = minibatch(data, order(s) if callable(order) else order[s])
    rows = None
    if sparse:
      rows, batch = touched((params if base is None else base).get("tables", {}), batch)
    fixed, part, part_state = (view(x, rows) for x in (base, params, opt_state))

    def objective(part):
      return loss(
        part if fixed is None else tree.add(fixed, part), jax.random.fold_in(key, s), batch
      )

    value, grads = jax.value_and_grad(objective)(part)
    updates, part_state = tx.update(grads, part_state, part)
    part = optax.apply_updates(part, updates)
    return merge(params, part, rows), merge(opt_state, part_state, rows), total + value

  steps = order.size if length is None else length
  start = params, opt_state, jnp.zeros(())
  params, opt_state, total = jax.lax.fori_loop(0, steps, step, start)
  return params, opt_state, total / steps


def descend_jointly(
  key: Key,
  params: Params,
  opt_state: Tree,
  data: DomainBatches,
  order: Array,
  *,
  gradient: Callable[[Key, Params, Batch], tuple[Array, Params]],
  tx: optax.GradientTransformation,
  sparse: bool = True,
) -> tuple[Params, Tree, Array]:
  """One optimizer step per row of `order`, which names the minibatches that the step looks at.

  Args:
    order: [S, n] int32, minibatch ids.
    gradient: (key, params, batches with leaves [n, ...]) -> the loss of a step, and what the
      optimizer takes as its gradient.

  The rest, and what is returned, as for `descend`. A step costs what its n minibatches touch.
  """

  def step(s, carry):
    params, opt_state, total = carry
    batches, rows = gather(data, order[s]), None
    if sparse:
      rows, batches = touched(params.get("tables", {}), batches)
    part, part_state = view(params, rows), view(opt_state, rows)
    value, grads = gradient(jax.random.fold_in(key, s), part, batches)
    updates, part_state = tx.update(grads, part_state, part)
    part = optax.apply_updates(part, updates)
    return merge(params, part, rows), merge(opt_state, part_state, rows), total + value

  start = params, opt_state, jnp.zeros(())
  params, opt_state, total = jax.lax.fori_loop(0, order.shape[0], step, start)
  return params, opt_state, total / order.shape[0]


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
