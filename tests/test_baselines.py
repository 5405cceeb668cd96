"""What needs no training, against scikit-learn."""

import tracemalloc

import jax
import numpy as np
import pytest
from made_results import a_result, a_run, rows_of
from sklearn.metrics import log_loss, roc_auc_score

from mamdr_jax import baselines, metrics, report
from mamdr_jax.data import SPLITS, blocks, synthetic
from mamdr_jax.report import comparison


@pytest.fixture(scope="module")
def dataset():
  return synthetic.load(sizes=(120, 90, 60), num_users=30, num_items=20, feature_size=4)


@pytest.mark.parametrize("split", SPLITS[1:])
def test_popularity_counts_training_positives_of_the_domain(dataset, split):
  found = baselines.baselines(dataset)[split]
  train = (dataset.split == 0) & (dataset.label == 1)
  item, predicted, sizes, aucs = dataset.ids["item"], np.zeros(len(dataset.label)), [], []
  for d, name in enumerate(dataset.domains):
    own = dataset.domain == d
    rows = own & (dataset.split == SPLITS.index(split))
    score = [sum(train & own & (item == i)) for i in item[rows]]
    aucs.append(roc_auc_score(dataset.label[rows], score))
    sizes.append(rows.sum())
    predicted[own] = dataset.label[own & (dataset.split == 0)].mean()
    assert found["auc"][name] == pytest.approx(aucs[-1], abs=1e-6)
  assert found["mean_auc"] == pytest.approx(np.mean(aucs), abs=1e-6)
  assert found["weighted_auc"] == pytest.approx(np.average(aucs, weights=sizes), abs=1e-6)
  rows = dataset.split == SPLITS.index(split)
  expected = log_loss(dataset.label[rows], predicted[rows])
  assert found["log_loss"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("shuffled", [False, True])
def test_neither_blocks_nor_the_order_of_rows_change_a_figure(dataset, monkeypatch, shuffled):
  expected = baselines.baselines(dataset), baselines.ceiling(dataset)
  order = np.random.default_rng(0).permutation(len(dataset.label)) if shuffled else slice(None)
  rows = {name: getattr(dataset, name)[order] for name in ("label", "domain", "split", "truth")}
  rows["ids"] = {field: column[order] for field, column in dataset.ids.items()}
  for size in (50, 150, 1000):
    monkeypatch.setattr(blocks, "BLOCK", size)
    assert len(list(blocks.blocks(np.array([120, 90, 60])))) == {50: 3, 150: 2, 1000: 1}[size]
    other = dataset._replace(**rows)
    assert (baselines.baselines(other), baselines.ceiling(other)) == expected


def test_auc_on_the_host_is_that_of_the_device():
  rng = np.random.default_rng(0)
  group = rng.integers(12, size=500)
  group[group == 7] = 8  # empty
  label = np.where(group == 3, 1, rng.random(500) < 0.3).astype(np.int8)  # 3 lacks negatives
  on_device = jax.jit(metrics.grouped_auc, static_argnums=4)
  for score in (rng.integers(6, size=500), rng.random(500).astype(np.float32)):
    columns = (np.float32(x) for x in (score, label, np.ones(500)))
    expected = on_device(*columns, group.astype(np.int32), 12)
    found = baselines.grouped_auc(score, label, group, 12)
    assert set(np.flatnonzero(np.isnan(found))) == {3, 7}
    np.testing.assert_allclose(found, expected, rtol=2e-7)  # XLA divides once, by a product


def test_memory_is_that_of_a_block(monkeypatch):
  def peak(num_domains):
    made = synthetic.load(sizes=(100,) * num_domains, num_users=200, num_items=100, features="ids")
    tracemalloc.start()
    baselines.baselines(made), baselines.ceiling(made)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most

  monkeypatch.setattr(blocks, "BLOCK", 2**12)
  assert peak(1600) - peak(200) < 1000 * 1400  # of what is by domain; of a row less than 10 bytes


def test_a_domain_without_a_training_positive_has_a_finite_log_loss(dataset):
  bare = (dataset.domain == 0) & (dataset.split == 0)
  found = baselines.baselines(dataset._replace(label=np.where(bare, 0, dataset.label)))
  assert found["test"]["auc"]["D1"] == 0.5 and np.isfinite(found["test"]["log_loss"])


def test_tables_have_a_row_for_popularity_that_is_not_ranked():
  figures = {"auc": {"A": 0.8, "B": 0.9}, "mean_auc": 0.85, "weighted_auc": 0.83, "log_loss": 0.4}
  results = {m: a_result([a_run((0.7, 0.6))], method=m) for m in ("alternate", "mamdr")}
  for result in results.values():
    result["baselines"] = {"valid": figures, "test": figures}
  last = rows_of(report.method_table(results))[-1]
  assert last[:2] + last[7:] == [
    *("item popularity", "amazon 6", "0.8500", "0.8500", "0.8300", "0.4000 (base rate)")
  ]
  cells = report.cells_of(results)
  rows = rows_of(comparison.average_table(cells))
  assert rows[-1] == ["item popularity", "0.8500", "", ""]
  assert rows[1][1:3] == ["**0.6500**", "**1.5**"]
  rows = rows_of(comparison.domain_comparison(cells))
  assert [row[-1] for row in rows] == ["item popularity", "0.8000", "0.9000", "0.8500", ""]
  rows = rows_of(report.domain_table(results["mamdr"]))
  assert [row[-1] for row in rows] == ["item popularity", "0.8000", "0.9000", "0.8500", "0.8300"]
  assert "what does not beat them has learned nothing" in report.compose(results)


def test_results_without_baselines_have_no_such_row():
  results = {"a": a_result([a_run((0.7, 0.6))]), "b": a_result([a_run((0.7, 0.6))], method="mamdr")}
  assert "popularity" not in report.compose(results)
