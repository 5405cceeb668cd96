"""Products of gradients, InnerGrad and expansions of the handmade model, next to loops in NumPy."""

import itertools

import handmade
import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest
from handmade import double
from innergrad_in_numpy import ALPHA, ORDER, PAIRS, assert_flat_close, combined, dotted

from mamdr_jax import tree
from mamdr_jax.descent import minibatch
from mamdr_jax.theory import innergrad as theory
from mamdr_jax.theory.conflict import domain_gradients, gram, leaf_grams
from mamdr_jax.theory.probe import held

KEY = jax.random.key(3)


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


@pytest.mark.parametrize(("num_domains", "num_pairs"), [(100_000, 500), (12, 30)])
def test_pairs_of_many_domains_are_drawn_without_a_list_of_all(num_domains, num_pairs):
  draw = jax.jit(lambda key: jnp.stack(theory.sample_pairs(key, num_domains, num_pairs)))
  counts = np.zeros(num_domains)
  for key in jax.random.split(KEY, 40):
    i, j = np.asarray(draw(key))
    assert len(set(zip(i, j, strict=True))) == num_pairs
    assert (i != j).all() and min(i.min(), j.min()) >= 0 and max(i.max(), j.max()) < num_domains
    counts += np.bincount(i, minlength=num_domains) + np.bincount(j, minlength=num_domains)
  halves = counts[: num_domains // 2].sum(), counts[num_domains // 2 :].sum()
  assert abs(halves[0] - halves[1]) < 4 * np.sqrt(counts.sum())


def test_more_pairs_than_there_are_cannot_be_drawn():
  with pytest.raises(ValueError, match="4 domains make 12 ordered pairs, fewer than 13"):
    theory.sample_pairs(KEY, 4, 13)


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
