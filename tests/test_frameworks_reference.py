"""The other frameworks against loops in NumPy, gradients and Hessian products by hand.

Where minibatches come one by one the loops follow the record of `test_reference`. Where a step
takes several, they draw the schedule with the same keys; `test_descent` tests schedules alone.
"""

from functools import partial

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from test_experiment import tiny
from test_reference import ALPHA, BETA, NUM_EPOCHS, adagrad, assert_is, descend, sgd, trained

from mamdr_jax import experiment
from mamdr_jax.data import pack
from mamdr_jax.descent import minibatch, num_rounds, rounds
from mamdr_jax.methods import METHODS
from mamdr_jax.methods.pcgrad import orders, project
from mamdr_jax.objective import embedding_norm

KEY = jax.random.key(9)


def plus(a, b, factor=1.0):
  """a + factor · b."""
  return {name: a[name] + factor * b[name] for name in a}


def with_l2(l2):
  return lambda *args: handmade.loss(*args) + l2 * embedding_norm(args[0]["tables"])


def mean(trees):
  return {name: sum(tree[name] for tree in trees) / len(trees) for name in trees[0]}


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
  state = method.init(jax.random.key(0), params, data.start.size)
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


def test_weighted_loss_of_a_model_without_a_table_of_domains(train):
  params = jax.eval_shape(partial(handmade.init, num_domains=0), KEY)
  method = METHODS["weighted_loss"](loss=handmade.loss, inner=optax.adam)
  state = jax.eval_shape(lambda params: method.init(jax.random.key(0), params, 4), params)
  assert state.params["tables"]["domain"]["log_variance"].shape == (4,)
  moved, _ = jax.eval_shape(method.epoch, KEY, state, train, handmade.rates())
  assert moved == state
  assert jax.eval_shape(method.params, moved, 0) == params


def test_the_l2_of_a_config_pulls_on_no_log_variance():
  """After the only step of an epoch of one domain it is where it is without."""
  changes = {"data.sizes": (60,), "batch_size": 64, "inner.name": "sgd", "alpha": 0.1}

  def moved(l2):
    dataset, goal, method = experiment.build(tiny("weighted_loss", l2=l2, **changes))
    train = pack(dataset, "train", 64)
    state = method.init(KEY, jax.jit(goal.init)(KEY, minibatch(train, 0)), 1)
    return jax.jit(method.epoch)(KEY, state, train, handmade.rates(0.1))[0].params

  own, plain = moved(0.5), moved(0.0)
  log_variance = lambda params: params["tables"]["domain"]["log_variance"]
  np.testing.assert_allclose(log_variance(own), log_variance(plain), rtol=1e-5)
  assert embedding_norm(own["tables"]) < 0.9 * embedding_norm(plain["tables"])
