"""Which minibatches are looked at, in which order: what every method's plan of an epoch is made of.

A schedule is an integer array of minibatch ids, or where it would be longer than what is taken of
it, arithmetic: a `Visit`.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mamdr_jax.core import Array, DomainBatches, Key

Order = Callable[[Array], Array]  # step -> minibatch id, elementwise


class Visit(NamedTuple):
  """Some minibatches of a domain, from one of them on around the circle of all it has.

  Called with a step it gives the minibatch id; from `length` on they come over again. Leaves are []
  int32, or have more axes for many visits.
  """

  start: Array  # the domain's first minibatch
  count: Array  # how many it has
  turn: Array  # where in the circle the visit begins
  length: Array  # how many it takes

  def __call__(self, step: Array) -> Array:
    return self.start + (self.turn + step) % self.count


def each(order: Array) -> Visit:
  """Minibatch ids as visits of one minibatch each."""
  one = jnp.ones_like(order)
  return Visit(order, one, jnp.zeros_like(order), one)


def visit(key: Key, data: DomainBatches, domain: Array, bound: int | None = None) -> Visit:
  """Minibatches of one domain, at most `bound` of them, from a random one on around its circle.

  Rows are dealt anew every epoch, so that a stretch of the circle is as random as any choice; and
  it costs the same however many minibatches there are.
  """
  start, count = data.start[domain], data.count[domain]
  turn = jax.random.randint(key, (), 0, count)
  return Visit(start, count, turn, count if bound is None else jnp.minimum(count, bound))


def follow(first: Visit, second: Visit) -> tuple[Order, Array]:
  """(step -> minibatch id, [] int32 how many) of two visits one after the other."""
  order = lambda s: jnp.where(s < first.length, first(s), second(s - first.length))
  return order, first.length + second.length


def full_pass(key: Key, data: DomainBatches) -> Array:
  """Every minibatch once, domains in a shuffled order and shuffled within: [T] int32."""
  domain_key, within_key = jax.random.split(key)
  rank = jax.random.permutation(domain_key, data.start.size)
  within = jax.random.bits(within_key, data.batch.domain.shape)
  return jnp.lexsort((within, rank[data.batch.domain]))


def rounds(key: Key, data: DomainBatches, num_rounds: int) -> Array:
  """A minibatch of every domain per round: [num_rounds, D] int32.

  A domain's minibatches come in a shuffled order, and over again in that order where it has fewer
  than `num_rounds`; where it has more, those left over are not seen.
  """
  shuffled = jnp.lexsort((jax.random.bits(key, data.batch.domain.shape), data.batch.domain))
  first = jnp.cumsum(data.count) - data.count
  return shuffled[first + jnp.arange(num_rounds)[:, None] % data.count]


def num_rounds(data: DomainBatches, size: int = 1) -> int:
  """How many rounds of `size` minibatches of every domain are a pass: ⌈T / (D · size)⌉."""
  return -(-data.batch.domain.size // (data.start.size * size))


def visits(key: Key, data: DomainBatches, size: int) -> Array:
  """A pass as `rounds` in which every domain is visited for `size` minibatches: [S, D, size].

  The order of the domains is shuffled every round.
  """
  rounds_key, domains_key = jax.random.split(key)
  num = num_rounds(data, size)
  taken = rounds(rounds_key, data, num * size).reshape(num, size, -1).swapaxes(1, 2)
  rank = jnp.argsort(jax.random.bits(domains_key, taken.shape[:2]), axis=1)
  return jnp.take_along_axis(taken, rank[..., None], axis=1)


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


def check_domains(domains_per_step: int | None) -> None:
  """Raises a ValueError if a step would look at no domain."""
  if domains_per_step is not None and domains_per_step < 1:
    raise ValueError(f"domains_per_step={domains_per_step}; choose 1 or more, or none for all")
