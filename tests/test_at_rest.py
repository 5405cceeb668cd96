"""Deltas and models at rest elsewhere train the same bits as those on the device."""

import functools

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mamdr_jax import own, tree
from mamdr_jax.core import Hparams
from mamdr_jax.data import on_host
from mamdr_jax.methods import METHODS
from mamdr_jax.methods.finetune import finetuned
from mamdr_jax.train import Rest, Setup, fit, shifts, streamed
from mamdr_jax.workdir import trees

SIZES = (5, 8, 13, 21, 3)
RATES = Hparams(*jnp.full((3, 1), 0.05))
TABLES, BOTH = ("tables",), ("tables", "net.w")
VARIANTS = {
  "mamdr": ("mamdr", {"k": 2, "visit_steps": 1, "outer": optax.adam, "specific": BOTH}),
  "all rows": (
    "domain_regularization",
    {"k": 1, "all_rows": True, "specific": TABLES, "specific_scale": 0.1},
  ),
  "separate": ("separate", {}),
  "dense": ("separate", {"sparse": False}),
  "tuned": ("alternate+finetune", {}),
  "deltas tuned": ("domain_regularization+finetune", {"k": 1, "visit_steps": 2}),
}

SLOW = "dense", "tuned", "deltas tuned", "all rows"


@pytest.fixture(scope="module")
def splits():
  """Training and validation, on the host."""
  valid = handmade.dataset(SIZES, 1)._replace(split=np.ones(sum(SIZES), np.int8))
  return on_host(handmade.dataset(SIZES), "train", 8), on_host(valid, "valid", 8)


@pytest.fixture(scope="module")
def at_hand(splits):
  """A function: the variant's name -> its runs with what is kept on the device."""
  return functools.cache(lambda name: trained(name, splits)[1])


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
  monkeypatch.setattr(shifts, "BLOCK", 400)  # bytes: one domain or two


def trained(name, splits, **setup):
  name, options = VARIANTS[name]
  base, _, tuned = name.partition("+")
  construct = finetuned(METHODS[base]) if tuned else METHODS[base]
  method = construct(loss=handmade.loss, inner=optax.adam, **options)
  goal = handmade.objective(num_domains=5)
  setup = Setup(goal, method, 2, reshuffled=False, stream=2, **setup)
  keys = jax.random.split(jax.random.key(3), 1)
  (group,) = fit(setup, keys, RATES, *splits, epochs=2)
  return setup, group.runs


@pytest.mark.parametrize(
  "name", [pytest.param(x, marks=pytest.mark.slow) if x in SLOW else x for x in VARIANTS]
)
def test_runs_at_rest_are_runs(name, splits, at_hand, tmp_path):
  """`test_streamed` has that runs whose data come in parts are those on whole data."""
  expected = at_hand(name)
  _, found = trained(name, splits, rest=Rest(tmp_path))
  if name in ("dense", "tuned", "deltas tuned"):  # over fewer rows a sum may round in another way
    for x, y in zip(*map(jax.tree.leaves, (expected, found)), strict=True):
      np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-7)
  else:
    handmade.assert_trees_equal(expected, found)
  assert not list(tmp_path.iterdir())  # its files have no name


def test_half_precision_rests_in_half_the_bytes_and_is_near(splits, at_hand):
  expected = at_hand("mamdr")
  setup, found = trained("mamdr", splits, rest=Rest(None, "bfloat16"))
  kept = found.state.specific, found.state.outer
  assert {leaf.dtype.name for leaf in jax.tree.leaves(kept)} == {"bfloat16", "int32"}
  for x, y in zip(*map(jax.tree.leaves, (expected.state.specific, kept[0])), strict=True):
    np.testing.assert_allclose(x, y.astype(np.float32), atol=0.02)
    assert not np.array_equal(x, y)
  state = jax.tree.map(lambda x: jnp.asarray(x[0]), found.state)
  assert jax.tree.leaves(setup.method.params(state, 1))[0].dtype == jnp.float32


def test_a_run_goes_on_where_it_trains(splits):
  setup, runs = trained("separate", splits, rest=Rest(None))
  alone = jax.tree.map(lambda x: x[0], runs)
  settled = streamed.settled(setup, alone)
  handmade.assert_trees_equal(alone, settled)
  assert isinstance(settled.state.begun.params["net"]["w"], jax.Array)
  assert isinstance(settled.state.params["net"]["w"], np.ndarray)


def test_half_precision_is_written_and_read(tmp_path):
  kept = {"w": np.arange(6.0).astype(jnp.bfloat16), "n": np.arange(3)}
  trees.save(tmp_path / "kept.npz", kept)
  found = trees.load(tmp_path / "kept.npz", jax.tree.map(lambda x: x.astype(np.float32), kept))
  assert found["w"].dtype == jnp.bfloat16
  handmade.assert_trees_equal(kept, found)


def test_noise_of_a_domain_is_the_same_whoever_is_at_hand(splits, params):
  train, _ = splits
  rows = jax.tree.map(np.asarray, train.own)
  kept = own.spread(tree.branches(params, BOTH), train.own)
  every = own.noise(jax.random.key(0), kept, train.own, 2.0)
  domains = np.array([1, 3])
  part = shifts.own_of(rows, domains, shifts.room(rows, [domains]))
  some = own.noise(jax.random.key(0), own.spread(tree.branches(params, BOTH), part), part, 2.0)
  for at, d in enumerate(domains):
    np.testing.assert_array_equal(some["net"]["w"][at], every["net"]["w"][d])
    for field in ("user", "item"):
      of = lambda x, own, d, f=field: x["tables"][f]["embedding"][slice(*own[f].first[d : d + 2])]
      np.testing.assert_array_equal(of(some, part, at), of(every, rows, d))
  drawn = np.concatenate([np.ravel(x) for x in jax.tree.leaves(every)])
  assert 1.5 < drawn.std() < 2.5 and np.unique(drawn).size == drawn.size
