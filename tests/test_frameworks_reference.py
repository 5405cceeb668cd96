"""The other frameworks that take minibatches one by one against loops in NumPy.

The loops follow the record of what the library trained on, as those of `test_reference` do.
"""

from functools import partial

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from algorithms_in_numpy import (
  ALPHA,
  BETA,
  NUM_EPOCHS,
  adagrad,
  assert_is,
  descend,
  plus,
  sgd,
  trained,
)
from tiny_experiment import tiny

from mamdr_jax import assembly
from mamdr_jax.data import pack
from mamdr_jax.descent import minibatch
from mamdr_jax.methods import METHODS
from mamdr_jax.objective import embedding_norm

KEY = jax.random.key(9)


def with_l2(l2):
  return lambda *args: handmade.loss(*args) + l2 * embedding_norm(args[0]["tables"])


def test_values_and_hessian_products_by_hand_are_those_of_the_loss(params, train):
  theta = handmade.flat(params)
  along = jax.tree.map(lambda x: jnp.cos(7 * x), params)
  batch = lambda index: jax.tree.map(lambda x: x[index], train.batch)

  @jax.jit
  def product(batch):
    gradient = lambda params: jax.grad(handmade.loss)(params, None, batch)
    return handmade.loss(params, None, batch), jax.jvp(gradient, (params,), (along,))[1]

  for index in range(train.batch.domain.size):
    value, curved = product(batch(index))
    np.testing.assert_allclose(value, handmade.value(theta, train, index), rtol=1e-5)
    assert_is(curved, handmade.curvature(theta, train, index, handmade.flat(along)))


def test_joint(params, train):
  method, state, record = trained("joint", params, train)
  theta, seen = handmade.flat(params), list(record.rest)
  for _ in range(NUM_EPOCHS):
    taken = record.take(7)
    assert sorted(taken) == list(range(7))
    theta, _ = descend(theta, None, train, taken)
  assert_is(method.params(state, 0), theta)
  assert seen[:7] != seen[7:]
  assert (np.diff(record.domain[seen]) != 0).sum() > 2 * 3  # domains do not come in one piece


def test_separate(params, train):
  method, state, record = trained("separate", params, train)
  thetas = [handmade.flat(params)] * 4
  for _ in range(NUM_EPOCHS):
    for domain in range(4):
      visited, taken = record.visit(None)
      assert visited == domain
      thetas[domain], _ = descend(thetas[domain], None, train, taken)
  for domain, theta in enumerate(thetas):
    assert_is(method.params(state, domain), theta)
  assert not record.rest


@pytest.mark.parametrize("l2", [0.0, 0.05])
def test_weighted_loss(params, train, l2):
  """A penalty is not weighed, and moves no log variance."""
  options = {}
  if l2:
    options["penalty"] = lambda params: l2 * embedding_norm(params["tables"])
    options |= {"objective": with_l2(l2), "sparse": False}
  method, state, record = trained("weighted_loss", params, train, **options)
  theta, log_variance = handmade.flat(params), np.zeros(4)
  for index in np.concatenate([record.full_pass() for _ in range(NUM_EPOCHS)]):
    domain = train.batch.domain[index]
    weight = np.exp(-log_variance[domain])
    grads, value = handmade.gradient(theta, train, index), handmade.value(theta, train, index)
    decay = {n: 2 * l2 * theta[n] * (n in ("user", "item")) for n in theta}
    theta = plus(plus(theta, grads, -ALPHA * weight), decay, -ALPHA)
    log_variance[domain] -= ALPHA * (0.5 - weight * value)
  assert_is(method.params(state, 0), theta)
  learned = state.params["tables"]["domain"]["log_variance"]
  np.testing.assert_allclose(learned, log_variance, rtol=1e-4, atol=1e-5)


CASES = {
  "whole domains": {},
  "momentum carried": {"inner": partial(optax.sgd, momentum=0.9), "sparse": False},
  "two minibatches, adagrad outside": {"round_steps": 2, "outer": optax.adagrad},
}


@pytest.mark.parametrize(
  ("name", "case"),
  [*(("reptile", case) for case in CASES), ("domain_negotiation", [*CASES][2])],
)
def test_reptile_and_rounds_of_domain_negotiation(params, train, name, case):
  options = CASES[case]
  method, state, record = trained(name, params, train, **options)
  outer = (adagrad if "outer" in options else sgd)(BETA)
  momentum = 0.9 if "inner" in options else 0.0
  theta, velocity = handmade.flat(params), None
  for _ in range(NUM_EPOCHS):
    visited = []
    for _ in range(4):
      if "round_steps" in options:
        taken = record.take(2)
        (domain,) = set(record.domain[taken])
      else:
        domain, taken = record.visit(None)
      visited.append((domain, taken))
    assert sorted(domain for domain, _ in visited) == [0, 1, 2, 3]
    turns = [taken for _, taken in visited]
    for taken in turns if name == "reptile" else [np.concatenate(turns)]:
      end, velocity = descend(theta, velocity, train, taken, momentum)
      theta = outer(theta, end)
  assert_is(method.params(state, 0), theta)
  assert not record.rest


def test_weighted_loss_of_a_model_without_a_table_of_domains(train):
  params = jax.eval_shape(partial(handmade.init, num_domains=0), KEY)
  method = METHODS["weighted_loss"](loss=handmade.loss, inner=optax.adam)
  state = jax.eval_shape(lambda params: method.init(jax.random.key(0), params, train), params)
  assert state.params["tables"]["domain"]["log_variance"].shape == (4,)
  moved, _ = jax.eval_shape(method.epoch, KEY, state, train, handmade.rates())
  assert moved == state
  assert jax.eval_shape(method.params, moved, 0) == params


def test_the_l2_of_a_config_pulls_on_no_log_variance():
  """After the only step of an epoch of one domain it is where it is without."""
  changes = {"data.sizes": (60,), "batch_size": 64, "inner.name": "sgd", "alpha": 0.1}

  def moved(l2):
    (dataset, goal, method), _ = assembly.assemble(tiny("weighted_loss", l2=l2, **changes))
    train = pack(dataset, "train", 64)
    state = method.init(KEY, jax.jit(goal.init)(KEY, minibatch(train, 0)), train)
    return jax.jit(method.epoch)(KEY, state, train, handmade.rates(0.1))[0].params

  own, plain = moved(0.5), moved(0.0)
  log_variance = lambda params: params["tables"]["domain"]["log_variance"]
  np.testing.assert_allclose(log_variance(own), log_variance(plain), rtol=1e-5)
  assert embedding_norm(own["tables"]) < 0.9 * embedding_norm(plain["tables"])
