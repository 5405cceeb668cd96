"""Descent along a schedule, and the pull towards where it ends."""

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mamdr_jax.descent import descend, minibatch, pull, reshuffle
from mamdr_jax.methods import METHODS
from mamdr_jax.models import MODELS
from mamdr_jax.objective import objective

KEYS = jax.random.split(jax.random.key(0), 3)


def logistic_loss():
  return handmade.loss, handmade.init(jax.random.key(1), num_domains=1)


def mlp_loss():
  made = objective(MODELS["mlp"](handmade.VOCAB | {"domain": 1}, 4, (6,), dropout=0.0), l2=0.1)
  batch = minibatch(handmade.batches((5,)), 0)
  return made.loss, jax.jit(made.init)(jax.random.key(1), batch)


@pytest.mark.parametrize("model", [logistic_loss, mlp_loss])
def test_padding_changes_no_loss_and_no_gradient(model):
  loss, params = model()
  exact = minibatch(handmade.batches((5,), batch_size=5), 0)
  padded = minibatch(handmade.batches((5,), batch_size=8), 0)
  assert exact.weight.all() and not padded.weight.all()
  take = jax.jit(jax.value_and_grad(loss))
  results = [take(params, jax.random.key(0), batch) for batch in (exact, padded)]
  handmade.assert_trees_close(*results, rtol=1e-5, atol=1e-7)


def read_rows(data, minibatches):
  """field -> which rows the real rows of `minibatches` read."""
  real = np.asarray(data.batch.weight)[minibatches] > 0
  ids = {field: np.asarray(column)[minibatches][real] for field, column in data.batch.ids.items()}
  return ids | {"domain": np.asarray(data.batch.domain)[minibatches]}


def moved_rows(before, after):
  """field -> the rows of its tables that differ."""
  apart = jax.tree.map(lambda x, y: np.abs(x - y).reshape(len(x), -1).any(1), before, after)
  return {field: np.flatnonzero(sum(jax.tree.leaves(leaves))) for field, leaves in apart.items()}


@pytest.mark.parametrize("shuffled", [False, True])
def test_padding_moves_no_row_under_adam_and_l2(shuffled):
  data = handmade.batches((9, 17), ids={f: np.arange(26, dtype=np.int32) for f in ("user", "item")})
  data = jax.jit(reshuffle)(KEYS[0], data) if shuffled else data
  model = MODELS["mlp"]({"user": 26, "item": 26, "domain": 2}, 4, (6,), dropout=0.0)
  goal, tx = objective(model, l2=0.1), optax.adam(0.1)
  params = jax.jit(goal.init)(KEYS[1], minibatch(data, 0))
  padded = np.array([1, 4])  # one row each
  assert (np.asarray(data.batch.weight)[padded].sum(1) == 1).all()
  momentum = jax.tree.map(lambda x: x + 1 if x.ndim else x, tx.init(params))
  go = jax.jit(lambda order: descend(
    KEYS[2], params, momentum, data, order, loss=goal.loss, tx=tx
  )[0])  # fmt: skip
  moved = moved_rows(params["tables"], go(padded)["tables"])
  for field, rows in read_rows(data, padded).items():
    np.testing.assert_array_equal(moved[field], np.unique(rows))


@pytest.mark.parametrize("outer", [optax.adam, lambda rate: optax.sgd(rate, momentum=0.9)])
def test_an_outer_step_of_dr_moves_only_rows_that_its_visits_read(outer, params):
  """Domains of one minibatch, visits of three, and momentum everywhere."""
  ids = np.arange(12, dtype=np.int32)
  data = handmade.batches((4, 4, 4), ids={"user": ids, "item": ids})
  made = METHODS["domain_regularization"](
    loss=handmade.loss, inner=optax.sgd, outer=outer, k=1, visit_steps=3, all_rows=True
  )
  state = made.init(KEYS[1], params, data)
  state = state._replace(outer=jax.tree.map(lambda x: x + 1, state.outer))
  after, _ = jax.jit(made.epoch)(KEYS[0], state, data, handmade.rates())
  for target in range(3):
    own = lambda state, t=target: handmade.of_domain(state.specific, state.own, t)["tables"]
    moved = moved_rows(own(state), own(after))
    assert target in moved["domain"] and len(moved["domain"]) == 2
    assert set(moved["user"]) == {u for u in ids if u // 4 in moved["domain"]} == set(moved["item"])


def test_descend_stops_after_length_steps_and_reports_their_mean_loss(params, train):
  tx = optax.sgd(0.5)
  start, order = (params, tx.init(params), train), jnp.array([3, 1, 4, 6])
  key = jax.random.key(0)
  go = jax.jit(lambda order, length: descend(
    key, *start, order, loss=handmade.loss, tx=tx, length=length
  ))  # fmt: skip
  bounded, _, mean_loss = go(order, 2)
  whole, _, _ = go(order[:2], 2)
  handmade.assert_trees_equal(bounded, whole)
  handmade.assert_trees_equal(go(order, 0)[0], params)

  after_one, _, first = go(order, 1)
  second = handmade.loss(after_one, key, minibatch(train, 1))
  np.testing.assert_allclose(first, handmade.loss(params, key, minibatch(train, 3)), rtol=1e-5)
  np.testing.assert_allclose(mean_loss, (first + second) / 2, rtol=1e-5)


def test_every_step_gets_a_key_of_its_own(params, train):
  bits = lambda params, key, batch: jax.random.uniform(key) + 0.0 * params["net"]["b"]
  tx = optax.sgd(0.5)
  go = jax.jit(lambda key, order: descend(
    key, params, tx.init(params), train, order, loss=bits, tx=tx
  )[2])  # fmt: skip
  one, two = go(KEYS[0], jnp.array([0])), go(KEYS[0], jnp.array([0, 0]))
  assert one != two and one != go(KEYS[1], jnp.array([0]))


def test_a_base_stands_still_and_shifts_where_the_gradient_is_taken(params, train):
  tx, order = optax.sgd(0.5), jnp.array([3, 1, 4])
  go = jax.jit(lambda start, base: descend(
    KEYS[0], start, tx.init(start), train, order, loss=handmade.loss, tx=tx, base=base
  )[0])  # fmt: skip
  zero = jax.tree.map(jnp.zeros_like, params)
  moved, delta = go(params, zero), go(zero, params)
  total = jax.tree.map(jnp.add, params, delta)
  handmade.assert_trees_close(total, moved, rtol=1e-5, atol=1e-6)


def test_pull_is_an_interpolation():
  start, end = {"a": jnp.array([1.0, 2.0])}, {"a": jnp.array([3.0, 0.0])}
  tx = optax.sgd(0.25)
  pulled, _ = pull(start, end, tx.init(start), tx)
  np.testing.assert_allclose(pulled["a"], [1.5, 1.5])
