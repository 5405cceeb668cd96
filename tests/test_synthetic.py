import zlib

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mamdr_jax.data import ground_truth, synthetic

SIZES = (900, 600, 1500, 300)
# Luo et al. 2023, Table IV, first ten columns.
TAOBAO10 = (13255, 7007, 20130, 62460, 11563, 7190, 4185, 24052, 5582, 17860)
TAOBAO10_CTR = (0.22, 0.23, 0.32, 0.23, 0.47, 0.21, 0.36, 0.30, 0.46, 0.25)
# Of the ids, domains, labels and splits of `tiny()`; a hundred domains are still drawn one by one.
CRC = {SIZES: 3831018826, tuple(range(60, 760, 7)): 1561496886}


def tiny(**changes):
  return synthetic.load(**({"sizes": SIZES, "feature_size": 6} | changes))


@pytest.fixture(scope="module")
def taobao10():
  return synthetic.load(preset="taobao10", features="ids")


def ctr_of(data, d):
  positives, rows = np.sum(data.label[data.domain == d]), np.sum(data.domain == d)
  return positives / (rows - positives)


def test_taobao10_has_the_counts_and_ratios_of_the_paper(taobao10):
  np.testing.assert_array_equal(np.bincount(taobao10.domain), TAOBAO10)
  assert tuple(round(float(ctr_of(taobao10, d)), 2) for d in range(10)) == TAOBAO10_CTR
  # Table I.
  assert len(taobao10.domains) == 10
  assert len(np.unique(taobao10.ids["user"])) == len(taobao10.vocab["user"]) == 23778
  assert len(np.unique(taobao10.ids["item"])) == len(taobao10.vocab["item"]) == 6932


# Table I: rows of all splits together.
@pytest.mark.parametrize(
  ("preset", "rows"),
  [
    ("taobao10", 92137 + 37645 + 43502),
    ("taobao20", 243592 + 96591 + 106500),
    ("taobao30", 394805 + 151369 + 179252),
  ],
)
def test_the_sizes_of_table_iv_nearly_add_up_to_table_i(preset, rows):
  np.testing.assert_allclose(
    sum(synthetic.TAOBAO_SIZES[: synthetic.PRESETS[preset][0]]), rows, rtol=3e-3
  )


def test_users_and_items_are_shared_in_part_and_some_are_popular(taobao10):
  for field in ("user", "item"):
    here = [np.unique(taobao10.ids[field][taobao10.domain == d]) for d in range(10)]
    shared = np.bincount(np.concatenate(here)) > 1
    assert 0.2 < shared.mean() < 0.95
    occurrences = np.bincount(taobao10.ids[field])
    assert occurrences.max() > 10 * np.median(occurrences)


@pytest.mark.parametrize(
  "size",
  [
    {},
    {"num_users": 7, "num_items": 450},  # half of the pairs there are
    {"num_users": 3300, "num_items": 3300},  # a row for each
    {"sizes": (500,) * 10, "num_users": 2, "num_items": 600},  # two of all items are too few
    {"sizes": (60,)},
    {"sizes": (5000, 30)},
  ],
)
def test_pairs_are_distinct_in_a_domain_and_everyone_occurs(size):
  data = tiny(**size)
  user, item = data.ids["user"], data.ids["item"]
  for d, n in enumerate(size.get("sizes", SIZES)):
    here = data.domain == d
    assert len(np.unique(np.stack([user[here], item[here]]), axis=1).T) == n
  for field in ("user", "item"):
    assert len(np.unique(data.ids[field])) == len(data.vocab[field])
    assert data.frozen[field].shape == (len(data.vocab[field]), 6)
    assert data.frozen[field].dtype == np.float32
    assert data.ids[field].dtype == np.int32


def test_a_seed_fixes_everything():
  first, again, other = tiny(seed=3), tiny(seed=3), tiny(seed=4)
  for part in ("label", "domain", "split", "truth"):
    np.testing.assert_array_equal(getattr(first, part), getattr(again, part))
  for part in ("ids", "frozen"):
    for field in ("user", "item"):
      np.testing.assert_array_equal(getattr(first, part)[field], getattr(again, part)[field])
  assert np.any(first.ids["user"] != other.ids["user"])
  assert np.any(first.label != other.label)


@pytest.mark.parametrize("sizes", CRC)
def test_integers_are_the_same_on_every_machine(sizes):
  data = tiny(sizes=sizes)
  columns = (data.ids["user"], data.ids["item"], data.domain, data.label, data.split)
  assert zlib.crc32(np.stack(columns).astype("<i4").tobytes()) == CRC[sizes]


def test_dials_leave_alone_what_they_are_not_about():
  data = tiny()
  for changed in (tiny(conflict=1.0), tiny(noise=0.1), tiny(split_seed=1), tiny(features="ids")):
    np.testing.assert_array_equal(changed.ids["user"], data.ids["user"])
    np.testing.assert_array_equal(changed.ids["item"], data.ids["item"])
  np.testing.assert_array_equal(tiny(features="ids").label, data.label)
  np.testing.assert_array_equal(tiny(split_seed=1).label, data.label)
  assert np.any(tiny(split_seed=1).split != data.split)
  assert tiny(features="ids").frozen == {}


@pytest.mark.parametrize(
  ("conflict", "low", "high"), [(0, 0.6, 1), (0.5, -0.4, 0.4), (1, -1, -0.6)]
)
def test_conflict_is_how_two_sides_value_the_same_pairs(conflict, low, high):
  # Two domains that each have half of all pairs there are, so that they have many in common.
  data = synthetic.load(
    sizes=(5000, 5000), num_users=100, num_items=100, features="ids", conflict=conflict
  )
  pair = data.ids["user"] * 100 + data.ids["item"]
  one, two = data.domain == 0, data.domain == 1
  _, in_one, in_two = np.intersect1d(pair[one], pair[two], return_indices=True)
  assert len(in_one) > 1000
  correlation = np.corrcoef(data.truth[one][in_one], data.truth[two][in_two])[0, 1]
  assert low <= correlation <= high


@pytest.mark.parametrize("conflict", [0, 0.5, 1])
def test_tastes_have_two_sides_and_length_one(conflict):
  for seed in range(5):
    taste = ground_truth.tastes(np.random.default_rng(seed), 6, 8, conflict, 0.4, None)
    np.testing.assert_allclose(np.sum(taste**2, axis=1), 1)
    lowest = np.min(taste @ taste.T)
    assert lowest > 0.4 if conflict == 0 else lowest < 0.4
    assert lowest < -0.7 or conflict < 1


@pytest.mark.parametrize("conflict", [0, 0.5, 1])
def test_the_ceiling_is_high_but_not_out_of_reach(conflict):
  data = tiny(sizes=(4000, 3000), conflict=conflict)
  for d in range(2):
    here = data.domain == d
    assert 0.75 < roc_auc_score(data.label[here], data.truth[here]) < 0.95


def test_without_noise_the_truth_is_the_label():
  data = tiny(noise=0)
  for d in range(len(SIZES)):
    here = data.domain == d
    assert roc_auc_score(data.label[here], data.truth[here]) == 1


def test_features_are_enough_to_know_the_factors():
  data = tiny(feature_size=128)
  for field in ("user", "item"):
    singular = np.linalg.svd(data.frozen[field], compute_uv=False)
    assert singular[7] > 2 * singular[8]  # 8 factors, then noise


def test_splits_are_60_20_20_of_either_label_in_every_domain():
  data = tiny(ctr=(0.2, 0.3, 0.4, 0.5))
  for d, n in enumerate(SIZES):
    np.testing.assert_allclose(ctr_of(data, d), (2 + d) / 10, atol=2 / n)
    for label in (0, 1):
      counts = np.bincount(data.split[(data.domain == d) & (data.label == label)])
      np.testing.assert_allclose(counts, np.array([0.6, 0.2, 0.2]) * counts.sum(), atol=1)


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"sizes": (), "preset": "taobao15"}, "unknown preset 'taobao15'; choose one of taobao10"),
    ({"preset": "taobao10"}, "one of preset, sizes and num_domains; got preset and sizes"),
    ({"sizes": ()}, "one of preset, sizes and num_domains; got none"),
    ({"features": "dense"}, "unknown features 'dense'; choose one of frozen, ids"),
    ({"conflict": 1.5}, "conflict is 1.5, outside"),
    ({"conflict": -0.1}, "conflict is -0.1, outside"),
    ({"noise": -1}, "noise is -1, below 0"),
    ({"num_factors": 3}, "num_factors is 3, not even"),
    ({"feature_size": 0}, "feature_size is 0, below 1"),
    ({"ctr": (0.3,)}, "expected 4 ctr ratios above 0"),
    ({"ctr": (0.3, 0.3, 0.0, 0.3)}, "expected 4 ctr ratios above 0"),
    ({"sizes": (900, 20)}, "a domain of 20 rows would have 4 positives"),
    ({"num_users": 5000}, "5000 users and 132 items must each be from 1 to 3300"),
    ({"num_users": 0}, "0 users and 132 items"),
    ({"num_users": 10, "num_items": 10}, "needs at least 3000 pairs"),
  ],
)
def test_bad_arguments_are_one_sentence(changes, message):
  with pytest.raises(ValueError, match=message):
    tiny(**changes)


def in_common(data, field):
  """The share of a domain's ids that another domain has, too, the mean over domains."""
  num = len(data.domains)
  here = [np.unique(data.ids[field][data.domain == d]) for d in range(num)]
  times = np.bincount(np.concatenate(here), minlength=len(data.vocab[field]))
  return np.mean([(times[ids] > 1).mean() for ids in here])


def test_domains_share_as_many_items_as_the_dial_says():
  sizes = {"sizes": (2000,) * 4, "num_users": 800, "num_items": 400}
  found = [in_common(tiny(shared_items=share, **sizes), "item") for share in (0, 0.3, 0.5, 1)]
  assert found[0] == 0 and found[3] == 1 and np.all(np.diff(found) > 0.1)
  apart = tiny(shared_items=0, shared_users=0, **sizes)
  assert in_common(apart, "user") == in_common(apart, "item") == 0


def test_items_are_as_unlike_in_popularity_as_the_dial_says():
  spread = []
  for skew in (1, 1.5, 3):
    data = tiny(skew=skew, sizes=(4000, 4000), num_users=900, num_items=300)
    times = np.sort(np.bincount(data.ids["item"]))
    spread.append(times[-30:].sum() / times.sum())
  assert spread[0] < 0.2 < spread[1] < spread[2] - 0.05


def test_what_is_a_domains_own_is_so():
  tastes = lambda share, few=None: ground_truth.tastes(
    np.random.default_rng(3), 40, 32, 0.0, share, few
  )
  agree = [np.mean((t @ t.T)[~np.eye(40, dtype=bool)]) for t in map(tastes, (0, 0.4, 0.9, 1))]
  assert agree[0] == pytest.approx(1) and np.all(np.diff(agree) < -0.1) and abs(agree[3]) < 0.1
  few = tastes(0.4, 5)
  assert ((few != 0).sum(1) == 5).all()
  np.testing.assert_allclose((few**2).sum(1), 1)
  np.testing.assert_array_equal(tastes(0.4, 32), tastes(0.4))


@pytest.mark.parametrize(
  ("dial", "told"),
  [
    ({"own_share": 1.1}, r"own_share is 1.1, outside \[0, 1\]"),
    ({"shared_items": -0.1}, r"shared_items is -0.1, outside \[0, 1\]"),
    ({"skew": 0.5}, r"skew is 0.5, outside \[1, 10\]"),
    ({"own_factors": 9}, "own_factors is 9; expected 1 to num_factors=8"),
    ({"sizes": (30,) * 101, "skew": 2.0}, "these are for at most 100 domains"),
  ],
)
def test_dials_that_cannot_be_are_refused(dial, told):
  with pytest.raises(ValueError, match=told):
    tiny(**dial)
