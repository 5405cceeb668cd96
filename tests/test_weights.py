"""Weights of the gradients of domains: each by what defines it, in NumPy and on the vectors."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import nnls

from mamdr_jax.methods import METHODS, aligned_mtl, cagrad, imtl_g, mgda, nash_mtl, upgrad
from mamdr_jax.methods.gradvac import turned
from mamdr_jax.methods.gramian import gramian
from mamdr_jax.methods.pcgrad import orders


def module(constructor):
  """Of a method, whose name in the package is that of its constructor."""
  return sys.modules[constructor.__module__]


# Few that agree, many that conflict, more than their space has dimensions, and very unequal ones.
CASES = {"two": (2, 6, 0.0), "five": (5, 40, 0.5), "many": (12, 60, 0.0), "flat": (9, 4, 0.0),
         "unequal": (4, 30, 0.2)}  # fmt: skip


@pytest.fixture(scope="module", params=CASES)
def vectors(request):
  """Gradients [D, m], in float64."""
  num, size, alike = CASES[request.param]
  rng = np.random.default_rng(num)
  made = rng.normal(size=(num, size)) + alike
  if request.param == "unequal":
    made *= np.array([[0.1], [1.0], [2.0], [4.0]])
  return made


def weighed(constructor, vectors, *options):
  gram = jnp.asarray(vectors @ vectors.T, jnp.float32)
  weigh = jax.jit(lambda gram: module(constructor).weights(gram, *options))
  return np.asarray(weigh(gram), np.float64)


def test_mgda_is_shortest(vectors):
  w = weighed(mgda, vectors)
  assert (w >= 0).all() and abs(w.sum() - 1) < 1e-5
  direction = w @ vectors
  size = np.square(vectors).sum(1).mean()
  # As far along every gradient as it is long: then no other point of the hull is shorter.
  assert (vectors @ direction).min() >= direction @ direction - 2e-4 * size


@pytest.mark.parametrize("c", [0.0, 0.4, 0.9])
def test_cagrad_has_no_gap_to_its_dual(vectors, c):
  w = weighed(cagrad, vectors, c)
  mean, direction = vectors.mean(0), w @ vectors
  reach = c * np.linalg.norm(mean)
  assert np.linalg.norm(direction - mean) <= reach * (1 + 1e-4) + 1e-6
  if not c:
    np.testing.assert_allclose(w, 1 / len(w), rtol=1e-5)
    return
  dual = w - 1 / len(w)
  dual = dual / dual.sum() @ vectors
  worth = dual @ mean + reach * np.linalg.norm(dual)
  scale = np.linalg.norm(mean) ** 2 + reach * np.linalg.norm(mean)
  assert (vectors @ direction).min() >= worth - 5e-3 * scale


def test_imtl_g_is_equally_far_along_all(vectors):
  if len(vectors) > vectors.shape[1]:
    pytest.skip("there is no such direction")
  w = weighed(imtl_g, vectors)
  assert abs(w.sum() - 1) < 1e-4
  along = (vectors @ (w @ vectors)) / np.linalg.norm(vectors, axis=1)
  np.testing.assert_allclose(along, along.mean(), rtol=2e-3)


def test_aligned_gradients_are_orthogonal_and_as_long_as_the_least(vectors):
  left, values, right = np.linalg.svd(vectors, full_matrices=False)
  aligned = values.min() * left @ right
  direction = weighed(aligned_mtl, vectors) @ vectors
  np.testing.assert_allclose(direction, aligned.mean(0), atol=2e-3 * np.abs(aligned).max())


def test_upgrad_is_the_mean_of_projections_on_the_dual_cone(vectors):
  projections = []
  for own in vectors:  # own + vectorsᵀ λ, λ ≥ 0, as short as can be
    found, _ = nnls(vectors.T, -own)
    projections.append(own + found @ vectors)
    assert (vectors @ projections[-1]).min() > -1e-8
  direction = weighed(upgrad, vectors) @ vectors
  size = np.sqrt(np.square(vectors).sum(1).mean())
  np.testing.assert_allclose(direction, np.mean(projections, 0), atol=0.02 * size)


def test_nash_mtl_gains_are_alike(vectors):
  w = weighed(nash_mtl, vectors, 0.0)
  gram = vectors @ vectors.T
  if len(vectors) > vectors.shape[1]:
    assert (w > 0).all()  # there may be no bargain: what there is comes of the ridge
    return
  np.testing.assert_allclose((gram @ w) * w, np.linalg.norm(gram), rtol=5e-3)
  cut = weighed(nash_mtl, vectors, 1.0)
  np.testing.assert_allclose(np.linalg.norm(cut @ vectors), 1, rtol=1e-3)
  np.testing.assert_allclose(cut / cut.sum(), w / w.sum(), rtol=1e-4)


def test_gradvac_turns_gradients_to_their_goals(vectors):
  num, decay = len(vectors), 0.3
  goals = np.random.default_rng(1).uniform(-0.5, 0.5, (num, num))
  order = np.asarray(orders(jax.random.key(0), num))
  gram = jnp.asarray(vectors @ vectors.T, jnp.float32)
  c, moved = jax.jit(turned)(gram, jnp.asarray(goals, jnp.float32), order, decay)
  expected, after = [], goals.copy()
  for i in range(num):
    g = vectors[i]
    for j in order[i][order[i] != i]:
      other, goal = vectors[j], goals[i, j]
      cosine = g @ other / np.linalg.norm(g) / np.linalg.norm(other)
      if cosine < goal:
        share = goal * np.sqrt(1 - cosine**2) - cosine * np.sqrt(1 - goal**2)
        share *= np.linalg.norm(g) / np.linalg.norm(other) / np.sqrt(1 - goal**2)
        g = g + share * other
        reached = g @ other / np.linalg.norm(g) / np.linalg.norm(other)
        assert abs(reached - goal) < 1e-9
      after[i, j] = (1 - decay) * goal + decay * cosine
    expected.append(g)
  np.testing.assert_allclose(np.asarray(c) @ vectors, expected, rtol=0.02, atol=0.02)
  np.testing.assert_allclose(moved, after, atol=2e-3)


@pytest.mark.parametrize("constructor", [mgda, cagrad, imtl_g, aligned_mtl, upgrad, nash_mtl])
def test_gradients_that_are_0_or_all_alike_leave_weights_finite(constructor):
  options = {cagrad: (0.5,), nash_mtl: (1.0,)}.get(constructor, ())
  one = np.random.default_rng(0).normal(size=8)
  for vectors in (np.zeros((3, 8)), np.stack([one] * 3), np.stack([one, 0 * one, -one])):
    assert np.isfinite(weighed(constructor, vectors, *options)).all()


def test_a_gramian_is_of_all_leaves():
  grads = {"a": jnp.arange(6.0).reshape(2, 3), "b": {"c": jnp.ones((2, 2, 2))}}
  np.testing.assert_array_equal(gramian(grads), [[5 + 4, 14 + 4], [14 + 4, 50 + 4]])


@pytest.mark.parametrize(
  ("name", "options", "told"),
  [
    ("cagrad", {"c": -1.0}, "c=-1.0; choose 0 or more"),
    ("nash_mtl", {"max_norm": -1.0}, "max_norm=-1.0; choose 0 or more"),
    ("gradvac", {"decay": 0.0}, "decay=0.0; choose more than 0"),
    ("mgda", {"domains_per_step": 0}, "domains_per_step=0; choose 1 or more"),
    ("famo", {"domains_per_step": 0}, "domains_per_step=0; choose 1 or more"),
  ],
)
def test_options_that_cannot_be_are_refused(name, options, told):
  with pytest.raises(ValueError, match=told):
    METHODS[name](loss=None, inner=None, **options)
