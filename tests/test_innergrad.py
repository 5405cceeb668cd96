"""Gradients that conflict, InnerGrad, and the expansions of Eqs. 18-22 next to actual descents.

Two kinds of domains carry the proofs: quadratics, where the series ends and all is exact, and the
handmade logistic model, of which gradients and Hessian products are written out in NumPy.
"""

import itertools

import handmade
import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from innergrad_in_numpy import ALPHA, PAIRS, assert_flat_close, combined, dotted

from mamdr_jax import tree
from mamdr_jax.core import Batch
from mamdr_jax.descent import full_pass, minibatch
from mamdr_jax.methods import METHODS
from mamdr_jax.theory import innergrad as theory
from mamdr_jax.theory.conflict import (
  domain_gradients,
  gram,
  leaf_grams,
)
from mamdr_jax.theory.probe import held

KEY = jax.random.key(3)


@pytest.fixture
def x64():
  with jax.enable_x64():
    yield


def double(tree):
  return jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), tree)


# Quadratics Lᵢ(θ) = ½ (θ − cᵢ)ᵀ Aᵢ (θ − cᵢ), with θ in two leaves


def quadratics():
  """Three in four dimensions: the batches, a loss and parameters; and A [3, 4, 4], c [3, 4]."""
  rng = np.random.default_rng(0)
  a, c = rng.normal(size=(3, 4, 4)), rng.normal(size=(3, 4))
  a = a + a.swapaxes(1, 2)
  none = np.zeros((3, 0))
  batches = Batch({}, {"a": a, "c": c[:, None]}, none, none, np.arange(3))

  def loss(params, key, batch):
    away = jnp.concatenate(jax.tree.leaves(params)) - batch.dense["c"][0]
    return away @ batch.dense["a"] @ away / 2

  theta = rng.normal(size=4)
  return batches, loss, {"net": {"u": theta[:1], "v": theta[1:]}}, (a, c, theta)


def joined(params):
  return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)])


def test_the_expansion_of_dn_lacks_what_three_quadratics_have_beyond_it(x64):
  batches, loss, params, (a, c, theta) = quadratics()
  order = np.array([1, 2, 0])
  both = jax.jit(lambda order: [
    f(loss, params, KEY, batches, order, ALPHA) for f in (theory.dn_gradient, theory.dn_expansion)
  ])  # fmt: skip
  actual, expansion = map(joined, both(order))
  first, second, third = ((a[i], a[i] @ (theta - c[i])) for i in order)
  expected = first[1] + second[1] + third[1]
  expected -= ALPHA * (second[0] @ first[1] + third[0] @ (first[1] + second[1]))
  np.testing.assert_allclose(expansion, expected, rtol=1e-12)
  beyond = ALPHA**2 * third[0] @ second[0] @ first[1]
  np.testing.assert_allclose(actual - expansion, beyond, rtol=1e-9)


def test_the_expansion_of_dr_is_exact_on_quadratics_and_has_an_order(x64):
  batches, loss, params, (a, c, theta) = quadratics()
  specific = {"net": tree.scale(params["net"], 0.3)}
  both = jax.jit(lambda pair: [
    f(loss, params, specific, KEY, batches, pair, ALPHA)
    for f in (theory.dr_gradient, theory.dr_expansion)
  ])  # fmt: skip
  for target, helper in ((0, 2), (2, 0)):
    actual, expansion = map(joined, both((np.array(target), np.array(helper))))
    np.testing.assert_allclose(actual, expansion, rtol=1e-12)
    g = [a[i] @ (1.3 * theta - c[i]) for i in (target, helper)]
    np.testing.assert_allclose(actual, sum(g) - ALPHA * a[target] @ g[1], rtol=1e-12)


def test_products_are_an_explicit_hessian_times_a_vector(x64, mlp, mlp_params, train):
  net = double(mlp_params["net"])
  flat, unravel = jax.flatten_util.ravel_pytree(net)
  batch = minibatch(train, 4)
  loss = lambda net: mlp.loss(mlp_params | {"net": net}, KEY, batch)
  along = np.random.default_rng(0).normal(size=flat.shape)
  hessian = jax.jit(jax.hessian(lambda flat: loss(unravel(flat))))(flat)
  product = jax.jit(lambda net: theory.hessian_product(loss, net, unravel(along)))(net)
  assert np.abs(hessian @ along).max() > 1e-3
  np.testing.assert_allclose(
    jax.flatten_util.ravel_pytree(product)[0], hessian @ along, rtol=1e-9, atol=1e-12
  )


ORDER = (2, 0, 3, 1)


@pytest.fixture(scope="module")
def computed(params, train):
  """What the library computes of the same, in one program."""
  with jax.enable_x64():
    args = handmade.loss, double(params), KEY, held(train)
    at = lambda f, *more: f(*args, *more)

    @jax.jit
    def everything(pairs, orders):
      gradients = at(domain_gradients)
      return {
        "leaf_grams": leaf_grams(gradients),
        "gram": gram(gradients),
        "inner_grad": at(theory.inner_grad),
        "inner_grad of pairs": at(theory.inner_grad, pairs),
        "inner_grad of one": at(theory.inner_grad, tuple(jnp.array([[0], [3]]))),
        "inner_grad of two": jax.lax.map(
          lambda key: at(theory.inner_grad, theory.sample_pairs(key, 4, 2)),
          jax.random.split(KEY, 400),
        ),
        "half_gradient": at(theory.half_gradient_of_products),
        "expansions": jax.lax.map(lambda o: at(theory.dn_expansion, o, ALPHA), orders),
        "expectation": at(theory.dn_expectation, ALPHA),
        "repeated": at(theory.dn_expansion, jnp.array([1, 1, 3, 1]), ALPHA),
        "descended": at(theory.dn_gradient, jnp.array(ORDER), ALPHA),
      }

    orders = np.array(list(itertools.permutations(range(4))))
    return jax.tree.map(np.asarray, everything(tuple(np.array(PAIRS).T), orders))


def test_gram_matrices_are_loops_over_pairs(computed, reference):
  g = reference.g
  expected = [[dotted(g[i], g[j]) for j in range(4)] for i in range(4)]
  np.testing.assert_allclose(computed["gram"], expected, rtol=1e-6, atol=1e-9)
  by_leaf = handmade.flat(computed["leaf_grams"])
  for name, products in by_leaf.items():
    expected = [[(g[i][name] * g[j][name]).sum() for j in range(4)] for i in range(4)]
    np.testing.assert_allclose(products, expected, rtol=1e-6, atol=1e-9)
  assert np.abs(by_leaf["domain"][~np.eye(4, dtype=bool)]).max() == 0  # no domain's row is shared


def test_inner_grad_is_a_loop_over_ordered_pairs(computed, reference):
  expected = reference.inner_grad(PAIRS)
  for name in ("inner_grad", "inner_grad of pairs", "half_gradient"):
    assert_flat_close(computed[name], expected, rtol=1e-6, atol=1e-9)
  one = reference.product(0, reference.g[3])  # and not the other way round
  assert_flat_close(computed["inner_grad of one"], one, rtol=1e-6, atol=1e-9)


def test_equation_21_holds_to_rounding(computed):
  handmade.assert_trees_close(
    computed["inner_grad"], computed["half_gradient"], rtol=1e-10, atol=1e-13
  )


def test_inner_grad_of_sampled_pairs_is_unbiased(computed):
  drawn = [computed["inner_grad of two"], computed["inner_grad"]]
  for sample, exact in zip(*map(jax.tree.leaves, drawn), strict=True):
    error = np.asarray(sample).std(0) / np.sqrt(len(sample))
    assert error.max() > 1e-4
    assert (np.abs(np.mean(sample, 0) - exact) <= 4.5 * error + 1e-12).all()


def test_sampled_pairs_are_distinct_and_have_no_domain_twice():
  draw = jax.jit(jax.vmap(lambda key: jnp.stack(theory.sample_pairs(key, 4, 5), 1)))
  drawn = [set(map(tuple, pairs)) for pairs in np.asarray(draw(jax.random.split(KEY, 60)))]
  assert all(len(pairs) == 5 for pairs in drawn)
  assert set.union(*drawn) == set(PAIRS)
  assert set(zip(*map(np.ravel, theory.sample_pairs(KEY, 4, 12)), strict=True)) == set(PAIRS)


def expansion(reference, order):
  terms = [(1, reference.g[i]) for i in order]
  before = itertools.combinations(order, 2)
  return combined(terms + [(-ALPHA, reference.product(i, reference.g[j])) for j, i in before])


def test_expansions_of_dn_are_loops_over_an_order(computed, reference):
  orders = list(itertools.permutations(range(4)))
  for n in (0, orders.index(ORDER)):
    one = tree.take(computed["expansions"], n)
    assert_flat_close(one, expansion(reference, orders[n]), rtol=1e-6, atol=1e-9)
  assert_flat_close(computed["repeated"], expansion(reference, (1, 1, 3, 1)), rtol=1e-6, atol=1e-9)


def test_the_expectation_is_the_mean_over_all_orders(computed):
  mean = jax.tree.map(lambda leaf: leaf.mean(0), computed["expansions"])
  handmade.assert_trees_close(mean, computed["expectation"], rtol=1e-10, atol=1e-13)


def test_the_descent_is_the_one_in_numpy(computed, reference):
  assert_flat_close(computed["descended"], reference.descended(ORDER), rtol=1e-6, atol=1e-9)


# The same methods that train


def one_minibatch_each(sizes=(5, 8, 7, 6)):
  return handmade.batches(sizes)


def test_dn_gradient_is_what_domain_negotiation_does(params):
  data = one_minibatch_each()
  dn = METHODS["domain_negotiation"](loss=handmade.loss, inner=optax.sgd)
  state = dn.init(jax.random.key(0), params, 4)
  moved, _ = jax.jit(dn.epoch)(KEY, state, data, handmade.rates(ALPHA, beta=1.0))
  order = full_pass(jax.random.split(KEY)[0], data)
  passed = jax.jit(theory.dn_gradient, static_argnums=0)(
    handmade.loss, params, KEY, held(data), order, ALPHA
  )
  end = tree.add(params, tree.scale(passed, -ALPHA))
  handmade.assert_trees_close(moved.params, end, rtol=1e-5, atol=1e-7)


def test_dr_gradient_is_what_domain_regularization_does(params):
  data = one_minibatch_each((5, 8))
  dr = METHODS["domain_regularization"](
    loss=handmade.loss, inner=optax.sgd, k=1, specific=("net",), specific_scale=0.3
  )
  state = dr.init(jax.random.key(0), params, 2)
  moved, _ = jax.jit(dr.epoch)(KEY, state, data, handmade.rates(ALPHA, gamma=1.0))
  for pair in ((0, 1), (1, 0)):
    passed = jax.jit(theory.dr_gradient, static_argnums=0)(
      handmade.loss,
      moved.shared.params,
      tree.take(state.specific, pair[0]),
      KEY,
      held(data),
      tuple(map(jnp.int32, pair)),
      ALPHA,
    )
    change = tree.sub(*(tree.take(s.specific, pair[0]) for s in (moved, state)))
    handmade.assert_trees_close(change, tree.scale(passed, -ALPHA), rtol=1e-3, atol=1e-6)


def test_what_the_expansions_leave_out_falls_with_the_square_of_alpha(x64, mlp, mlp_params, train):
  """With dropout: the masks of a key are the same in the descent and in its expansion."""
  batches, params = held(train), tree.noise(KEY, double(mlp_params), 0.5)
  specific = {"net": tree.scale(params["net"], 0.1)}

  @jax.jit
  def distances(alpha):
    dn = mlp.loss, params, KEY, batches, jnp.array(ORDER), alpha
    dr = mlp.loss, params, specific, KEY, batches, (jnp.int32(1), jnp.int32(3)), alpha
    pairs = [
      (theory.dn_gradient(*dn), theory.dn_expansion(*dn)),
      (theory.dr_gradient(*dr), theory.dr_expansion(*dr)),
    ]
    return jnp.stack([jnp.sqrt(tree.dot(d, d)) for d in (tree.sub(*pair) for pair in pairs)])

  alphas = np.array([1e-4, 1e-5])  # so small that no unit of a ReLU changes sides
  slope = np.diff(np.log(np.stack([distances(alpha) for alpha in alphas])), axis=0)
  np.testing.assert_allclose(slope[0] / np.diff(np.log(alphas)), 2, atol=0.05)
