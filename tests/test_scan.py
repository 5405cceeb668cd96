"""Running totals in blocks, against a loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mamdr_jax.scan import running


def after(a, b):
  """x → second(first(x)) for functions x → x + scale·x + shift: it matters which comes first."""
  return {
    "scale": a["scale"] + b["scale"] + a["scale"] * b["scale"],
    "shift": a["shift"] + b["shift"] + b["scale"] * a["shift"],
  }


@pytest.mark.parametrize("n", [1, 2, 5, 16, 30])
def test_totals_are_those_of_a_loop_in_order(n):
  rng = np.random.default_rng(n)
  xs = {name: rng.integers(-1, 3, size=(n, 2)).astype(np.float32) for name in ("scale", "shift")}
  expected = [{name: x[0] for name, x in xs.items()}]
  for i in range(1, n):
    expected.append(after(expected[-1], {name: x[i] for name, x in xs.items()}))
  for name, found in running(after, xs).items():
    np.testing.assert_array_equal(found, np.stack([one[name] for one in expected]))


def test_the_program_does_not_grow_with_the_totals():
  sizes = [
    len(str(jax.make_jaxpr(lambda x: running(jnp.add, x))(jnp.zeros(n)))) for n in (50, 5000)
  ]
  assert sizes[1] < 1.1 * sizes[0]
