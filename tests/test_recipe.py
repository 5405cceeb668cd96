"""The paper's recipe: ctr ratios, negatives, splits, and counts of what is dropped."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from mamdr_jax.data import negatives, recipe
from mamdr_jax.data.pairs import Pairs, last_of_pairs
from mamdr_jax.data.rules import Rules
from mamdr_jax.data.split import stratify
from mamdr_jax.data.statistics import statistics

# Luo et al. 2023, Table IV.
TABLE_IV = (
  *(0.22, 0.23, 0.32, 0.23, 0.47, 0.21, 0.36, 0.30, 0.46, 0.25, 0.30, 0.30, 0.27, 0.20, 0.33),
  *(0.23, 0.38, 0.22, 0.29, 0.33, 0.47, 0.23, 0.24, 0.44, 0.21, 0.47, 0.37, 0.28, 0.45, 0.43),
)


def pairs(seed: int, num_users: int, num_items: int, num_rows: int) -> pd.DataFrame:
  rng = np.random.default_rng(seed)
  chosen = rng.choice(num_users * num_items, num_rows, replace=False)
  user, item = np.divmod(chosen, num_items)
  return pd.DataFrame({"user": [f"u{u}" for u in user], "item": [f"i{seed}-{i}" for i in item]})


def raw_rows(dataset) -> list[tuple]:
  user, item = (dataset.vocab[f][dataset.ids[f]].tolist() for f in ("user", "item"))
  domain = [dataset.domains[d] for d in dataset.domain]
  return list(zip(domain, user, item, dataset.label.tolist(), strict=True))


@pytest.fixture(scope="module")
def frames():
  return {"a": pairs(0, 40, 60, 300), "b": pairs(1, 30, 25, 200), "c": pairs(2, 20, 80, 100)}


@pytest.fixture(scope="module")
def dataset(frames):
  return recipe.build(frames)


def test_the_thirty_ctr_ratios_are_those_of_table_iv():
  assert recipe.ctr_ratios(30) == TABLE_IV
  assert recipe.ctr_ratios(6) == TABLE_IV[:6]


def test_every_pair_is_a_positive_and_every_user_has_the_exact_number_of_negatives(frames, dataset):
  rows = raw_rows(dataset)
  assert len(set(row[:3] for row in rows)) == len(rows)
  touched = {(name, u, i) for name, f in frames.items() for u, i in f.itertuples(index=False)}
  assert {row[:3] for row in rows if row[3]} == touched
  for name, frame, ctr in zip(frames, frames.values(), (0.22, 0.23, 0.32), strict=True):
    items = set(frame["item"])
    for user, positives in frame.groupby("user").size().items():
      drawn = {row[2] for row in rows if row[:2] == (name, user) and not row[3]}
      wanted = int(positives / Fraction(str(ctr)))
      assert len(drawn) == min(wanted, len(items) - positives)
      assert drawn <= items
  assert any("negatives are missing" in note for note in dataset.notes)


def test_negatives_are_counted_in_exact_arithmetic():
  assert recipe.sample_negatives is negatives.sample_negatives
  assert negatives.num_negatives(np.array([0, 3, 29, 7]), 0.29).tolist() == [0, 10, 100, 24]
  assert negatives.num_negatives(np.array([3]), 0.3).tolist() == [10]


@pytest.mark.parametrize("num_items", [7, 400])  # ranked and rejected
def test_negatives_are_uniform_over_the_untouched_items(num_items):
  num_users, want = 3000, 2
  user, item = np.repeat(np.arange(num_users), 2), np.tile([0, 3], num_users)
  who, what = negatives.draw_negatives(
    np.random.default_rng(0), user, item, np.full(num_users, want), num_items
  )
  assert np.bincount(who).tolist() == [want] * num_users
  assert len(np.unique(who * num_items + what)) == len(who)
  count = np.bincount(what, minlength=num_items)
  assert count[[0, 3]].tolist() == [0, 0]
  expected = num_users * want / (num_items - 2)
  untouched = np.delete(count, [0, 3])
  chi2 = ((untouched - expected) ** 2 / expected).sum()
  # Of a uniform draw: mean num_items - 3, standard deviation √(2 (num_items - 3)).
  assert chi2 < num_items - 3 + 5 * np.sqrt(2 * (num_items - 3))


def test_a_user_whose_negatives_run_out_gets_them_all():
  user, item = np.array([0, 0, 0, 1]), np.array([0, 1, 2, 3])
  for want in ([1, 9], [9, 0], [0, 3]):
    who, what = negatives.draw_negatives(np.random.default_rng(0), user, item, np.array(want), 5)
    assert np.bincount(who, minlength=2).tolist() == [min(want[0], 2), min(want[1], 4)]
    assert not set(zip(who.tolist(), what.tolist(), strict=True)) & {(0, 0), (0, 1), (0, 2), (1, 3)}
  rows, counts = negatives.sample_negatives(
    np.random.default_rng(0), Pairs(user, item, np.ones(4, np.int8)), 0.5
  )
  assert rows.label.sum() == 4 and len(rows.label) == 4 + 1 + 2
  assert counts[negatives.SHORT] == 5


def test_splits_are_stratified_to_within_a_row(dataset):
  for d in range(3):
    for label in (0, 1):
      split = dataset.split[(dataset.domain == d) & (dataset.label == label)]
      count = np.bincount(split, minlength=3)
      assert np.abs(count - len(split) * np.array([0.6, 0.2, 0.2])).max() < 1
  for size in range(5, 40):
    count = np.bincount(stratify(np.zeros(size, np.int16), 0), minlength=3)
    assert count.min() >= 1 and np.abs(count - size * np.array([0.6, 0.2, 0.2])).max() < 1


def test_the_split_seed_alone_fixes_the_rows(frames, dataset):
  again, other = recipe.build(frames), recipe.build(frames, rules=Rules(split_seed=1))
  assert raw_rows(again) == raw_rows(dataset) and (again.split == dataset.split).all()
  assert raw_rows(other) != raw_rows(dataset)


def test_one_vocabulary_of_users_joins_the_domains(frames, dataset):
  assert len(dataset.vocab["user"]) == len(set().union(*(f["user"] for f in frames.values())))
  for field, ids in dataset.ids.items():
    assert ids.dtype == np.int32
    np.testing.assert_array_equal(np.unique(ids), np.arange(len(dataset.vocab[field])))


def test_the_last_of_repeated_pairs_stays():
  user, item = np.array([0, 1, 0, 0]), np.array([5, 5, 5, 6])
  assert last_of_pairs(user, item).tolist() == [1, 2, 3]
  assert last_of_pairs(user, item, np.array([9.0, 0, 8, 0])).tolist() == [0, 1, 3]
  assert last_of_pairs(user, item, np.array([9.0, 0, 9, 0])).tolist() == [1, 2, 3]
  assert last_of_pairs(user, item, np.array([1.0, 0, np.nan, 0])).tolist() == [0, 1, 3]
  assert last_of_pairs(user[:0], item[:0]).tolist() == []


def test_repeated_pairs_are_dropped_before_the_split_and_counted(frames):
  twice = {name: pd.concat([frame, frame[:7]]) for name, frame in frames.items()}
  dataset = recipe.build(twice)
  keys = [row[:3] for row in raw_rows(dataset)]
  assert len(set(keys)) == len(keys)
  assert "21 repeated (user, item) pairs were dropped: a 7, b 7, c 7" in dataset.notes


@pytest.fixture(scope="module")
def rated(frames):
  rng = np.random.default_rng(0)
  return {n: f.assign(rating=rng.integers(1, 6, len(f)).astype(float)) for n, f in frames.items()}


def test_low_ratings_can_be_the_negatives(rated):
  dataset = recipe.build(rated, positive_from=4, negatives="rated")
  expected = {
    (name, u, i, int(r >= 4)) for name, f in rated.items() for u, i, r in f.itertuples(index=False)
  }
  assert set(raw_rows(dataset)) == expected and len(dataset.label) == len(expected)
  assert dataset.notes == ()


def test_low_ratings_are_otherwise_dropped_and_never_drawn(rated):
  dataset = recipe.build(rated, positive_from=4)
  low = {
    (name, u, i) for name, f in rated.items() for u, i, r in f.itertuples(index=False) if r < 4
  }
  assert not {row[:3] for row in raw_rows(dataset)} & low
  assert any(n.startswith(f"{len(low)} pairs rated below positive_from") for n in dataset.notes)


def test_rows_without_a_rating_are_dropped_only_where_ratings_are_used(rated):
  holes = {name: frame.copy() for name, frame in rated.items()}
  holes["a"].loc[:3, "rating"] = np.nan
  used = recipe.build(holes, positive_from=4, negatives="rated")
  assert "4 rows without a rating were dropped: a 4" in used.notes
  assert used.label.size == 596
  assert (recipe.build(holes).label == 1).sum() == 600


def test_a_domain_too_small_to_split_is_dropped_and_named(frames):
  small = dict(frames, tiny=pairs(3, 2, 2, 4))
  dataset = recipe.build(small)
  assert dataset.domains == ("a", "b", "c") and dataset.domain.max() == 2
  (note,) = (note for note in dataset.notes if "tiny (" in note)
  assert note.startswith(
    "1 of 4 domains, with 4 rows, were dropped because a domain needs 5 positives"
  )
  assert not any(ident.startswith("i3-") for ident in dataset.vocab["item"])
  with pytest.raises(ValueError, match="no domain is left of 1, because a domain needs 5"):
    recipe.build({"tiny": small["tiny"]})


def test_rules_that_make_no_sense_are_errors(frames):
  for options, message in (
    ({"negatives": "rate"}, "unknown negatives 'rate'; choose one of sampled, rated"),
    ({"negatives": "rated"}, "negatives='rated' needs positive_from"),
    ({"positive_from": 4}, "domain 'a' has no ratings, which positive_from needs"),
    ({"ctr": (0.2,)}, "expected 3 ctr ratios above 0"),
    ({"ctr": (0.2, 0.0, 0.3)}, "expected 3 ctr ratios above 0"),
  ):
    with pytest.raises(ValueError, match=message):
      recipe.build(frames, **options)
  with pytest.raises(ValueError, match="no domains"):
    recipe.build({})


def test_statistics_count_what_the_tables_of_the_paper_count(dataset):
  text = statistics(dataset)
  train, valid, test = np.bincount(dataset.split)
  total = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("|")]
  total = [[cell.strip() for cell in line] for line in total]
  assert total[2][0] == "3" and total[2][3:6] == [f"{n:,}" for n in (train, valid, test)]
  (c,) = (line for line in total if line[0] == "c")
  assert c[0] == "c" and c[4:] == ["20", str(len(set(dataset.ids["item"][dataset.domain == 2])))]
  label = dataset.label[dataset.domain == 2]
  assert c[3] == f"{label.sum() / (label == 0).sum():.2f}"
  assert all(f"- {note}" in text for note in dataset.notes)
