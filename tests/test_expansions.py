"""The expansions of Eqs. 18-22 next to actual descents, and these next to methods that train."""

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import optax
from handmade import double
from innergrad_in_numpy import ALPHA, ORDER

from mamdr_jax import tree
from mamdr_jax.core import Batch
from mamdr_jax.methods import METHODS
from mamdr_jax.schedule import full_pass
from mamdr_jax.theory import innergrad as theory
from mamdr_jax.theory.probe import held

KEY = jax.random.key(3)


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


# The same methods that train


def one_minibatch_each(sizes=(5, 8, 7, 6)):
  return handmade.batches(sizes)


def test_dn_gradient_is_what_domain_negotiation_does(params):
  data = one_minibatch_each()
  dn = METHODS["domain_negotiation"](loss=handmade.loss, inner=optax.sgd)
  state = dn.init(jax.random.key(0), params, data)
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
  state = dr.init(jax.random.key(0), params, data)
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
