"""PCOC, ECE and log loss against scikit-learn, and the correction against a simulation."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from mamdr_jax import calibration

NUM_DOMAINS = 4  # the last has no rows


def rows(seed=0, num=600, levels=None):
  """Shuffled rows whose logits are off; `levels` distinct probabilities."""
  rng = np.random.default_rng(seed)
  domain = rng.permutation(np.repeat([0, 1, 2], num // 3))
  logit = rng.normal(size=num) - 1
  logit = logit if levels is None else np.round(logit * levels) / levels
  label = (rng.random(num) < calibration.probability(0.7 * logit)).astype(np.int8)
  return logit, label, domain


def of_domain(d, *columns):
  *columns, domain = columns
  return [x[domain == d] for x in columns]


def test_log_loss_is_that_of_scikit_learn():
  logit, label, domain = rows()
  found = calibration.log_loss(logit, label, domain, NUM_DOMAINS)
  for d in range(3):
    x, y = of_domain(d, logit, label, domain)
    assert found[d] == pytest.approx(log_loss(y, calibration.probability(x)), rel=1e-12)
  assert np.isnan(found[3])
  certain = np.where(label > 0, np.inf, -np.inf)
  assert not calibration.log_loss(certain, label, domain, 3).any()
  assert (calibration.log_loss(-certain, label, domain, 3) == np.inf).all()
  assert calibration.log_loss(np.array([800.0]), np.zeros(1), np.zeros(1, int), 1) == 800


def test_pcoc_is_the_mean_prediction_over_the_rate():
  logit, label, domain = rows()
  predicted = calibration.probability(logit)
  label[domain == 2] = 0
  found = calibration.pcoc(predicted, label, domain, NUM_DOMAINS)
  for d in (0, 1):
    p, y = of_domain(d, predicted, label, domain)
    assert found[d] == pytest.approx(p.mean() / y.mean(), rel=1e-12)
  assert np.isnan(found[2:]).all()


def test_bins_of_equal_mass_are_those_of_scikit_learn():
  """Of 200 rows a domain, no two of which are equal, ten bins have 20 rows each."""
  logit, label, domain = rows()
  predicted = calibration.probability(logit)
  found = calibration.ece(predicted, label, domain, NUM_DOMAINS)
  for d in range(3):
    p, y = of_domain(d, predicted, label, domain)
    rate, mean = calibration_curve(y, p, n_bins=calibration.BINS, strategy="quantile")
    assert found[d] == pytest.approx(np.abs(rate - mean).mean(), rel=1e-12)
  assert np.isnan(found[3])


def ece_by_hand(p, y, bins):
  """Bin after bin; what ties with the first row of a bin is in that of the tie's first row."""
  ordered, total = sorted(p.tolist()), 0.0
  place = {value: ordered.index(value) * bins // len(ordered) for value in ordered}
  for b in range(bins):
    own = [place[value] == b for value in p.tolist()]
    if any(own):
      total += np.mean(own) * abs(p[own].mean() - y[own].mean())
  return total


@pytest.mark.parametrize("levels", [1, 4, 50])
def test_rows_of_equal_probability_are_in_one_bin(levels):
  logit, label, domain = rows(1, 90, levels)
  predicted = calibration.probability(logit)
  found = calibration.ece(predicted, label, domain, NUM_DOMAINS, bins=7)
  expected = [ece_by_hand(*of_domain(d, predicted, label, domain), 7) for d in range(3)]
  np.testing.assert_allclose(found[:3], expected, rtol=1e-12)
  order = np.random.default_rng(2).permutation(90)
  mixed = calibration.ece(predicted[order], label[order], domain[order], NUM_DOMAINS, bins=7)
  np.testing.assert_allclose(mixed, found, rtol=1e-12)


@pytest.mark.parametrize("kept", [0.05, 0.5, 3.0])
def test_the_correction_undoes_a_draw_of_negatives(kept):
  """Impressions of two kinds; a model that knows the rate of each among what was kept."""
  rng = np.random.default_rng(0)
  kind = rng.integers(2, size=400_000)
  label = (rng.random(kind.size) < np.array([0.02, 0.2])[kind]).astype(np.int8)
  copies = np.where(label > 0, 1, np.floor(kept + rng.random(kind.size)).astype(int))
  trained = np.repeat(np.arange(kind.size), copies)
  rates = np.array([label[trained][kind[trained] == k].mean() for k in (0, 1)])
  share = calibration.kept_share(label[trained].mean(), label.mean())
  assert share == pytest.approx(kept, rel=0.02)
  before = rates[kind]
  logits = np.log(before / (1 - before))
  after = calibration.probability(calibration.corrected(logits, share))
  np.testing.assert_allclose(after, before / (before + (1 - before) / share), rtol=1e-12)
  assert abs(calibration.pcoc(before, label, 0 * kind, 1)[0] - 1) > 0.3
  np.testing.assert_allclose(calibration.pcoc(after, label, kind, 2), 1, atol=0.02)
  assert (np.argsort(before, kind="stable") == np.argsort(after, kind="stable")).all()
