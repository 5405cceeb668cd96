"""Probabilities of all impressions, of a model that was trained on some of the negatives."""

import numpy as np
import pytest
from pyarrow import csv

from mamdr_jax import serve
from mamdr_jax.serve import base_rates
from mamdr_jax.serve.columns import whole
from mamdr_jax.serve.evaluate import evaluate, read


@pytest.fixture(scope="module")
def model(measured):
  return serve.load(measured.model)


def with_rates(model, tmp_path, text):
  (tmp_path / "rates.csv").write_text(text)
  return serve.load(model.stored.path, base_rates=tmp_path / "rates.csv")


def test_they_correct_probabilities_domain_by_domain(measured, model, tmp_path):
  corrected = with_rates(model, tmp_path, "domain,rate\nD2,0.02\nD1,0.001\nD3,0.5\n")
  rows, data = measured.rows, measured.data
  before, after = model.score(rows), corrected.score(rows)
  for domain, rate in enumerate((0.001, 0.02, 0.5)):
    own = rows["domain"] == data.domains[domain]
    trained = data.label[(data.split == 0) & (data.domain == domain)].mean()
    kept = rate / (1 - rate) / (trained / (1 - trained))
    expected = before[own] / (before[own] + (1 - before[own]) / kept)
    np.testing.assert_allclose(after[own], expected, rtol=1e-12)
  serve.score_file(corrected, measured.source, tmp_path / "scores.csv")
  np.testing.assert_array_equal(csv.read_csv(tmp_path / "scores.csv")["probability"], after)
  own = rows["domain"] == "D1"
  found = evaluate(read(corrected, measured.source)).measures["pcoc"].value[0]
  assert found == pytest.approx(after[own].mean() / rows["label"][own].mean())
  best = corrected.recommend(user=3, domain="D2", top=2)
  expected = corrected.score(user=3, item=best["item"], domain="D2")
  np.testing.assert_array_equal(best["probability"], expected)


@pytest.mark.parametrize(
  ("text", "said"),
  [
    ("domain,rate\nD1,0.1\nD22,0.1\n", r"line 3: the model has no domain 'D22'; did you mean 'D2'"),
    ("domain,rate\nD1,0.1\nD1,0.2\n", r"line 3: domain 'D1' comes a second time"),
    ("domain,rate\nD1,0.1\nD2,1\n", r"line 3: the rate is '1', expected a number between 0 and 1"),
    ("domain,rate\nD1,low\n", r"line 2: the rate is 'low', expected"),
    ("domain,ctr\nD1,0.1\n", r"rates.csv has no column 'rate'"),
  ],
)
def test_what_cannot_be_is_told(text, said, model, tmp_path):
  with pytest.raises(ValueError, match=said):
    with_rates(model, tmp_path, text)


def test_rows_without_one_are_told(measured, model, tmp_path):
  some = with_rates(model, tmp_path, "domain,rate\nD1,0.1\n")
  with pytest.raises(ValueError, match=r"rows.csv, line \d+: .*rates.csv has no base rate of dom"):
    serve.score_file(some, measured.source, tmp_path / "scores.csv")
  assert not (tmp_path / "scores.csv").exists()
  with pytest.raises(ValueError, match=r"row 1: .*has no base rate of a domain not known"):
    some.score(user=1, item=1, domain=["D1", "new"], unknown_domain="shared")


def test_a_model_that_does_not_tell_its_own_rates_is_told(model, tmp_path):
  (tmp_path / "rates.csv").write_text("domain,rate\nD1,0.1\n")
  old = model.stored._replace(counts=None)
  with pytest.raises(ValueError, match=r"has no 'counts', the rates in training: an earlier"):
    base_rates.read(whole(tmp_path / "rates.csv"), old)
  alike = model.stored._replace(counts=np.array([[3, 0]] * 3))
  with pytest.raises(ValueError, match=r"of domain 'D1' training had rows of one label alone"):
    base_rates.read(whole(tmp_path / "rates.csv"), alike)
