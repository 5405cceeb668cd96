"""Who helps whom in Domain Regularization, and at which rate deltas descend."""

import handmade
import jax
import numpy as np
import optax
import pytest
from tiny_experiment import tiny

from mamdr_jax import assembly
from mamdr_jax.core import Hparams
from mamdr_jax.methods import METHODS
from mamdr_jax.methods.domain_regularization import helpers, similar_helpers

# Of four domains 0 is like 1 alone, and 2 and 3 are like all.
LIKE = np.log(np.array([[1, 8, 1, 1], [1, 1, 1, 2], [1, 1, 1, 1], [1, 1, 1, 1]]))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_every_target_has_k_others(k):
  drawn = (helpers(jax.random.key(0), 4, k), similar_helpers(jax.random.key(0), LIKE, k, 1.0))
  for target, helper in drawn:
    pairs = set(zip(np.asarray(target).tolist(), np.asarray(helper).tolist(), strict=True))
    assert len(pairs) == 4 * k and all(i != j for i, j in pairs)
    np.testing.assert_array_equal(np.bincount(target), [k] * 4)


def test_the_first_helper_is_drawn_in_proportion_and_the_next_among_those_left():
  keys = jax.random.split(jax.random.key(1), 4000)
  target, helper = jax.vmap(lambda key: similar_helpers(key, LIKE, 2, 1.0))(keys)
  target, helper = (np.asarray(x).reshape(-1, 2, 4) for x in (target, helper))
  first, second = (helper[:, n][target[:, n] == 0] for n in range(2))
  share = lambda drawn: np.bincount(drawn, minlength=4) / drawn.size
  np.testing.assert_allclose(share(first), [0, 0.8, 0.1, 0.1], atol=0.03)
  after = second[first == 2]  # of 1 and 3, with 8 to 1
  np.testing.assert_allclose(share(after)[1], 8 / 9, atol=0.06)
  of_one = helper[:, 0][target[:, 0] == 1]
  np.testing.assert_allclose(share(of_one), [0.25, 0, 0.25, 0.5], atol=0.04)
  colder = jax.vmap(lambda key: similar_helpers(key, LIKE, 1, 0.25))(keys)
  np.testing.assert_allclose(share(colder[1][colder[0] == 0])[1], 8**4 / (8**4 + 2), atol=0.01)


def state_of(params, train, alpha=0.5, **options):
  """After an epoch of DR with SGD, θ_S at rest."""
  method = METHODS["domain_regularization"](loss=handmade.loss, inner=optax.sgd, k=1, **options)
  state = method.init(jax.random.key(0), params, train)
  hparams = Hparams(*(np.float32(x) for x in (alpha, 0.3, 0.4)))
  return jax.jit(method.epoch)(jax.random.key(1), state, train, hparams)[0]


def test_deltas_descend_at_a_multiple_of_alpha(params, train):
  slow = lambda alpha: optax.sgd(0.25 * alpha)
  one = state_of(params, train, specific_rate=0.25)
  handmade.assert_trees_equal(one, state_of(params, train, specific_inner=slow))
  assert any(np.abs(x).max() > 1e-4 for x in jax.tree.leaves(one.specific))
  usual = state_of(params, train)
  handmade.assert_trees_equal(one.shared, usual.shared)


def test_the_most_similar_help_where_the_draw_is_cold(train):
  method = METHODS["mamdr"](
    loss=handmade.loss, inner=optax.sgd, k=1, visit_steps=1,
    similarity=np.eye(4)[[3, 3, 3, 0]].tolist(), temperature=1e-3,
  )  # fmt: skip
  target, helper, _ = method.stages[-1].plan(jax.random.key(1), train).rest
  assert dict(zip(target.tolist(), helper.tolist(), strict=True)) == {0: 3, 1: 3, 2: 3, 3: 0}


@pytest.mark.parametrize(
  ("options", "said"),
  [
    ({"similarity": [[1, 2], [3]]}, "similarity: expected 2 rows of as many finite numbers"),
    ({"similarity": [["a", 0], [0, 1]]}, "similarity: expected 2 rows of as many finite numbers"),
    ({"similarity": (0.5, 1)}, "similarity: expected 2 rows of as many finite numbers"),
    ({"similarity": [[np.nan]]}, "similarity: expected 1 rows of as many finite numbers"),
    ({"similarity": np.eye(3)}, "similarity is of 3 domains, and there are 4"),
    ({"similarity": np.eye(4), "temperature": 0.0}, "temperature=0.0: expected a number above 0"),
  ],
)
def test_similarities_that_cannot_be_are_refused(options, said, params, train):
  with pytest.raises(ValueError, match=said):
    state_of(params, train, **options)


def test_a_config_has_similarities():
  assembly.assemble(tiny("mamdr", **{"method.similarity": ((1, 0, 0.5), (0, 1, 0), (0, 0, 1))}))
  with pytest.raises(ValueError, match="similarity: expected 1 rows"):
    assembly.assemble(tiny("mamdr", **{"method.similarity": ("a",)}))


@pytest.mark.parametrize("option", [{"similarity": np.eye(4)}, {"specific_rate": 0.5}])
def test_one_state_for_all_takes_neither(option):
  with pytest.raises(ValueError, match=f"leave {next(iter(option))} without use"):
    METHODS["mamdr"](loss=handmade.loss, inner=optax.sgd, one_state=True, **option)
