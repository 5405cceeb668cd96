"""Steps that move the rows of their minibatch alone, next to steps on whole tables."""

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from compiled_once import compiled, trained, walk

CASES = {
  "alternate": ("alternate", {}),
  "mamdr": ("mamdr", {"k": 2}),
  "mamdr, few steps": ("mamdr", {"k": 2, "visit_steps": 2}),
}


@pytest.mark.parametrize("case", CASES)
def test_views_change_no_bit_of_plain_gradient_descent(params, train, case):
  name, options = CASES[case]
  sparse = trained(name, params, train, sparse=True, **options)
  dense = trained(name, params, train, sparse=False, **options)
  handmade.assert_trees_equal(sparse, dense)


@pytest.mark.parametrize(
  ("name", "options"),
  [
    ("reptile", {"round_steps": 2}),
    ("separate", {}),
    ("maml", {"first_order": False}),
    ("mldg", {"first_order": False}),
  ],
)
def test_views_change_no_more_than_rounding(params, train, name, options):
  sparse = trained(name, params, train, sparse=True, **options)
  dense = trained(name, params, train, sparse=False, **options)
  serve = compiled(name, **options).params
  for domain in range(4):
    both = (serve(state, domain) for state in (sparse, dense))
    handmade.assert_trees_close(*both, rtol=1e-5, atol=1e-6)


def test_adagrad_is_the_same_sparse_and_dense(params, train):
  # It leaves a row alone whose gradient is 0; its square roots may round differently in a view.
  options = {"k": 2, "visit_steps": 2, "specific_carry": True}
  options |= {"outer": optax.adagrad, "specific_inner": optax.adagrad}
  sparse = trained("mamdr", params, train, sparse=True, **options)
  dense = trained("mamdr", params, train, sparse=False, **options)
  handmade.assert_trees_close(sparse, dense, rtol=1e-5, atol=1e-6)


def users(state):
  return np.asarray(state[0]["tables"]["user"]["embedding"])


def two_batches():
  """Two minibatches of one domain that share no row of a table: even rows, then odd ones."""
  user = np.arange(8, dtype=np.int32) % 4 * 2
  ids = {"user": np.concatenate([user, user + 1]), "item": np.concatenate([user + 2, user + 3])}
  made = handmade.batches((16,))
  shaped = {field: jnp.asarray(column.reshape(2, 8)) for field, column in ids.items()}
  return made._replace(batch=made.batch._replace(ids=shaped))


@pytest.mark.parametrize("optimizer", [optax.adam, optax.adagrad])
def test_a_sparse_step_moves_the_rows_of_its_batch_only(params, optimizer):
  data = two_batches()
  one, two = (walk(params, data, order, optimizer) for order in ([0], [0, 1]))
  for state, touched in ((one, [0, 2, 4, 6]), (two, [0, 1, 2, 3, 4, 5, 6, 7])):
    moved = np.any(users(state) != users([params]), axis=1)
    np.testing.assert_array_equal(np.flatnonzero(moved), touched)
  # The second minibatch leaves alone what the first has done to its rows, moments included.
  for before, after in zip(*(jax.tree.leaves(x) for x in (one, two)), strict=True):
    if before.shape == (handmade.NUM_ROWS, handmade.WIDTH):
      rows = np.array([2, 4, 6])
      np.testing.assert_array_equal(before[rows], after[rows])


def test_a_dense_adam_step_moves_rows_that_an_earlier_batch_touched(params):
  data = two_batches()
  one = walk(params, data, [0], optax.adam, sparse=False)
  two = walk(params, data, [0, 1], optax.adam, sparse=False)
  lazy = walk(params, data, [0, 1], optax.adam)
  assert np.all(users(one)[[0, 2, 4, 6]] != users(two)[[0, 2, 4, 6]])
  np.testing.assert_allclose(users(lazy)[[1, 3, 5, 7]], users(two)[[1, 3, 5, 7]], rtol=1e-6)


def test_one_step_of_adam_is_the_same_sparse_and_dense(params, train):
  sparse, dense = (walk(params, train, [5], optax.adam, sparse=s) for s in (True, False))
  handmade.assert_trees_close(sparse, dense, rtol=1e-6, atol=1e-7)
