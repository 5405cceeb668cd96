"""Runs that begin from a stored model: what it knows is kept, and the rest begins anew."""

import shutil

import jax
import numpy as np
import pytest
from handmade import assert_trees_equal
from tiny_experiment import tiny

from mamdr_jax import experiment, files, stored, warm_start
from mamdr_jax.assembly import assemble, read_data
from mamdr_jax.data import pack
from mamdr_jax.data.lookup import places

IDS = {"data.features": "ids", "epochs": 1, "alpha": 0.03, "gamma": 0.5}


@pytest.fixture(scope="module")
def whole():
  return read_data(tiny(**IDS))


@pytest.fixture(scope="module")
def part(whole):
  """The rows of the first two domains and of some users and items, numbered otherwise."""
  keep = (whole.domain < 2) & (whole.ids["user"] % 5 > 0) & (whole.ids["item"] % 7 > 0)
  ids, vocab = {}, {}
  for field, column in whole.ids.items():
    there = np.unique(column[keep])[::-1]
    place = np.zeros(len(whole.vocab[field]), np.int32)
    place[there] = np.arange(there.size)
    ids[field], vocab[field] = place[column[keep]], whole.vocab[field][there]
  return whole._replace(
    ids=ids, vocab=vocab, label=whole.label[keep], domain=1 - whole.domain[keep],
    split=whole.split[keep], domains=whole.domains[1::-1], truth=None,
  )  # fmt: skip


@pytest.fixture(scope="module")
def model(part, tmp_path_factory):
  workdir = tmp_path_factory.mktemp("warm") / "run"
  experiment.run(tiny(**IDS), workdir, dataset=part)
  shutil.move(workdir / files.MODEL, workdir.parent / "model")
  return workdir.parent / "model"


def begun(dataset, there, method="mamdr", **changes):
  """(experiment, what each domain begins with, what it would without the model)."""
  cold, _ = assemble(tiny(method, **(IDS | changes)), dataset)
  train, found = pack(dataset, "train", 16), []
  warm = warm_start.warm(cold, there)
  for _, goal, method in (warm, cold):
    batch = jax.tree.map(lambda x: x[0], train.batch)
    params = goal.init(jax.random.key(5), batch)
    state = jax.jit(method.init)(jax.random.key(6), params, train)
    found.append([method.params(state, d) for d in range(len(dataset.domains))])
  return warm, *found


def test_what_the_model_knows_is_kept_and_the_rest_begins_anew(whole, part, model):
  there = stored.read(model)
  _, warm, cold = begun(whole, there)
  state = stored.with_kept(there, np.arange(2))
  taken = lambda params, field, rows: jax.tree.map(lambda x: x[rows], params["tables"][field])
  for d, name in enumerate(whole.domains):
    old = there.domains.index(name) if name in there.domains else len(there.domains)
    served = there.method.params(state, old)
    assert_trees_equal(warm[d]["net"], served["net"])
    for field in ("user", "item"):
      place = places(whole.vocab[field], there.vocab[field])
      rows, others = np.flatnonzero(place >= 0), np.flatnonzero(place < 0)
      assert others.size > 2
      assert_trees_equal(taken(warm[d], field, rows), taken(served, field, place[rows]))
      assert_trees_equal(taken(warm[d], field, others), taken(cold[d], field, others))
  assert np.any(np.asarray(warm[0]["net"]["Hidden_0"]["Dense_0"]["kernel"]) != 0)


def test_a_method_without_deltas_begins_with_what_is_shared(whole, model):
  there = stored.read(model)
  _, warm, _ = begun(whole, there, "alternate")
  shared = there.method.params(stored.shared_state(there), len(there.domains))
  assert_trees_equal(warm[0]["net"], shared["net"])


def test_a_run_begins_where_the_model_ended(part, model, tmp_path, capsys):
  still = {"alpha": 1e-9, "beta": 1e-9, "gamma": 1e-9, "warm_start": str(model)}
  result = experiment.run(tiny(**(IDS | still)), tmp_path, dataset=part)
  assert "which knows 23 of 23 users" in capsys.readouterr().err
  told = files.read_json(model.parent / "run" / files.RESULT)["runs"][0]["valid"]["mean_auc"]
  assert result["runs"][0]["valid"]["mean_auc"] == pytest.approx(told, abs=1e-6)
  cold = experiment.run(tiny(**(IDS | still | {"warm_start": ""})), tmp_path / "c", dataset=part)
  assert abs(cold["runs"][0]["valid"]["mean_auc"] - told) > 1e-3


def test_deltas_begin_with_what_fine_tuning_has_changed(part, tmp_path):
  experiment.run(tiny("alternate+finetune", **IDS), tmp_path / "run", dataset=part)
  there = stored.read(tmp_path / "run" / files.MODEL)
  for branches in ({}, {"method.specific": ("net",)}):
    _, warm, _ = begun(part, there, **branches)
    _, shared, _ = begun(part, there, "alternate")
    state = stored.with_kept(there, np.arange(2))
    for d, name in enumerate(part.domains):
      tuned = there.method.params(state, there.domains.index(name))
      rows = jax.tree.map(lambda x: x[:-1], tuned["tables"])  # the last is the mean
      expected = rows if not branches else shared[d]["tables"]
      for want, is_there in ((tuned["net"], warm[d]["net"]), (expected, warm[d]["tables"])):
        for x, y in zip(jax.tree.leaves(want), jax.tree.leaves(is_there), strict=True):
          np.testing.assert_allclose(x, y, atol=1e-6)
      for x, y in zip(
        jax.tree.leaves(tuned["net"]), jax.tree.leaves(shared[d]["net"]), strict=True
      ):
        assert np.abs(np.asarray(x) - np.asarray(y)).max() > 1e-3


@pytest.mark.parametrize(
  ("changes", "said"),
  [
    ({"model.embedding_size": 4}, "its model has other layers or embeddings"),
    ({"method.specific": ("net",)}, "has deltas of other branches"),
  ],
)
def test_models_that_do_not_fit_are_told(whole, model, changes, said):
  with pytest.raises(ValueError, match=said):
    begun(whole, stored.read(model), **changes)


def test_a_folder_that_is_no_model_is_told(whole, model, tmp_path):
  with pytest.raises(ValueError, match=r"is no model: it has no model.json"):
    experiment.run(tiny(warm_start=str(tmp_path)), tmp_path / "run", dataset=whole)
  assert not (tmp_path / "run").exists()
  apart = stored.read(model)
  apart = apart._replace(method=apart.method._replace(choose=lambda *x: x))
  with pytest.raises(ValueError, match="a model for each domain and none that they share"):
    begun(whole, apart)
  features = whole._replace(frozen={"user": np.zeros((30, 2), np.float32)})
  with pytest.raises(ValueError, match="with features of user"):
    begun(features, stored.read(model))
