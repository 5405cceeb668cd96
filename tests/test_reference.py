"""The paper's algorithms against loops in NumPy with gradients by hand.

The library's loss records on which minibatches it is taken. The loops below follow that record,
which settles what is random, check that it is a record the algorithm allows, and do the rest
themselves: Luo et al. 2023, Algs. 1-3, line by line, on dense float64 arrays.
"""

from collections import defaultdict
from functools import partial

import handmade
import jax
import numpy as np
import optax
import pytest

from mamdr_jax import descent
from mamdr_jax.methods import METHODS

ALPHA, BETA, GAMMA = 0.5, 0.3, 0.4
NUM_EPOCHS = 2


class Record:
  """The minibatches that the library trained on, read from the front."""

  def __init__(self, data, seen):
    self.rest = list(seen)
    self.domain, self.count = np.asarray(data.batch.domain), np.asarray(data.count)

  def take(self, length):
    taken, self.rest = self.rest[:length], self.rest[length:]
    return taken

  def full_pass(self):
    """Every minibatch once, domain by domain."""
    taken = self.take(self.domain.size)
    assert sorted(taken) == list(range(self.domain.size))
    assert (np.diff(self.domain[taken]) != 0).sum() == self.count.size - 1
    return taken

  def visit(self, bound):
    """A domain, and minibatches of it: none twice, `bound` or all there are."""
    domain = self.domain[self.rest[0]]
    taken = self.take(min(self.count[domain], bound or self.domain.size))
    assert set(self.domain[taken]) == {domain} and len(set(taken)) == len(taken)
    return domain, taken


def trained(name, params, data, objective=handmade.loss, **options):
  """A method, its state after some epochs of the loss `objective`, and the record of them."""
  data = handmade.tagged(data)
  loss, seen = handmade.recorded(objective)
  method = METHODS[name](loss=loss, **({"inner": optax.sgd} | options))
  epoch, state = jax.jit(method.epoch), method.init(jax.random.key(0), params, data.start.size)
  for key in jax.random.split(jax.random.key(5), NUM_EPOCHS):
    already = len(seen)
    state, info = epoch(key, state, data, handmade.rates(ALPHA, BETA, GAMMA))
    jax.effects_barrier()
    assert info["passes"] == len(seen) - already
  return method, state, Record(data, seen)


def descend(theta, velocity, data, indices, momentum=0.0, shared=None):
  """Steps of the inner optimizer on `theta`, the gradient taken at shared + theta."""
  theta, velocity = dict(theta), dict(velocity or dict.fromkeys(theta, 0.0))
  for index in indices:
    at = theta if shared is None else {n: shared[n] + theta.get(n, 0.0) for n in shared}
    grads = handmade.gradient(at, data, index)
    for name in theta:
      velocity[name] = momentum * velocity[name] + grads[name]
      theta[name] = theta[name] - ALPHA * velocity[name]
  return theta, velocity


def sgd(rate):
  return lambda start, end: {n: start[n] + rate * (end[n] - start[n]) for n in start}


def adagrad(rate):
  total = defaultdict(lambda: 0.1)

  def step(start, end):
    for name in start:
      total[name] = total[name] + (start[name] - end[name]) ** 2
    return {
      n: start[n] - rate * (start[n] - end[n]) / np.sqrt(total[n] + 1e-7) for n in start
    }  # fmt: skip

  return step


def negotiate(theta, velocity, data, record, outer, momentum):
  """Alg. 1, lines 2-7."""
  end, velocity = descend(theta, velocity, data, record.full_pass(), momentum)
  return outer(theta, end), velocity


def regularize(deltas, velocity, shared, data, record, outers, *, k, bound, itself, momentum):
  """Alg. 2 for every target domain, its helpers in the order of the record."""
  deltas, helpers = list(deltas), defaultdict(list)
  for _ in range((k + itself) * len(deltas)):
    j, on_helper = record.visit(bound)
    i, on_target = record.visit(bound)
    helpers[i].append(j)
    start = deltas[i]
    middle, after = descend(start, velocity, data, on_helper, momentum, shared)
    end, after = descend(middle, after, data, on_target, momentum, shared)
    deltas[i] = outers[i](start, end)
    velocity = after if momentum else None
  for i in range(len(deltas)):
    others, rest = helpers[i][:k], helpers[i][k:]
    assert len(set(others)) == k and i not in others and rest == [i] * itself
  return deltas, velocity


def assert_is(params, theta):
  flat = handmade.flat(params)
  assert flat.keys() == theta.keys()
  for name in theta:
    np.testing.assert_allclose(flat[name], theta[name], rtol=1e-4, atol=1e-5, err_msg=name)


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
  "paper": {},
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
  for _ in range(NUM_EPOCHS):  # Alg. 3
    if name == "mamdr":
      shared, _ = negotiate(shared, None, train, record, dn_outer, 0.0)
    else:
      shared, _ = descend(shared, None, train, record.full_pass())
    deltas, velocity = regularize(
      deltas, velocity, shared, train, record, outers,
      k=options["k"],
      bound=options.get("visit_steps"),
      itself=options.get("help_self", False),
      momentum=0.9 if "specific_carry" in options else 0.0,
    )  # fmt: skip
  for i, delta in enumerate(deltas):
    served = {n: shared[n] + delta.get(n, 0.0) for n in shared}
    assert_is(method.params(state, i), served)
    assert_is(jax.tree.map(lambda x, i=i: x[i], state.specific), delta)
  assert not record.rest
