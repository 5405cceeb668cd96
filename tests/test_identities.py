"""What one algorithm has to say about another, and what must not matter."""

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mamdr_jax.descent import descend, full_pass
from mamdr_jax.methods import METHODS
from mamdr_jax.metrics import domain_auc

KEY = jax.random.key(3)


def trained(name, params, data, key=KEY, hparams=None, **options):
  """A method and its state after one epoch."""
  method = METHODS[name](**({"loss": handmade.loss, "inner": optax.sgd} | options))
  state = method.init(params, data.start.size)
  state, _ = jax.jit(method.epoch)(key, state, data, hparams or handmade.rates())
  return method, state


def walk(params, opt_state, data, order, *, tx, sparse=True):
  """`descend`, jitted; parameters and optimizer state only."""
  go = jax.jit(lambda *args: descend(KEY, *args, loss=handmade.loss, tx=tx, sparse=sparse)[:2])
  return go(params, opt_state, data, jnp.asarray(order))


def test_domain_negotiation_with_beta_1_is_alternate(params, train):
  _, dn = trained("domain_negotiation", params, train, hparams=handmade.rates(beta=1.0))
  _, alternate = trained("alternate", params, train)
  # θ + (θ̃ − θ) rounds where θ̃ does not.
  handmade.assert_trees_close(dn.params, alternate.params, rtol=1e-6, atol=1e-6)


def test_domain_negotiation_with_beta_0_moves_nothing(params, train):
  _, state = trained("domain_negotiation", params, train, hparams=handmade.rates(beta=0.0))
  handmade.assert_trees_equal(state.params, params)


def test_gamma_0_leaves_the_deltas(params, train):
  noisy = {"k": 2, "specific_scale": 0.1}
  method, state = trained("mamdr", params, train, hparams=handmade.rates(gamma=0.0), **noisy)
  handmade.assert_trees_equal(state.specific, method.init(params, 4).specific)


@pytest.mark.parametrize(
  ("name", "inside"),
  [("domain_regularization", "alternate"), ("mamdr", "domain_negotiation")],
)
def test_regularization_does_not_move_the_shared_parameters(params, train, name, inside):
  shared_key, _ = jax.random.split(KEY)
  _, state = trained(name, params, train, k=2)
  _, alone = trained(inside, params, train, key=shared_key)
  handmade.assert_trees_equal(state.shared, alone)
  assert all(np.abs(x).max() > 0.01 for x in jax.tree.leaves(state.specific))


def pulled_descent(params, data, order, hparams):
  """θ + β (θ̃ − θ), θ̃ being θ after a step of gradient descent on each minibatch of `order`."""
  start = handmade.flat(params)
  theta = dict(start)
  for index in order:
    grads = handmade.gradient(theta, data, index)
    theta = {name: theta[name] - float(hparams.alpha) * grads[name] for name in theta}
  return {n: start[n] + float(hparams.beta) * (theta[n] - start[n]) for n in start}


@pytest.mark.parametrize(
  "sizes", [(29,), (8, 3, 6, 7)], ids=["one domain: Reptile", "one minibatch a domain: Fish"]
)
def test_domain_negotiation_is_reptile_and_fish(params, sizes):
  data = handmade.batches(sizes)
  _, state = trained("domain_negotiation", params, data)
  order_key, _ = jax.random.split(KEY)
  expected = pulled_descent(params, data, full_pass(order_key, data), handmade.rates())
  handmade.assert_trees_close(handmade.flat(state.params), expected, rtol=1e-5, atol=1e-6)


def test_one_domain_can_only_help_itself(params):
  data = handmade.batches((13,))
  _, state = trained("mamdr", params, data, k=0, help_self=True)
  assert all(x.shape[0] == 1 and np.any(x != 0) for x in jax.tree.leaves(state.specific))
  with pytest.raises(ValueError, match="k=1 helpers need more than 1 domains, and there are 1"):
    trained("mamdr", params, data, k=1)


@pytest.mark.parametrize("name", ["alternate", "mamdr"])
def test_views_change_no_bit_of_plain_gradient_descent(params, train, name):
  options = {"k": 2} if name == "mamdr" else {}
  _, sparse = trained(name, params, train, sparse=True, **options)
  _, dense = trained(name, params, train, sparse=False, **options)
  handmade.assert_trees_equal(sparse, dense)


def users(state):
  return np.asarray(state[0]["tables"]["user"]["embedding"])


def two_batches():
  """Two minibatches of one domain that share no row of a table: even rows, then odd ones."""
  user = np.arange(8, dtype=np.int32) % 4 * 2
  ids = {"user": np.concatenate([user, user + 1]), "item": np.concatenate([user + 2, user + 3])}
  made = handmade.batches((16,))
  shaped = {field: jnp.asarray(column.reshape(2, 8)) for field, column in ids.items()}
  return made._replace(batch=made.batch._replace(ids=shaped))


@pytest.mark.parametrize("optimizer", [optax.adam, optax.adagrad, optax.adamw])
def test_a_sparse_step_moves_the_rows_of_its_batch_only(params, optimizer):
  data, tx = two_batches(), optimizer(0.1)
  start = params, tx.init(params)
  one = walk(*start, data, [0], tx=tx)
  two = walk(*start, data, [0, 1], tx=tx)
  for state, touched in ((one, [0, 2, 4, 6]), (two, [0, 1, 2, 3, 4, 5, 6, 7])):
    moved = np.any(users(state) != users(start), axis=1)
    np.testing.assert_array_equal(np.flatnonzero(moved), touched)
  # The second minibatch leaves alone what the first has done to its rows, moments included.
  for before, after in zip(*(jax.tree.leaves(x) for x in (one, two)), strict=True):
    if before.shape == (handmade.NUM_ROWS, handmade.WIDTH):
      rows = np.array([2, 4, 6])
      np.testing.assert_array_equal(before[rows], after[rows])


def test_a_dense_adam_step_moves_rows_that_an_earlier_batch_touched(params):
  data, tx = two_batches(), optax.adam(0.1)
  one = walk(params, tx.init(params), data, [0], tx=tx, sparse=False)
  two = walk(params, tx.init(params), data, [0, 1], tx=tx, sparse=False)
  lazy = walk(params, tx.init(params), data, [0, 1], tx=tx)
  assert np.all(users(one)[[0, 2, 4, 6]] != users(two)[[0, 2, 4, 6]])
  np.testing.assert_allclose(users(lazy)[[1, 3, 5, 7]], users(two)[[1, 3, 5, 7]], rtol=1e-6)


def test_one_step_of_adam_is_the_same_sparse_and_dense(params, train):
  tx = optax.adam(0.1)
  sparse, dense = (
    walk(params, tx.init(params), train, [5], tx=tx, sparse=sparse) for sparse in (True, False)
  )
  handmade.assert_trees_close(sparse, dense, rtol=1e-6, atol=1e-7)


def renamed(data, params, new):
  """The same minibatches and parameters where domain d is called new[d]."""
  old = jnp.argsort(new)
  batch = data.batch._replace(domain=new[data.batch.domain])
  bias = params["tables"]["domain"]["bias"][old]
  tables = params["tables"] | {"domain": {"bias": bias}}
  data = data._replace(batch=batch, start=data.start[old], count=data.count[old])
  return data, params | {"tables": tables}


def test_renaming_domains_renames_the_result(params, train):
  new = jnp.array([2, 0, 3, 1])
  order, tx = [3, 0, 1, 6, 2, 5, 4], optax.sgd(0.5)
  params_after, _ = walk(params, tx.init(params), train, order, tx=tx)
  _, expected = renamed(train, params_after, new)
  data, start = renamed(train, params, new)
  result, _ = walk(start, tx.init(start), data, order, tx=tx)
  handmade.assert_trees_equal(result, expected)

  scores = jax.random.normal(KEY, train.batch.label.shape)
  auc = domain_auc(scores, train)
  np.testing.assert_allclose(domain_auc(scores, data)[new], auc, rtol=1e-6)
