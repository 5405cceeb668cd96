"""What the algorithms consist of, in NumPy, and the record of what the library trained on."""

from collections import defaultdict

import handmade
import jax
import numpy as np
import optax

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
  epoch, state = jax.jit(method.epoch), method.init(jax.random.key(0), params, data)
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


def assert_is(params, theta):
  flat = handmade.flat(params)
  assert flat.keys() == theta.keys()
  for name in theta:
    np.testing.assert_allclose(flat[name], theta[name], rtol=1e-4, atol=1e-5, err_msg=name)


def plus(a, b, factor=1.0):
  """a + factor · b."""
  return {name: a[name] + factor * b[name] for name in a}


def mean(trees):
  return {name: sum(tree[name] for tree in trees) / len(trees) for name in trees[0]}
