"""The paper's algorithms against loops in NumPy with gradients by hand.

The library's loss records on which minibatches it is taken. The loops below follow that record,
which settles what is random, check that it is a record the algorithm allows, and do the rest
themselves: Luo et al. 2023, Algs. 1-3, line by line, on dense float64 arrays.
"""

from collections import defaultdict
from functools import partial

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from algorithms_in_numpy import (
  BETA,
  GAMMA,
  NUM_EPOCHS,
  adagrad,
  assert_is,
  descend,
  sgd,
  trained,
)

from mamdr_jax import descent


def negotiate(theta, velocity, data, record, outer, momentum):
  """Alg. 1, lines 2-7."""
  end, velocity = descend(theta, velocity, data, record.full_pass(), momentum)
  return outer(theta, end), velocity


def regularize(deltas, velocity, shared, data, record, outers, own, *, k, bound, itself, momentum):
  """Alg. 2 for every target domain, its helpers in the order of the record.

  `own` is 1 where a domain has a delta and 0 where it has none: there it forgets, visit by visit.
  """
  deltas, helpers = list(deltas), defaultdict(list)
  for _ in range((k + itself) * len(deltas)):
    j, on_helper = record.visit(bound)
    i, on_target = record.visit(bound)
    helpers[i].append(j)
    start = deltas[i]
    middle, after = descend(start, velocity, data, on_helper, momentum, shared)
    end, after = descend(middle, after, data, on_target, momentum, shared)
    deltas[i] = {n: own[i][n] * x for n, x in outers[i](start, end).items()}
    velocity = after if momentum else None
  for i in range(len(deltas)):
    others, rest = helpers[i][:k], helpers[i][k:]
    assert len(set(others)) == k and i not in others and rest == [i] * itself
  return deltas, velocity


def test_gradient_by_hand_is_that_of_the_loss(params, train):
  take, minibatch = jax.jit(jax.grad(handmade.loss)), jax.jit(descent.minibatch)
  for index in range(train.batch.domain.size):
    grads = take(params, None, minibatch(train, index))
    assert_is(grads, handmade.gradient(handmade.flat(params), train, index))


def test_alternate(params, train):
  method, state, record = trained("alternate", params, train)
  theta = handmade.flat(params)
  for _ in range(NUM_EPOCHS):
    theta, _ = descend(theta, None, train, record.full_pass())
  assert_is(method.params(state, 0), theta)
  assert not record.rest


@pytest.mark.parametrize(
  ("outside", "momentum", "carry"),
  [("sgd", 0.0, True), ("adagrad", 0.0, True), ("sgd", 0.9, True), ("sgd", 0.9, False)],
)
def test_domain_negotiation(params, train, outside, momentum, carry):
  options = {"outer": getattr(optax, outside), "carry": carry}
  if momentum:  # a lazy momentum would not be that of the dense loops
    options |= {"inner": partial(optax.sgd, momentum=momentum), "sparse": False}
  method, state, record = trained("domain_negotiation", params, train, **options)
  outer = {"sgd": sgd, "adagrad": adagrad}[outside](BETA)
  theta, velocity = handmade.flat(params), None
  for _ in range(NUM_EPOCHS):
    begin = velocity if carry else None
    theta, velocity = negotiate(theta, begin, train, record, outer, momentum)
  assert_is(method.params(state, 0), theta)
  assert not record.rest


CASES = {
  "paper": {"all_rows": True},
  "rows of its own": {},
  "few steps, helping itself, adagrad outside": {
    "k": 1,
    "visit_steps": 2,
    "help_self": True,
    "outer": optax.adagrad,
  },
  "deltas of the net only, momentum carried": {
    "specific": ("net",),
    "specific_inner": partial(optax.sgd, momentum=0.9),
    "specific_carry": True,
  },
}


@pytest.mark.parametrize(
  ("name", "case"), [("domain_regularization", "paper"), *(("mamdr", case) for case in CASES)]
)
def test_domain_regularization_and_mamdr(params, train, name, case):
  options = {"k": 2} | CASES[case]
  method, state, record = trained(name, params, train, **options)
  outer = adagrad if "outer" in options else sgd
  dn_outer, outers = outer(BETA), [outer(GAMMA) for _ in handmade.SIZES]
  shared, velocity = handmade.flat(params), None
  delta = handmade.flat({b: params[b] for b in options.get("specific", ("tables", "net"))})
  deltas = [{n: np.zeros_like(value) for n, value in delta.items()} for _ in handmade.SIZES]
  there = jax.tree.map(jnp.ones_like, state.specific)
  own = [handmade.flat(handmade.of_domain(there, state.own, i)) for i in range(4)]
  every = all(x.all() for x in own[0].values())
  assert every == (options.get("all_rows", False) or "specific" in options)
  for _ in range(NUM_EPOCHS):  # Alg. 3
    if name == "mamdr":
      shared, _ = negotiate(shared, None, train, record, dn_outer, 0.0)
    else:
      shared, _ = descend(shared, None, train, record.full_pass())
    deltas, velocity = regularize(
      deltas, velocity, shared, train, record, outers, own,
      k=options["k"],
      bound=options.get("visit_steps"),
      itself=options.get("help_self", False),
      momentum=0.9 if "specific_carry" in options else 0.0,
    )  # fmt: skip
  for i, delta in enumerate(deltas):
    served = {n: shared[n] + delta.get(n, 0.0) for n in shared}
    assert_is(method.params(state, i), served)
    assert_is(handmade.of_domain(state.specific, state.own, i), delta)
  assert not record.rest
