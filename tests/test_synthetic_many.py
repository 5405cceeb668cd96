"""Synthetic data of more than a hundred domains: drawn by blocks, their sizes by Zipf's law."""

import zlib

import numpy as np
import pytest
from handmade import assert_same

from mamdr_jax import machine
from mamdr_jax.data import blocks, counts, exposure_blocks, synthetic

D = 130
CRC = 2965328480  # of the ids, domains, labels and splits of `many()`
# 36 pairs for domains of 16 rows, where the popular ones are used up in some.
TIGHT = {"sizes": (16,) * D, "ctr": (0.5,) * D, "num_users": 6, "num_items": 6}
TIGHT |= {"num_domains": None, "rows": None}


def many(**changes):
  return synthetic.load(**({"num_domains": D, "rows": 9000, "features": "ids"} | changes))


def recipe(monkeypatch, **arguments):
  """What would be drawn, without drawing it."""
  monkeypatch.setattr(synthetic, "mapped", lambda build, recipe, cache: recipe)
  return synthetic.load(**arguments)


def test_integers_are_the_same_on_every_machine():
  data = many()
  columns = (data.ids["user"], data.ids["item"], data.domain, data.label, data.split)
  assert zlib.crc32(np.stack(columns).astype("<i4").tobytes()) == CRC


@pytest.mark.parametrize("block", [1, 700])
@pytest.mark.parametrize("size", [{}, TIGHT])
def test_how_domains_are_put_into_blocks_changes_no_row(block, size, monkeypatch):
  size = size | {"features": "frozen", "feature_size": 3}
  whole = many(**size)
  assert whole.frozen["user"].shape == (len(whole.vocab["user"]), 3)
  monkeypatch.setattr(blocks, "BLOCK", block)
  monkeypatch.setattr(synthetic.ground_truth, "CHUNK", block)
  parts = many(**size)
  assert_same(whole, parts)


def test_a_block_is_whole_domains_of_no_more_rows_or_one_that_has_more(monkeypatch):
  monkeypatch.setattr(blocks, "BLOCK", 10)
  found = list(blocks.blocks(np.array([4, 6, 1, 9, 25, 3])))
  assert found == [slice(0, 2), slice(2, 4), slice(4, 5), slice(5, 6)]


@pytest.mark.parametrize(
  "size",
  [
    {},
    {"zipf": 0.0, "num_users": 9000, "num_items": 9000},  # a row for each
    TIGHT,
    {"zipf": 2.0, "num_users": 120, "num_items": 100},  # most rows are in the first
  ],
)
def test_pairs_are_distinct_in_a_domain_and_everyone_occurs(size):
  data = many(**size)
  pair = np.stack([data.domain, data.ids["user"], data.ids["item"]])
  assert np.unique(pair, axis=1).shape == pair.shape
  assert (np.diff(data.domain) >= 0).all()
  for field in ("user", "item"):
    assert len(np.unique(data.ids[field])) == len(data.vocab[field])
    assert data.ids[field].dtype == np.int32


def test_a_domain_is_home_to_a_share_in_proportion_to_its_rows_and_shows_all_of_it():
  data = many(num_users=3000)
  sizes = np.bincount(data.domain)
  users = exposure_blocks._ids(np.random.Generator(np.random.PCG64(0)), sizes, 3000, None, None)
  assert sorted(users.home.tolist()) == list(range(3000))  # each at home once
  np.testing.assert_allclose(np.diff(users.first), sizes / 3, atol=1)
  for d in range(D):
    at_home, shown = users.home[users.first[d] : users.first[d + 1]], data.domain == d
    shown = np.unique(data.ids["user"][shown])
    assert np.isin(at_home, shown).all()
    assert len(shown) > 1.3 * len(at_home)  # the others visit


def test_low_ids_are_popular_and_are_so_in_every_domain():
  data = many(rows=40_000, zipf=0.0, num_users=2000)
  for half in (0, 1):
    seen = np.bincount(data.ids["user"][data.domain % 2 == half], minlength=2000)
    assert seen[:200].mean() > 2 * seen[1000:].mean()
  # Of the places drawn, half are in the first 0.5^(3/2) of a pool.
  place = exposure_blocks.popular(np.random.default_rng(0), 20_000, 1000)
  assert np.mean(place < 1000 * 0.5**1.5) == pytest.approx(0.5, abs=0.02)


def test_visitors_are_distinct_and_come_from_all_ids_alike():
  sizes = np.full(400, 20)
  streams = np.random.default_rng(0).spawn(3)
  items = exposure_blocks._ids(streams[0], sizes, 100, *streams[1:])
  pools = exposure_blocks._pools(items, slice(0, 400), np.full(400, 30))
  of = np.repeat(np.arange(400), pools.length)
  assert len(np.unique(of * 100 + pools.ids)) == len(pools.ids)
  assert pools.length.min() >= 30 and pools.length.max() <= 31  # and one at home in some
  np.testing.assert_allclose(np.bincount(pools.ids), 400 * 0.3, atol=45)


def test_a_seed_fixes_everything_and_dials_leave_alone_what_they_are_not_about():
  first = many(seed=3)
  assert_same(first, many(seed=3))
  assert np.any(first.ids["user"] != many(seed=4).ids["user"])
  np.testing.assert_array_equal(first.domain, many(seed=4).domain)  # sizes are of no seed
  for changed in (many(seed=3, conflict=1.0), many(seed=3, noise=0.1)):
    np.testing.assert_array_equal(changed.ids["item"], first.ids["item"])
  other = many(seed=3, split_seed=1)
  np.testing.assert_array_equal(other.label, first.label)
  assert np.any(other.split != first.split)


def test_every_domain_is_split_60_20_20_by_label_whatever_the_others_have():
  data = many()
  for d in range(D):
    for label in (0, 1):
      number = np.bincount(data.split[(data.domain == d) & (data.label == label)], minlength=3)
      assert number.min() > 0
      np.testing.assert_allclose(number, np.array([0.6, 0.2, 0.2]) * number.sum(), atol=1)
  seeds = np.random.SeedSequence(0).generate_state(D, np.uint64)
  sizes, last = np.bincount(data.domain), data.domain == D - 1
  found = synthetic._each_split(data.label[last], sizes[-1:], seeds[-1:])
  np.testing.assert_array_equal(found, data.split[last])


def test_labels_are_the_largest_scores_as_many_as_the_ctr_says():
  data = many(noise=0)
  ratios = counts.ctr_ratios(D)
  assert ratios[:30] == counts.ctr_ratios(30) and min(ratios) >= 0.2 and max(ratios) <= 0.5
  for d in range(D):
    here = data.domain == d
    positive, truth = data.label[here] == 1, data.truth[here]
    assert truth[positive].min() >= truth[~positive].max()
    assert positive.sum() == round(here.sum() * ratios[d] / (1 + ratios[d]))


def test_rows_beyond_what_a_domain_needs_are_shared_by_zipfs_law():
  share = np.tile([0.25, 0.5], 50)  # which need 20 and 10 rows
  sizes = counts.zipf_sizes(10_000, 1.0, share)
  assert sizes.sum() == 10_000 and sizes.min() >= 10
  rest = sizes - np.tile([20, 10], 50)
  harmonic = np.sum(1 / np.arange(1, 101))
  np.testing.assert_allclose(rest, 8500 / harmonic / np.arange(1, 101), atol=1)
  assert np.ptp(counts.zipf_sizes(10_000, 0.0, np.full(100, 0.25))) == 0
  assert counts.num_positives(counts.zipf_sizes(1500, 1.0, share), share).min() == 5


def test_taobao_online_has_the_counts_of_the_paper_or_one_in_so_many(monkeypatch):
  whole = recipe(monkeypatch, preset="taobao_online", features="ids", one_in=1, cache="any")
  assert len(whole["sizes"]) == 69_102 and sum(whole["sizes"]) == 489_852_853
  assert sum(whole["sizes"]) // 69_102 == 7_088  # samples / domain
  assert whole["num_ids"] == {"user": 84_307_785, "item": 16_385_662}
  part = recipe(monkeypatch, preset="taobao_online", features="ids", one_in=40)
  assert len(part["sizes"]) == 69_102 and sum(part["sizes"]) == 12_246_321
  assert part["num_ids"] == {"user": 2_107_694, "item": 409_641}
  small = recipe(monkeypatch, preset="taobao10", one_in=20)
  assert small["sizes"] == [n // 20 for n in synthetic.TAOBAO_SIZES[:10]]
  assert small["num_ids"] == {"user": 1188, "item": 346}


def test_what_taobao_online_needs_is_said_of_memory_and_of_disk(monkeypatch):
  monkeypatch.setattr(machine, "memory", lambda: 2**30)
  said = "489,852,853 rows{} and 100,693,447 users and items of 76 bytes would take at least {}"
  for cache, where, least in ((None, "", "15.3 GiB"), ("any", " on disk", "7.1 GiB")):
    with pytest.raises(ValueError, match=said.format(where, least)):
      recipe(monkeypatch, preset="taobao_online", features="ids", cache=cache)


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"rows": None}, "expected num_domains and rows together; got 130 and None"),
    ({"num_domains": -1}, "num_domains is -1, below 1"),
    ({"preset": "taobao10"}, "got preset and num_domains"),
    ({"rows": 1000}, r"130 domains need 2,\d+ rows to be split 60/20/20; rows is 1,000"),
    ({"zipf": -0.5}, r"zipf is -0.5, outside \[0, 10\]"),
    ({"one_in": 2}, "one_in is 2; expected 1, or with a preset a number to divide it by"),
    ({"one_in": 0}, "one_in is 0; expected 1"),
    ({"ctr": (0.3,) * 5}, "expected 130 ctr ratios above 0, one a domain; got 5"),
    ({"num_users": 10_000}, "10000 users and 360 items must each be from 1 to 9000"),
  ],
)
def test_bad_arguments_are_one_sentence(changes, message):
  with pytest.raises(ValueError, match=message):
    many(**changes)
