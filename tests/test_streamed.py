"""Data that come part by part train the same bits as data that are there at once."""

import inspect
from functools import partial

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mamdr_jax.core import Hparams
from mamdr_jax.data import on_host, pack
from mamdr_jax.data.batches import cut, dealt
from mamdr_jax.evaluate import tallied
from mamdr_jax.methods import METHODS
from mamdr_jax.models import MODELS
from mamdr_jax.objective import objective
from mamdr_jax.schedule import Visit
from mamdr_jax.train import Setup, fit, parts, scores, scoring, streamed

SIZES = (5, 8, 13, 21, 3)
RATES = Hparams(*jnp.full((3, 1), 0.05))
OPTIONS = {"k": 2, "visit_steps": 1}
VARIANTS = {name: (name, OPTIONS) for name in METHODS} | {
  "whole mamdr": ("mamdr", {"k": 1, "specific_carry": True}),
  "dn in rounds": ("domain_negotiation", {"round_steps": 1, "carry": False}),
  "reptile in turns": ("reptile", {"round_steps": 2}),
  "dr of some user's method": ("domain_regularization", {"k": 1, "shared": "no stages"}),
}


def split(seed):
  return handmade.dataset(SIZES, seed)


def both(dataset, name="train"):
  """A split on the device, and one on the host."""
  return pack(dataset, name, 8), on_host(dataset, name, 8)


@pytest.fixture(scope="module")
def toy():
  goal = objective(MODELS["mlp"]({**handmade.VOCAB, "domain": 5}, 4, hidden=(6,), dropout=0.5))
  dataset = split(0)
  valid = split(1)._replace(split=np.ones(sum(SIZES), np.int8))
  return goal, both(dataset), both(valid, "valid")


def method_of(name, loss):
  name, options = VARIANTS[name]
  takes = inspect.signature(METHODS[name]).parameters
  options = {n: x for n, x in options.items() if n in takes}
  if "shared" in options:
    options["shared"] = METHODS["alternate"](loss=loss, inner=optax.adam)._replace(stages=())
  return METHODS[name](loss=loss, inner=optax.adam, **options)


# Those whose stages are made as those of others are have their turn where all that is slow has.
ALIKE = {
  *("joint", "weighted_loss", "maml", "mldg", "reptile in turns", "domain_regularization"),
  "dr of some user's method",
}


@pytest.mark.parametrize(
  "name", [pytest.param(n, marks=pytest.mark.slow if n in ALIKE else ()) for n in VARIANTS]
)
def test_an_epoch_in_parts_is_an_epoch(name, toy):
  goal, (train, hosted), _ = toy
  method = method_of(name, goal.loss)
  state = method.init(jax.random.key(0), goal.init(jax.random.key(1), cut_first(train)), train)
  rates = Hparams(*(x[0] for x in RATES))
  expected = jax.jit(method.epoch)(jax.random.key(2), state, train, rates)
  in_parts = streamed.epoch(Setup(goal, method, 1), 4)
  handmade.assert_trees_equal(expected, in_parts(jax.random.key(2), state, hosted, rates, None))


def cut_first(train):
  return jax.tree.map(lambda x: x[0], train.batch)


@pytest.mark.parametrize("name", ["alternate", "separate"])
def test_runs_on_data_of_the_host_are_those_on_data_of_the_device(name, toy):
  goal, trains, valids = toy
  found = []
  for train, valid in zip(trains, valids, strict=True):
    setup = Setup(goal, method_of(name, goal.loss), 2, reshuffled=False, stream=3)
    told = []
    told_of = lambda epoch, told=told: told.append(jax.tree.map(np.asarray, epoch.info))
    keys = jax.random.split(jax.random.key(3), 1)
    (group,) = fit(setup, keys, RATES, train, valid, epochs=2, on_epoch=told_of)
    for one in told:  # a sum over parts rounds in another way
      assert 0.5 < one["valid"].pop("log_loss")[0] < 1
    found.append((group.runs, told))
  for x, y in zip(*map(jax.tree.leaves, found), strict=True):  # programs are cut elsewhere
    np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


def test_rows_are_dealt_within_their_domain_anew_for_every_key(toy):
  _, _, (_, valid) = toy
  deals = []
  for key in jax.random.split(jax.random.key(0), 2):
    deal = parts.dealing(key, valid)
    deal(np.array([3, 1]))
    deal(np.arange(5))  # what has been dealt stays
    deals.append(deal.data.rows)
  for rows in deals:
    assert not np.array_equal(rows, valid.rows)
    for begin, end in zip(valid.first, valid.first[1:], strict=False):
      assert set(rows[begin:end]) == set(valid.rows[begin:end])
  assert not np.array_equal(*deals)
  by_hand = valid._replace(rows=valid.rows.copy())
  seed = jax.random.key_data(jax.random.split(jax.random.key(0), 2)[0]).tolist()
  dealt(by_hand, seed, np.arange(5))
  np.testing.assert_array_equal(by_hand.rows, deals[0])


def test_a_dealt_epoch_is_one_on_the_data_so_dealt(toy):
  goal, (train, hosted), _ = toy
  method = method_of("mamdr", goal.loss)
  state = method.init(jax.random.key(0), goal.init(jax.random.key(1), cut_first(train)), train)
  rates = Hparams(*(x[0] for x in RATES))
  deal = parts.dealing(jax.random.key(9), hosted)
  in_parts = streamed.epoch(Setup(goal, method, 1), 4)
  found = in_parts(jax.random.key(2), state, hosted, rates, deal)
  whole = cut(deal.data, np.arange(hosted.count.sum(), dtype=np.int32))._replace(which=None)
  whole = jax.tree.map(jnp.asarray, whole)
  handmade.assert_trees_equal(jax.jit(method.epoch)(jax.random.key(2), state, whole, rates), found)


def test_a_model_that_needs_moments_is_worth_the_same():
  goal = objective(MODELS["star"]({**handmade.VOCAB, "domain": 5}, 4, hidden=(6,)))
  (train, hosted), (valid, hosted_valid) = both(split(0)), both(split(1))
  method = METHODS["alternate"](loss=goal.loss, inner=optax.adam)
  state = method.init(jax.random.key(0), goal.init(jax.random.key(1), cut_first(train)), train)
  expected = jax.jit(partial(tallied, goal, method))(state, train, valid)
  setup = Setup(goal, method, 1, stream=2)
  found = scores.tallied(setup, 2)(state, hosted, hosted_valid)
  np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-6)
  handmade.assert_trees_equal(expected._replace(losses=0), found._replace(losses=0))
  rows = scoring(setup, in_parts=True)(state, hosted, hosted_valid)
  there = scoring(setup, in_parts=False)(state, train, valid)
  assert rows.label.size == sum(SIZES)
  handmade.assert_trees_equal(rows, there)


def test_parts_hold_what_their_rounds_visit_and_no_more(toy):
  _, _, (valid, hosted) = toy  # 1, 1, 2, 3 and 1 minibatches
  visits = Visit(*np.array([[4, 4, 2, 0], [3, 3, 2, 1], [0, 2, 1, 0], [3, 2, 1, 1]]))
  of = parts.slices(visits, 4)
  assert of == ([(0, 1), (1, 4)], 4, 4)
  part, other = parts.parts(hosted, visits, of)
  assert part.which[:3].tolist() == [4, 5, 6] and other.which.tolist()[:2] == [0, 3]
  assert part.batch.weight.shape == (4, 8) and not part.batch.weight[3].any()
  np.testing.assert_array_equal(part.batch.ids["user"][:3], valid.batch.ids["user"][4:7])


def test_what_a_thread_cannot_make_is_an_error_here():
  def made():
    yield 1
    raise ValueError("a row is damaged")

  items = parts.ahead(made())
  assert next(items) == 1
  with pytest.raises(ValueError, match="a row is damaged"):
    next(items)
