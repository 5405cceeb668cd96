"""Frameworks whose step takes a minibatch of every domain against loops in NumPy.

Gradients and Hessian products are by hand. The loops draw the schedule with the same keys;
`test_schedule` tests schedules alone.
"""

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from algorithms_in_numpy import ALPHA, BETA, adagrad, assert_is, mean, plus, sgd

from mamdr_jax.methods import METHODS
from mamdr_jax.methods.pcgrad import orders, project
from mamdr_jax.schedule import num_rounds, rounds

KEY = jax.random.key(9)


@pytest.mark.parametrize(
  ("gradients", "order", "projected"),
  [
    ([[1, 0], [-1, 1]], [[0, 1], [0, 1]], [[0.5, 0.5], [0, 1]]),
    ([[1, 0], [1, 1]], [[0, 1], [0, 1]], [[1, 0], [1, 1]]),
    (  # the second gradient's projection is 0, yet the others are taken off the original
      [[1, 0], [-1, 1], [0, -1]],
      [[1, 2, 0], [0, 1, 2], [0, 1, 2]],
      [[0.5, 0], [0, 0], [-0.5, -0.5]],
    ),
    (  # and the order matters
      [[1, 0], [-1, 1], [0, -1]],
      [[2, 1, 0], [2, 1, 0], [2, 1, 0]],
      [[0.5, 0.5], [0, 0], [0, -0.5]],
    ),
    ([[0, 0], [-1, 1]], [[0, 1], [0, 1]], [[0, 0], [-1, 1]]),
  ],
)
def test_conflicts_of_gradients_by_hand(gradients, order, projected):
  gradients = jnp.array(gradients, jnp.float32)
  combined = project(gradients @ gradients.T, jnp.array(order)) @ gradients
  np.testing.assert_allclose(combined, projected, atol=1e-6)


def stepped(name, params, data, minibatches=1, **options):
  """A method after an epoch, its info, and of each step the key and the minibatches [n, D]."""
  method = METHODS[name](loss=handmade.loss, inner=optax.sgd, **options)
  state = method.init(jax.random.key(0), params, data)
  state, info = jax.jit(method.epoch)(KEY, state, data, handmade.rates(ALPHA, BETA))
  order_key, descent_key = jax.random.split(KEY)
  num = num_rounds(data, minibatches)
  order = np.asarray(rounds(order_key, data, num * minibatches)).reshape(num, minibatches, -1)
  steps = [(jax.random.fold_in(descent_key, s), taken) for s, taken in enumerate(order)]
  return method.params(state, 0), info, steps


@pytest.mark.parametrize("sparse", [True, False])
def test_pcgrad(params, train, sparse):
  served, info, steps = stepped("pcgrad", params, train, sparse=sparse)
  theta, conflicts = handmade.flat(params), 0
  for key, ((*taken,),) in steps:
    grads = [handmade.gradient(theta, train, index) for index in taken]
    _, order_key = jax.random.split(key)
    total = dict.fromkeys(theta, 0.0)
    for i, order in enumerate(np.asarray(orders(order_key, 4))):
      projected = grads[i]
      for j in order[order != i]:
        along = sum(np.sum(projected[n] * grads[j][n]) for n in theta)
        if along < 0:
          conflicts += 1
          length = sum(np.sum(grads[j][n] ** 2) for n in theta)
          projected = plus(projected, grads[j], -along / length)
      total = plus(projected, total)
    theta = plus(theta, total, -ALPHA)
  assert_is(served, theta)
  assert conflicts and info["passes"] == 8


@pytest.mark.parametrize(
  ("inner_steps", "first_order", "outside"), [(1, True, "sgd"), (2, False, "adagrad")]
)
def test_maml(params, train, inner_steps, first_order, outside):
  options = {"inner_steps": inner_steps, "first_order": first_order}
  options["outer"] = getattr(optax, outside)
  served, info, steps = stepped("maml", params, train, 2, **options)
  theta, outer = handmade.flat(params), {"sgd": sgd, "adagrad": adagrad}[outside](BETA)
  for _, taken in steps:
    total = dict.fromkeys(theta, 0.0)
    for support, query in taken.T:
      assert (support == query) == (train.count[train.batch.domain[query]] == 1)
      path = [theta]
      for _ in range(inner_steps):
        path.append(plus(path[-1], handmade.gradient(path[-1], train, support), -ALPHA))
      grads = handmade.gradient(path[-1], train, query)
      if not first_order:
        for at in reversed(path[:-1]):
          grads = plus(grads, handmade.curvature(at, train, support, grads), -ALPHA)
      total = plus(grads, total)
    theta = outer(theta, plus(theta, total, -1.0))
  assert_is(served, theta)
  assert info["passes"] == len(steps) * 4 * (2 if first_order else 5)


@pytest.mark.parametrize(
  ("num_test", "test_weight", "first_order"), [(1, 1.0, True), (2, 0.7, False)]
)
def test_mldg(params, train, num_test, test_weight, first_order):
  options = {"num_test": num_test, "test_weight": test_weight, "first_order": first_order}
  served, info, steps = stepped("mldg", params, train, **options)
  theta, drawn = handmade.flat(params), set()
  for key, ((*taken,),) in steps:
    split_key, _ = jax.random.split(key)
    shuffled = np.array(taken)[np.asarray(jax.random.permutation(split_key, 4))]
    on_test, on_train = shuffled[:num_test], shuffled[num_test:]
    drawn.add(tuple(train.batch.domain[on_test].tolist()))
    grads = mean([handmade.gradient(theta, train, index) for index in on_train])
    ahead = plus(theta, grads, -ALPHA)
    there = mean([handmade.gradient(ahead, train, index) for index in on_test])
    if not first_order:
      curved = mean([handmade.curvature(theta, train, index, there) for index in on_train])
      there = plus(there, curved, -ALPHA)
    theta = plus(theta, plus(grads, there, test_weight), -BETA)
  assert_is(served, theta)
  assert len(drawn) == len(steps) == 2
  assert info["passes"] == 2 * (4 if first_order else 6)
