"""Which minibatches are visited in which order, and which rows a minibatch is dealt."""

from functools import partial

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mamdr_jax.descent import gather, minibatch, reshuffle
from mamdr_jax.schedule import (
  Visit,
  follow,
  full_pass,
  joint_steps,
  num_rounds,
  visit,
  visits,
)

KEYS = jax.random.split(jax.random.key(0), 40)


def test_full_pass_is_a_permutation_with_contiguous_domains(train):
  orders = np.asarray(jax.jit(jax.vmap(full_pass, (0, None)))(KEYS, train))
  domains = np.asarray(train.batch.domain)[orders]
  for order, domain in zip(orders, domains, strict=True):
    np.testing.assert_array_equal(np.sort(order), np.arange(7))
    assert (np.diff(domain) != 0).sum() == 3
  visited = {tuple(d[np.append(True, np.diff(d) != 0)]) for d in domains}
  assert len(visited) > 15  # of the 24 orders of four domains
  within = {tuple(order[domain == 3]) for order, domain in zip(orders, domains, strict=True)}
  assert len(within) == 6  # all orders of three minibatches


@pytest.mark.parametrize("size", [1, 2])
def test_rounds_visit_every_domain_and_repeat_no_minibatch_too_early(train, size):
  made = np.asarray(jax.jit(jax.vmap(lambda key: visits(key, train, size)))(KEYS))
  num = num_rounds(train, size)
  assert made.shape == (len(KEYS), num, 4, size) and num == {1: 2, 2: 1}[size]
  domains = np.asarray(train.batch.domain)[made]
  np.testing.assert_array_equal(domains, np.broadcast_to(domains[..., :1], domains.shape))
  np.testing.assert_array_equal(np.sort(domains[..., 0]), np.tile(np.arange(4), (40, num, 1)))
  assert len({tuple(row) for row in domains[:, 0, :, 0]}) > 15  # of the 24 orders of four domains
  for run in made:
    of_domain = lambda d, run=run: run[train.batch.domain[run] == d]
    assert [len(set(of_domain(d))) for d in range(4)] == [1, 1, 2, 2]
  seen = {tuple(run[train.batch.domain[run] == 3]) for run in made}
  assert len(seen) == 6  # all ordered pairs of three minibatches


def taken_of(data, bound, key, domain):
  order = visit(key, data, domain, bound)
  return order(jnp.arange(7)), order.length


@pytest.mark.parametrize("bound", [1, 2, None])
def test_a_visit_draws_every_minibatch_of_its_domain_equally_often(train, bound):
  """And each of them equally often as the first."""
  keys = jax.random.split(jax.random.key(1), 3000)
  order, length = jax.jit(jax.vmap(partial(taken_of, train, bound), (0, None)))(keys, 3)
  first = np.asarray(train.start[3])
  for taken in (order[:, 0], order[:, : int(length[0])]):
    counts = np.bincount(np.ravel(taken) - first, minlength=3)
    assert counts.size == 3
    expected = counts.sum() / 3  # five standard deviations
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


@pytest.mark.parametrize("bound", [None, 1, 2, 100])
def test_visit_gives_distinct_minibatches_of_its_domain(train, bound):
  many = jax.jit(jax.vmap(jax.vmap(partial(taken_of, train, bound), (None, 0)), (0, None)))
  orders, lengths = map(np.asarray, many(KEYS, jnp.arange(4)))
  counts = np.array([1, 1, 2, 3])
  np.testing.assert_array_equal(lengths, np.tile(np.minimum(counts, bound or 7), (len(KEYS), 1)))
  for domain, count in enumerate(counts):
    seen = [
      tuple(order[:n]) for order, n in zip(orders[:, domain], lengths[:, domain], strict=True)
    ]
    for visited in seen:
      assert len(set(visited)) == len(visited)
      assert set(np.asarray(train.batch.domain)[list(visited)]) == {domain}
    assert len(set(seen)) > 1 or count == 1
    assert {index for visited in seen for index in visited} == set(
      np.flatnonzero(np.asarray(train.batch.domain) == domain)
    )


@pytest.mark.parametrize(("length_a", "length_b"), [(0, 2), (1, 3), (3, 2), (4, 0), (4, 3)])
def test_follow_concatenates(length_a, length_b):
  order, length = follow(Visit(5, 9, 0, length_a), Visit(1, 9, 0, length_b))
  joined = np.asarray(order(jnp.arange(length)))
  np.testing.assert_array_equal(joined[:length_a], 5 + np.arange(length_a))
  np.testing.assert_array_equal(joined[length_a:], 1 + np.arange(length_b))


def numbered(data):
  """The same data, every slot having its number as a feature."""
  number = jnp.arange(data.batch.label.size).reshape(data.batch.label.shape)
  return data._replace(batch=data.batch._replace(dense={"number": number}))


def test_reshuffle_deals_every_row_of_a_domain_into_other_minibatches(train):
  before = numbered(train)
  after = jax.jit(reshuffle)(KEYS[0], before)
  np.testing.assert_array_equal(after.batch.domain, before.batch.domain)
  old, new = (jax.tree.map(np.asarray, data.batch) for data in (before, after))
  for domain in range(4):
    here = old.domain == domain
    weight = new.weight[here].ravel()
    np.testing.assert_array_equal(weight, np.sort(weight)[::-1])  # padding last
    rows = [x.dense["number"][here][x.weight[here] > 0] for x in (old, new)]
    np.testing.assert_array_equal(np.sort(rows[0]), np.sort(rows[1]))
    if here.sum() > 1:
      first = [set(x.dense["number"][here][0]) for x in (old, new)]
      assert first[0] != first[1]
  # A row keeps its columns together.
  at = new.dense["number"]
  np.testing.assert_array_equal(new.label, old.label.ravel()[at])
  np.testing.assert_array_equal(new.weight, old.weight.ravel()[at])
  for field in old.ids:
    dealt = np.where(new.weight > 0, old.ids[field].ravel()[at], new.ids[field][:, :1])
    np.testing.assert_array_equal(new.ids[field], dealt)


def test_reshuffle_depends_on_its_key(train):
  first, second = (jax.jit(reshuffle)(key, numbered(train)).batch.dense for key in KEYS[:2])
  assert not np.array_equal(first["number"], second["number"])


def test_frozen_features_reach_the_minibatch_as_dense():
  table = np.arange(24, dtype=np.float32).reshape(12, 2)
  row = np.arange(sum(handmade.SIZES), dtype=np.float32)[:, None]
  data = handmade.batches(frozen={"item": table}, dense={"row": row})
  batch = minibatch(data, 3)
  assert set(batch.ids) == {"user"} and set(batch.dense) == {"item", "row"}
  np.testing.assert_array_equal(batch.dense["item"], table[data.batch.ids["item"][3]])
  np.testing.assert_array_equal(batch.dense["row"], data.batch.dense["row"][3])
  assert batch.domain == 2


def test_gather_gives_the_minibatches_of_an_order():
  table = np.arange(24, dtype=np.float32).reshape(12, 2)
  data = handmade.batches(frozen={"item": table})
  part = gather(data, np.array([5, 0, 5]))
  for position, index in enumerate([5, 0, 5]):
    handmade.assert_trees_equal(minibatch(part, position), minibatch(data, index))


@pytest.mark.parametrize("each", [1, 2])
@pytest.mark.parametrize("size", [1, 3, 4, 9, None])
def test_joint_steps_take_distinct_domains_and_all_of_them_in_turn(train, each, size):
  order = np.asarray(joint_steps(KEYS[0], train, each, size))
  wide = min(size or 4, 4)
  steps = -(-4 // wide)
  assert order.shape == (num_rounds(train, each) * steps, each, wide)
  domains = np.asarray(train.batch.domain)[order]
  for taken in domains:
    assert (taken == taken[0]).all() and len(set(taken[0])) == wide
  for turn in domains.reshape(-1, steps, each, wide):
    assert set(turn.ravel()) == {0, 1, 2, 3}
