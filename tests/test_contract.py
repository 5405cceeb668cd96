"""What every method promises, over the dict of methods itself."""

import inspect
from types import SimpleNamespace

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mamdr_jax.core import Hparams
from mamdr_jax.methods import METHODS

SMALL = {"k": 2, "visit_steps": 2}  # what a method takes of this, it is given
NUM_RUNS = 3


def construct(name, loss):
  takes = inspect.signature(METHODS[name]).parameters
  return METHODS[name](
    loss=loss, inner=optax.adam, **{option: SMALL[option] for option in SMALL if option in takes}
  )


# These differ from `cagrad` in a small function alone, and `gradnorm` from `gradvac`.
ALIKE = {
  *("mgda", "imtl_g", "aligned_mtl", "upgrad", "nash_mtl", "gradnorm"),
  *("equal_weighting", "random_weighting", "pcgrad"),
}


@pytest.fixture(
  scope="module",
  params=[pytest.param(n, marks=pytest.mark.slow if n in ALIKE else ()) for n in METHODS],
)
def made(request, mlp, mlp_params, train):
  """A method on the MLP: its initial state, one epoch from there, and how often it was traced."""
  traces = []

  def loss(params, key, batch):
    traces.append(1)
    return mlp.loss(params, key, batch)

  method = construct(request.param, loss)
  begin = method.init(jax.random.key(0), mlp_params, train)
  epoch = jax.jit(method.epoch)
  end, info = epoch(jax.random.key(1), begin, train, handmade.rates(0.01))
  return SimpleNamespace(**locals())


def test_epoch_keeps_structure_shapes_and_dtypes(made):
  assert jax.tree.structure(made.begin) == jax.tree.structure(made.end)
  for before, after in zip(jax.tree.leaves(made.begin), jax.tree.leaves(made.end), strict=True):
    assert (before.shape, before.dtype) == (after.shape, after.dtype)


def test_epoch_trains_and_stays_finite(made):
  leaves = jax.tree.leaves((made.end, made.info))
  assert all(np.isfinite(leaf).all() for leaf in leaves)
  before, after = made.method.params(made.begin, 0), made.method.params(made.end, 0)
  for x, y in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
    assert not np.array_equal(x, y)


def test_epoch_reads_the_rates_that_it_says_and_no_others(made):
  epoch = lambda rates: made.method.epoch(jax.random.key(1), made.begin, made.train, rates)[0]
  closed = jax.make_jaxpr(epoch)(handmade.rates()).jaxpr
  used = {str(v) for equation in closed.eqns for v in equation.invars}
  read = {n for n, v in zip(Hparams._fields, closed.invars, strict=True) if str(v) in used}
  assert read == set(made.method.rates)


def test_info_is_scalars_with_the_loss_and_the_number_of_gradients(made):
  assert {"loss", "passes"} <= set(made.info)
  assert {x.shape for x in jax.tree.leaves(made.info)} == {()}


def test_same_key_gives_the_same_bits_and_another_key_others(made):
  again, _ = made.epoch(jax.random.key(1), made.begin, made.train, handmade.rates(0.01))
  handmade.assert_trees_equal(made.end, again)
  other, _ = made.epoch(jax.random.key(2), made.begin, made.train, handmade.rates(0.01))
  served = [made.method.params(state, 0)["net"] for state in (made.end, other)]
  for x, y in zip(*map(jax.tree.leaves, served), strict=True):
    assert not np.array_equal(x, y)


def test_traced_once_for_two_states_and_two_values_of_hparams(made):
  traced = len(made.traces)
  made.epoch(jax.random.key(3), made.end, made.train, handmade.rates(0.02, 0.1, 0.1))
  assert traced and len(made.traces) == traced


def test_serves_every_domain_parameters_like_those_it_was_given(made):
  serve = jax.jit(made.method.params)
  for domain in range(made.train.start.size):
    served = serve(made.end, jnp.int32(domain))
    assert jax.tree.structure(served) == jax.tree.structure(made.mlp_params)
    for given, leaf in zip(jax.tree.leaves(made.mlp_params), jax.tree.leaves(served), strict=True):
      assert (given.shape, given.dtype) == (leaf.shape, leaf.dtype)
      assert np.isfinite(leaf).all()


def test_what_serves_is_told_from_what_trains(made):
  served = made.method.served(made.end)
  for domain in range(made.train.start.size):
    whole, light = (made.method.params(state, domain) for state in (made.end, served))
    handmade.assert_trees_equal(whole, light)
  leaves = jax.tree_util.tree_leaves_with_path(served)
  names = {
    name
    for where, _ in leaves
    for name in jax.tree_util.keystr(where, simple=True, separator="/").split("/")
  }
  assert names and not names & {"inner", "outer"}  # where optimizers have their states


VARIANTS = {
  "DN, a round a minibatch": ("domain_negotiation", {"round_steps": 1}),
  "Reptile, a round two minibatches": ("reptile", {"round_steps": 2}),
  "MAML, exact": ("maml", {"inner_steps": 2, "first_order": False}),
  "MLDG, exact": ("mldg", {"num_test": 2, "first_order": False}),
}


@pytest.mark.parametrize("name", [*METHODS, *VARIANTS])
def test_no_key_is_used_twice(name, mlp, mlp_params, train):
  if name in METHODS:
    method = construct(name, mlp.loss)
  else:
    name, options = VARIANTS[name]
    method = METHODS[name](loss=mlp.loss, inner=optax.sgd, **options)
  with jax.debug_key_reuse(True):
    state = method.init(jax.random.key(0), mlp_params, train)
    jax.jit(method.epoch).lower(jax.random.key(1), state, train, handmade.rates(0.01))


def test_vmapped_runs_equal_separate_runs(made):
  # Adam divides by the root of a moment, which magnifies the last bits in which a batched
  # matrix product differs where gradients are near 0: hence not tighter than 1e-5 absolute,
  # a thousandth of the inner rate.
  keys = jax.random.split(jax.random.key(4), NUM_RUNS)
  rates = [[0.01, 0.02, 0.005], [0.3, 1.0, 0.1], [0.4, 0.1, 1.0]]
  hparams = Hparams(*np.array(rates, np.float32))
  states = [made.begin, made.end, made.begin]
  stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *states)
  together = jax.jit(jax.vmap(made.method.epoch, (0, 0, None, 0)))(
    keys, stacked, made.train, hparams
  )
  together = jax.tree.map(np.asarray, together)
  for run in range(NUM_RUNS):
    of_run = lambda tree, run=run: jax.tree.map(lambda x: x[run], tree)
    alone = made.epoch(keys[run], states[run], made.train, of_run(hparams))
    handmade.assert_trees_close(of_run(together), alone, rtol=1e-4, atol=1e-5)


def test_domain_counts_that_leave_no_helper_are_refused(params, train):
  with pytest.raises(ValueError, match="k=3 helpers need more than 3 domains"):
    METHODS["mamdr"](loss=handmade.loss, inner=optax.sgd, k=3).init(
      jax.random.key(0), params, handmade.batches(handmade.SIZES[:3])
    )
  with pytest.raises(ValueError, match="k=0 leaves no helper"):
    METHODS["mamdr"](loss=handmade.loss, inner=optax.sgd, k=0)
  with pytest.raises(ValueError, match="choose 'tables', 'net', or branches"):
    METHODS["mamdr"](loss=handmade.loss, inner=optax.sgd, specific=("nets",))
  with pytest.raises(ValueError, match="num_test=4 of 4 domains leaves none to train on"):
    METHODS["mldg"](loss=handmade.loss, inner=optax.sgd, num_test=4).init(
      jax.random.key(0), params, train
    )


@pytest.mark.parametrize(
  ("name", "options", "said"),
  [
    ("mldg", {"num_test": 0}, "num_test=0; choose 1 or more"),
    ("maml", {"inner_steps": 0}, "inner_steps=0; choose 1 or more"),
    ("maml", {"first_order": False}, "choose sgd, or adam with eps_root"),
    ("mldg", {"first_order": False}, "choose sgd, or adam with eps_root"),
    ("reptile", {"round_steps": 0}, "round_steps=0; choose 1 or more"),
    ("domain_negotiation", {"round_steps": 0}, "round_steps=0; choose 1 or more"),
    ("mamdr", {"round_steps": 0}, "round_steps=0; choose 1 or more"),
  ],
)
def test_arguments_that_cannot_work_are_refused(name, options, said):
  with pytest.raises(ValueError, match=said):
    METHODS[name](loss=handmade.loss, inner=optax.adam, **options)
