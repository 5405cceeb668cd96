"""GAUC, NDCG@k and HR@k against scikit-learn, and against loops that count."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import ndcg_score, roc_auc_score

from mamdr_jax import ranking

NUM_DOMAINS = 4  # the last has no rows
KS = (1, 3, 10, 1000)


def rows(seed, levels, num_rows=300, num_users=25):
  """Shuffled rows; `levels` distinct scores, so many ties. Users have from 1 row up to dozens."""
  rng = np.random.default_rng(seed)
  user = rng.geometric(0.12, num_rows) % num_users
  domain = rng.integers(NUM_DOMAINS - 1, size=num_rows)
  label = (rng.random(num_rows) < 0.3).astype(np.float32)
  score = np.floor(levels * rng.random(num_rows) + 0.2 * levels * label) - levels / 2
  return score.astype(np.float32), label, user, domain


def by_list(score, label, user, domain):
  """(domain, scores, labels) of every list, in the order of `ranking.lists_of`."""
  for d, u in sorted(set(zip(domain.tolist(), user.tolist(), strict=True))):
    own = (domain == d) & (user == u)
    yield d, score[own], label[own]


def mean_of(value, lists):
  return ranking.averaged(value, lists.domain, lists.broken, NUM_DOMAINS)


def hit_of_all_orders(score, label, k):
  """The share of the orders of a list, tied rows in any, that have a positive in the first k."""
  if not label.any():
    return np.nan
  found = [
    any(label[i] for i in order[:k])
    for order in itertools.permutations(range(len(score)))
    if (np.diff(score[list(order)]) <= 0).all()
  ]
  return np.mean(found)


@pytest.mark.parametrize("levels", [1, 2, 5, 1e6])
def test_lists_are_worth_what_scikit_learn_says(levels):
  columns = rows(0, levels)
  lists, every = ranking.lists_of(*columns), list(by_list(*columns))
  assert lists.domain.tolist() == [d for d, _, _ in every]
  both = lambda label: 0 < label.sum() < label.size
  expected = [roc_auc_score(y, s) if both(y) else np.nan for _, s, y in every]
  assert 3 < np.isnan(expected).sum() < len(expected) - 20
  np.testing.assert_allclose(ranking.auc(lists), expected, rtol=1e-12)
  for k in KS:
    of = lambda s, y, k=k: ndcg_score(y[None], s[None], k=k) if y.size > 1 else float(y[0])
    expected = [of(s, y) if y.any() else np.nan for _, s, y in every]
    np.testing.assert_allclose(ranking.ndcg(lists, k), expected, rtol=1e-12)


@pytest.mark.parametrize("levels", [1, 2, 3, 100])
def test_hits_are_a_share_of_the_orders_of_tied_rows(levels):
  columns = rows(1, levels, num_rows=60, num_users=14)
  every = list(by_list(*columns))
  assert max(y.size for _, _, y in every) == 5
  lists = ranking.lists_of(*columns)
  for k in (1, 2, 4, 9):
    expected = [hit_of_all_orders(s, y, k) for _, s, y in every]
    np.testing.assert_allclose(ranking.hit_rate(lists, k), expected, rtol=1e-12)


def test_domains_have_means_over_users_and_count_who_is_left_out():
  score, label, user, domain = rows(2, 4)
  label[domain == 2] = 0
  lists = ranking.lists_of(score, label, user, domain)
  every = list(by_list(score, label, user, domain))
  found = ranking.gauc(lists, NUM_DOMAINS)
  for d in range(2):
    own = [(s, y) for of, s, y in every if of == d]
    both = [(s, y) for s, y in own if 0 < y.sum() < y.size]
    aucs, sizes = [roc_auc_score(y, s) for s, y in both], [y.size for _, y in both]
    assert found.value[d] == pytest.approx(np.average(aucs, weights=sizes), rel=1e-12)
    assert (found.counted[d], found.left_out[d]) == (len(both), len(own) - len(both))
    liked = [ndcg_score(y[None], s[None], k=3) for s, y in own if y.any() and y.size > 1]
    liked += [1.0 for _, y in own if y.any() and y.size == 1]
    mean = mean_of(ranking.ndcg(lists, 3), lists)
    assert mean.value[d] == pytest.approx(np.mean(liked), rel=1e-12)
    assert mean.counted[d] == len(liked)
  assert np.isnan(found.value[2:]).all() and found.counted[2:].tolist() == [0, 0]
  assert found.left_out[3] == 0 < found.left_out[2]


def test_order_of_rows_does_not_matter():
  columns = rows(3, 3)
  mixed = np.random.default_rng(0).permutation(300)
  for of in (ranking.auc, lambda x: ranking.ndcg(x, 5), lambda x: ranking.hit_rate(x, 5)):
    both = (of(ranking.lists_of(*(x[order] for x in columns))) for order in (slice(None), mixed))
    np.testing.assert_allclose(*both, rtol=1e-12)


def test_a_score_that_is_no_number_leaves_its_domain_without_a_figure():
  score, label, user, domain = rows(4, 5)
  before = ranking.gauc(ranking.lists_of(score, label, user, domain), NUM_DOMAINS)
  score[np.flatnonzero(domain == 1)[3]] = np.nan
  lists = ranking.lists_of(score, label, user, domain)
  for found in (
    ranking.gauc(lists, NUM_DOMAINS),
    mean_of(ranking.ndcg(lists, 3), lists),
    mean_of(ranking.hit_rate(lists, 3), lists),
  ):
    assert np.isnan(found.value).tolist() == [False, True, False, True]
  assert ranking.gauc(lists, NUM_DOMAINS).value[0] == before.value[0]


def test_of_no_rows_there_is_nothing():
  none = np.empty(0, int)
  lists = ranking.lists_of(np.empty(0), none, none, none)
  for value in (ranking.auc(lists), ranking.ndcg(lists, 5), ranking.hit_rate(lists, 5)):
    assert value.size == 0
  assert np.isnan(ranking.gauc(lists, 2).value).all()
