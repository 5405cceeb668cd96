"""Cosines and conflict of gradients, and the probe that measures them while training."""

import functools
import itertools

import handmade
import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest
from innergrad_in_numpy import ALPHA, PAIRS, combined, dotted

from mamdr_jax import tree
from mamdr_jax.descent import minibatch, narrowed
from mamdr_jax.objective import embedding_norm
from mamdr_jax.theory.conflict import (
  conflict_share,
  cosines,
  domain_gradients,
  gram,
  pair_mean,
)
from mamdr_jax.theory.probe import conflict_probe, held, serving_probe
from mamdr_jax.view import view

KEY = jax.random.key(3)


def test_cosines_and_conflict_of_a_matrix_by_hand():
  products = jnp.array(
    [[4.0, -2.0, 6.0, 0.0], [-2.0, 1.0, 0.0, 0.0], [6.0, 0.0, 9.0, 0.0], 4 * [0.0]]
  )
  expected = [[1, -1, 1, 0], [-1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
  np.testing.assert_allclose(cosines(products), expected)
  assert tree.cosine(products, products) == 1 and tree.cosine(products, 0 * products) == 0
  assert conflict_share(products) == np.float32(1 / 6)
  np.testing.assert_allclose(pair_mean(products), 4 / 6, rtol=1e-6)


def test_held_are_first_minibatches_with_their_features():
  table = np.arange(24, dtype=np.float32).reshape(12, 2)
  data = handmade.batches(frozen={"item": table})
  batches = held(data)
  for i, first in enumerate((0, 1, 2, 4)):
    handmade.assert_trees_equal(tree.take(batches, i), minibatch(data, first))


def lengthened(params, num_rows=5000):
  """`params` with rows added to the tables of users and items that nobody reads."""
  longer = lambda leaf: jnp.concatenate([leaf, jnp.ones((num_rows, *leaf.shape[1:]))])
  tables = {name: jax.tree.map(longer, params["tables"][name]) for name in ("user", "item")}
  return params | {"tables": params["tables"] | tables}


@pytest.fixture(scope="module")
def probe(train):
  """(α, parameters) -> what is measured."""
  batches = held(train)
  return jax.jit(
    lambda alpha, params: conflict_probe(handmade.loss, batches, alpha=alpha)(KEY, params)
  )


@pytest.mark.parametrize("alpha", [ALPHA, 1e-4])
def test_the_probe_measures_what_loops_do(params, probe, reference, alpha):
  """At the small α, in float32, Θ̃ − Θ would be a difference of numbers that hardly differ."""
  measured = probe(alpha, lengthened(params))
  products = {(i, j): dotted(reference.g[i], reference.g[j]) for i in range(4) for j in range(4)}
  upper = list(itertools.combinations(range(4), 2))
  cosine = [products[p] / np.sqrt(products[p[0], p[0]] * products[p[1], p[1]]) for p in upper]
  conflict = np.mean([products[p] < 0 for p in upper])
  assert 0 < conflict < 1
  order = np.asarray(jax.random.permutation(jax.random.split(KEY)[1], 4))
  passed, inner = reference.descended(order, alpha), reference.inner_grad(PAIRS)
  second = combined([(1, passed)] + [(-1, g) for g in reference.g])
  alignment = -dotted(second, inner) / np.sqrt(dotted(second, second) * dotted(inner, inner))
  assert 0.5 < alignment < 0.999
  expected = {
    "inner_product": np.mean([products[p] for p in upper]),
    "cosine": np.mean(cosine),
    "conflict_share": conflict,
    "alignment": alignment,
  }
  assert measured.keys() == expected.keys()
  for name, value in expected.items():
    np.testing.assert_allclose(measured[name], value, rtol=1e-3, err_msg=name)


def test_a_view_changes_nothing_of_a_loss_that_sums_over_its_rows(params, train):
  """The rows are those of a minibatch, for the probe as for a descent, not those of all of them."""

  def loss(params, key, batch):
    return handmade.loss(params, key, batch) + embedding_norm(params["tables"])

  batches, longer = held(train), lengthened(params)
  measured = jax.jit(conflict_probe(loss, batches))(KEY, longer)
  gradients = jax.jit(lambda params: domain_gradients(narrowed(loss), params, KEY, batches))(longer)
  np.testing.assert_allclose(measured["inner_product"], pair_mean(gram(gradients)), rtol=1e-5)


def shapes(jaxpr):
  """Of everything that a program computes on the way."""
  for equation in jaxpr.eqns:
    yield from (variable.aval.shape for variable in equation.outvars)
    for inner in jax.extend.core.jaxprs_in_params(equation.params):
      yield from shapes(inner)


def test_the_probe_computes_nothing_as_long_as_a_table(params, train):
  def noisy(params, key, batch):
    return handmade.loss(params, key, batch) * jax.random.uniform(key)

  probe = conflict_probe(noisy, held(train))
  with jax.debug_key_reuse(True):  # the reuse that is meant is declared
    program = jax.make_jaxpr(probe)(KEY, lengthened(params)).jaxpr
  longest = max(max(shape, default=0) for shape in shapes(program))
  assert 4 * handmade.BATCH_SIZE <= longest < 5000


def test_training_is_probed_at_the_mean_over_domains_of_what_serves_them(params, train, probe):
  longer = lengthened(params)
  several = [jax.tree.map(lambda leaf, d=d: leaf * (d - 1.5), longer) for d in range(4)]
  stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *several)
  serve = lambda domain, rows=None: view(tree.take(stacked, domain), rows)
  measured = jax.jit(lambda: serving_probe(handmade.loss, held(train), alpha=ALPHA)(KEY, serve))()
  mean = jax.tree.map(lambda *leaves: sum(leaves) / 4, *several)
  for name, value in probe(ALPHA, mean).items():
    np.testing.assert_allclose(measured[name], value, rtol=1e-4, err_msg=name)


def served_alike(params, domain, rows=None):
  del domain
  return view(params, rows)


def test_of_very_many_domains_a_probe_takes_an_even_sample_however_many_there_are():
  longest = []
  for num_domains in (60, 600):
    data, params = handmade.batches((5,) * num_domains), handmade.init(KEY, None, num_domains)
    batches = held(data)
    assert batches.domain.tolist() == sorted(set(batches.domain.tolist()))
    assert len(batches.domain) == 50 and (batches.domain >= num_domains / 2).sum() > 15
    handmade.assert_trees_equal(tree.take(batches, 7), minibatch(data, int(batches.domain[7])))
    serve = functools.partial(served_alike, params)
    program = jax.make_jaxpr(serving_probe(handmade.loss, batches), static_argnums=1)(KEY, serve)
    longest.append(max(np.prod(shape) for shape in shapes(program.jaxpr)))
  assert longest[0] == longest[1]


def test_the_probe_takes_two_domains():
  batches = held(handmade.batches((8,)))
  for probe in (conflict_probe, serving_probe):
    with pytest.raises(ValueError, match="expected 2 or more, got 1"):
      probe(handmade.loss, batches)
