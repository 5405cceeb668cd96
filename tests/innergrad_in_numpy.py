"""Gradients, Hessian products and descents of the handmade logistic model, in NumPy."""

import itertools

import handmade
import numpy as np

ALPHA = 0.03
PAIRS = list(itertools.permutations(range(4), 2))
ORDER = (2, 0, 3, 1)  # of domains


class Reference:
  """Everything at the first minibatch of every domain, flat dicts in float64."""

  def __init__(self, params, data):
    self.theta, self.data = handmade.flat(params), data
    self.g = [self.gradient(i, self.theta) for i in range(4)]

  def gradient(self, i, theta):
    return handmade.gradient(theta, self.data, int(self.data.start[i]))

  def product(self, i, along):
    return handmade.curvature(self.theta, self.data, int(self.data.start[i]), along)

  def descended(self, order, alpha=ALPHA):
    """Σ gᵢ along a descent of SGD, which is −(Θ̃ − Θ) / α."""
    moved, passed = self.theta, dict.fromkeys(self.theta, 0.0)
    for i in order:
      g = self.gradient(i, moved)
      moved = combined([(1, moved), (-alpha, g)])
      passed = combined([(1, passed), (1, g)])
    return passed

  def inner_grad(self, pairs):
    return combined([(1 / len(pairs), self.product(i, self.g[j])) for i, j in pairs])


def combined(terms):
  """Σ weight · value, over (weight, flat dict)."""
  return {name: sum(w * value[name] for w, value in terms) for name in terms[0][1]}


def dotted(a, b):
  return sum((a[name] * b[name]).sum() for name in a)


def assert_flat_close(params, expected, **tolerance):
  for name, leaf in handmade.flat(params).items():
    np.testing.assert_allclose(leaf, expected[name], **tolerance)
