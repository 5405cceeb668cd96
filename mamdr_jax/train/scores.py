"""What a state says of rows on the host: figures and scores of a split, some domains at a time."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from mamdr_jax.core import Tree
from mamdr_jax.data.batches import HostBatches
from mamdr_jax.evaluate import Serving, moments_of, score
from mamdr_jax.measures import Scored, all_rows, rows_of
from mamdr_jax.metrics import Tally, tally, together
from mamdr_jax.train import at_rest, shifts
from mamdr_jax.train.at_rest import Kept
from mamdr_jax.train.parts import by_domain, parts, slices
from mamdr_jax.train.run import Setup


def tallied(setup: Setup, size: int) -> Callable:
  """`evaluate.tallied`: (state, train, data) -> Tally, both splits on the host."""
  walk = walking(setup, size)

  @jax.jit
  def of_part(total, state, moments, part):
    found = tally(score(serves(setup, state, moments).predict, part), part)
    return found if total is None else together(total, found)

  def measured(state: Tree, train: HostBatches, data: HostBatches) -> Tally:
    return walk(of_part, None, state, train, data)

  return measured


def scored(setup: Setup, size: int) -> Callable:
  """`programs.scoring`: (state, train, data) -> Scored, both splits on the host."""
  walk = walking(setup, size)

  @jax.jit
  def of_part(state, moments, part):
    return score(serves(setup, state, moments).predict, part)

  def rows(state: Tree, train: HostBatches, data: HostBatches) -> Scored:
    def add(found, state, moments, part):
      return [*found, rows_of(of_part(state, moments, part), part)]

    return all_rows(walk(add, [], state, train, data))

  return rows


def walking(setup: Setup, size: int) -> Callable:
  """(visit, carry, state, train, data) -> `carry` after all of a split, part by part.

  `visit(carry, state, moments, part)` gets the state of the domains that the part has.
  """
  goal = setup.objective

  @functools.partial(jax.jit, donate_argnums=0)
  def with_moments(moments, state, part, first, last):
    one = lambda domain: moments_of(serves(setup, state), part, domain)
    put = lambda d, to: jax.tree.map(lambda x, new: x.at[d].set(new), to, one(d))
    if moments is None:
      like = jax.eval_shape(one, 0)
      moments = jax.tree.map(lambda x: jnp.zeros((part.start.size, *x.shape), x.dtype), like)
    return jax.lax.fori_loop(first, last, put, moments)

  def over(data, state, visit, carry):
    """`carry` after `visit(carry, state, part, bounds)` of all domains, some at a time."""
    light, kept = split(setup, state)
    visits, domain = by_domain(data), np.arange(data.count.size)
    of = slices(visits, size, domain, shifts.most_domains(kept))
    turns = shifts.Shifts(kept, domain, of.bounds)
    for bounds, part in zip(of.bounds, parts(data, visits, of), strict=True):
      at_work = at_rest.together(light, turns.part(bounds))
      carry = jax.block_until_ready(visit(carry, at_work, part, bounds))
    return carry

  def walked(visit: Callable, carry, state: Tree, train: HostBatches, data: HostBatches):
    moments = None
    if goal.moments is not None:
      look = lambda carry, state, part, bounds: with_moments(carry, state, part, *bounds)
      moments = over(train, state, look, None)
    of_part = lambda carry, state, part, _: visit(carry, state, moments, part)
    return over(data, state, of_part, carry)

  return walked


def serves(setup: Setup, state: Tree, moments: dict | None = None) -> Serving:
  """What serves the domains whose state is at hand."""
  return Serving(setup.objective, setup.method, state, moments)


def split(setup: Setup, state: Tree) -> tuple[Tree, Kept]:
  """(what is on the device, what is at rest)."""
  return at_rest.apart(state, setup.method) if setup.rest else (state, {})
