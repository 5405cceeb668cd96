"""One state of the inner optimizer through DN and DR, against loops in NumPy."""

import functools

import handmade
import numpy as np
import optax
import pytest
from algorithms_in_numpy import BETA, GAMMA, NUM_EPOCHS, assert_is, descend, plus, sgd, trained

from mamdr_jax.methods import METHODS


def test_moments_go_from_each_descent_to_the_next(params, train):
  momentum = functools.partial(optax.sgd, momentum=0.9)
  method, state, record = trained(
    "mamdr", params, train, one_state=True, k=2, help_self=True, inner=momentum
  )
  theta, velocity = handmade.flat(params), None
  own = {d: {name: np.zeros_like(leaf) for name, leaf in theta.items()} for d in range(4)}
  visited = []
  for _ in range(NUM_EPOCHS):
    end, velocity = descend(theta, velocity, train, record.full_pass(), 0.9)
    theta = sgd(BETA)(theta, end)
    for _ in range(4):
      for number in range(3):
        helper, taken = record.visit(None)
        target, more = record.visit(None)
        assert (helper == target) == (number == 2)
        visited.append(int(target))
        end, velocity = descend(own[target], velocity, train, [*taken, *more], 0.9, shared=theta)
        own[target] = sgd(GAMMA)(own[target], end)
  assert not record.rest and sorted(visited) == sorted(6 * [0, 1, 2, 3])
  for d in range(4):
    assert_is(method.params(state, d), plus(theta, own[d]))


def test_deltas_start_from_noise_of_their_own(params, train):
  method = METHODS["mamdr"](
    loss=handmade.loss, inner=optax.adam, one_state=True, specific_scale=0.1
  )
  state = method.init(handmade.jax.random.key(3), params, train)
  first, second = (handmade.flat(method.params(state, d)) for d in (0, 1))
  base = handmade.flat(params)
  noise = np.concatenate([(first[n] - base[n]).ravel() for n in base])
  assert 0.07 < noise.std() < 0.13
  assert all(not np.array_equal(first[n], second[n]) for n in base)


@pytest.mark.parametrize(
  "options",
  [{"visit_steps": 5}, {"round_steps": 1}, {"specific": ("net",)}, {"specific_carry": True}],
)
def test_what_does_not_apply_is_refused(options):
  with pytest.raises(ValueError, match=f"leave {next(iter(options))} without use"):
    METHODS["mamdr"](loss=None, inner=optax.sgd, one_state=True, **options)
