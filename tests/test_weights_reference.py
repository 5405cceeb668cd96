"""Frameworks that weigh the gradients or losses of domains against loops in NumPy."""

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from algorithms_in_numpy import ALPHA, assert_is, plus
from handmade import flat, gradient, value
from test_steps_reference import KEY, stepped
from test_weights import module

from mamdr_jax.methods import METHODS
from mamdr_jax.methods.gradvac import turned
from mamdr_jax.methods.pcgrad import orders

OPTIONS = {"cagrad": (0.5,), "nash_mtl": (1.0,)}


def gram_of(grads):
  return np.array([[sum((a[n] * b[n]).sum() for n in a) for b in grads] for a in grads])


def total(weight, grads):
  made = dict.fromkeys(grads[0], 0.0)
  for w, g in zip(weight, grads, strict=True):
    made = plus(made, g, float(w))
  return made


@pytest.mark.parametrize("name", ["mgda", "cagrad", "imtl_g", "aligned_mtl", "upgrad", "nash_mtl"])
def test_weights_of_gradients(name, params, train):
  served, info, steps = stepped(name, params, train)
  theta, weights = flat(params), module(METHODS[name]).weights
  weigh = jax.jit(lambda gram: weights(gram, *OPTIONS.get(name, ())))
  for _, ((*taken,),) in steps:
    grads = [gradient(theta, train, index) for index in taken]
    weight = weigh(jnp.asarray(gram_of(grads), jnp.float32))
    theta = plus(theta, total(weight, grads), -ALPHA)
  for leaf, expected in flat(served).items():
    np.testing.assert_allclose(expected, theta[leaf], atol=2e-3)
  assert info["passes"] == 8


def test_equal_and_random_weights(params, train):
  for name in ("equal_weighting", "random_weighting"):
    served, _, steps = stepped(name, params, train)
    theta = flat(params)
    for key, ((*taken,),) in steps:
      grads = [gradient(theta, train, index) for index in taken]
      drawn = np.asarray(jax.random.normal(jax.random.split(key)[1], (4,)), np.float64)
      weight = np.exp(drawn) / np.exp(drawn).sum() if name == "random_weighting" else [0.25] * 4
      theta = plus(theta, total(weight, grads), -ALPHA)
    assert_is(served, theta)


def state_after(name, params, train, **options):
  method = METHODS[name](loss=handmade.loss, inner=optax.sgd, **options)
  state = method.init(jax.random.key(0), params, train)
  return jax.jit(method.epoch)(KEY, state, train, handmade.rates(ALPHA))[0]


def test_gradvac(params, train):
  served, _, steps = stepped("gradvac", params, train, decay=0.3)
  theta, goals = flat(params), jnp.zeros((4, 4))
  for key, ((*taken,),) in steps:
    grads = [gradient(theta, train, index) for index in taken]
    step_key, _ = jax.random.split(key)
    order = orders(jax.random.split(step_key)[1], 4)
    c, goals = turned(jnp.asarray(gram_of(grads), jnp.float32), goals, order, 0.3)
    theta = plus(theta, total(np.asarray(c).sum(0), grads), -ALPHA)
  assert_is(served, theta)
  assert (np.asarray(goals) != 0).sum() == 12
  found = state_after("gradvac", params, train, decay=0.3).mind
  np.testing.assert_allclose(found, goals, atol=1e-5)


class Adam:
  """Of a vector, as Kingma & Ba 2015 have it."""

  def __init__(self, rate):
    self.rate, self.m, self.v, self.t = rate, 0.0, 0.0, 0

  def __call__(self, grads):
    self.t += 1
    self.m, self.v = 0.9 * self.m + 0.1 * grads, 0.999 * self.v + 0.001 * grads**2
    m, v = self.m / (1 - 0.9**self.t), self.v / (1 - 0.999**self.t)
    return -self.rate * m / (np.sqrt(v) + 1e-8)


def test_gradnorm(params, train):
  options = {"asymmetry": 0.7, "weight_rate": 0.1}
  served, _, steps = stepped("gradnorm", params, train, **options)
  theta, weight, first, adam = flat(params), np.ones(4), None, Adam(0.1)
  for _, ((*taken,),) in steps:
    grads = [gradient(theta, train, index) for index in taken]
    losses = np.array([value(theta, train, index) for index in taken])
    first = losses if first is None else first
    length = np.sqrt(np.diagonal(gram_of(grads)))
    theta = plus(theta, total(weight, grads), -ALPHA)
    behind = losses / first
    goal = (weight * length).mean() * (behind / behind.mean()) ** 0.7
    weight = weight + adam(np.sign(weight * length - goal) * length)
    weight = weight * 4 / weight.sum()
  assert_is(served, theta)
  found = state_after("gradnorm", params, train, **options).mind[0]["tables"]["domain"]
  np.testing.assert_allclose(found["weight"], weight, rtol=1e-4)
  np.testing.assert_allclose(found["first"], first, rtol=1e-5)
  assert np.abs(weight - 1).max() > 0.05


def test_famo(params, train):
  options = {"weight_rate": 0.1, "weight_decay": 0.01}
  served, info, steps = stepped("famo", params, train, **options)
  theta, logit, adam = flat(params), np.zeros(4), Adam(0.1)
  for _, ((*taken,),) in steps:
    grads = [gradient(theta, train, index) for index in taken]
    losses = np.array([value(theta, train, index) for index in taken])
    share = np.exp(logit) / np.exp(logit).sum()
    theta = plus(theta, total(share / losses / (share / losses).sum(), grads), -ALPHA)
    fell = np.log(losses) - np.log([value(theta, train, index) for index in taken])
    slope = share * fell - share * (share @ fell)
    logit = logit + adam(slope + 0.01 * logit)
  assert_is(served, theta)
  known = state_after("famo", params, train, **options).mind["known"]["tables"]["domain"]
  np.testing.assert_allclose(known["logit"], logit, rtol=1e-3, atol=1e-4)
  assert info["passes"] == 8 and np.abs(logit).max() > 0.05


@pytest.mark.parametrize("name", ["famo", "gradnorm", "gradvac", "cagrad"])
def test_a_step_of_some_domains_moves_what_is_known_of_those_alone(name, params, train):
  state = state_after(name, params, train, domains_per_step=2)
  assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))
  if name == "gradvac":  # of pairs that met
    assert 0 < (np.asarray(state.mind) != 0).sum() <= 12
