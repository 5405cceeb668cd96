"""A stored model in another place, without data: the scores that it gives in Python."""

import shutil

import jax
import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import rankdata
from tiny_experiment import tiny

from mamdr_jax import configure, experiment, files, serve
from mamdr_jax.assembly import read_data
from mamdr_jax.serve.ranks import ranks
from mamdr_jax.stored import with_features

SMALL = {"embedding_size": 8, "hidden": (8,)}


def of_model(name, method, **changes):
  """`tiny` of another model."""
  config = configure.make("synthetic", name, method)
  config.data = tiny("alternate").data
  config.model.update(SMALL)
  config.update(batch_size=16, epochs=2)
  config.update_from_flattened_dict(changes)
  return config


def rows_of(dataset, seed=0) -> dict[str, np.ndarray]:
  """The test rows in another order, with raw ids, and their labels."""
  which = np.random.default_rng(seed).permutation(np.flatnonzero(dataset.split == 2))
  columns = {field: raw[dataset.ids[field][which]] for field, raw in dataset.vocab.items()}
  domain = np.array(dataset.domains)[dataset.domain[which]]
  return columns | {"domain": domain, "label": dataset.label[which]}


def assert_auc(probability, rows, told: dict[str, float]) -> None:
  """Every AUC is the one that is told, but for the rounding of a float32 in its last digit."""
  domain, label = (np.asarray(rows[name]) for name in ("domain", "label"))
  for name, auc in told.items():
    score, positive = probability[domain == name], label[domain == name] == 1
    num = positive.sum(), (~positive).sum()
    won = rankdata(score)[positive].sum() - num[0] * (num[0] + 1) / 2
    assert won == pytest.approx(auc * num[0] * num[1], rel=2e-7, abs=0)


def moved(config, folder):
  """The model of a run in another place, the workdir gone, and the run's result."""
  result = experiment.run(config, folder / "run")
  shutil.copytree(folder / "run" / files.MODEL, folder / "elsewhere")
  shutil.rmtree(folder / "run")
  return serve.load(folder / "elsewhere"), result


@pytest.fixture(scope="module")
def data():
  return read_data(tiny())


@pytest.fixture(scope="module")
def mamdr(tmp_path_factory):
  return moved(tiny(epochs=2), tmp_path_factory.mktemp("mamdr"))


def test_shuffled_rows_have_the_auc_of_the_run_to_the_last_digit(mamdr, data):
  model, result = mamdr
  rows = rows_of(data)
  assert_auc(model.score(rows), rows, result["runs"][0]["test"]["auc"])


CASES = {
  "alternate": lambda: tiny("alternate", epochs=2),
  "separate": lambda: tiny("separate", epochs=2),
  "fine-tuned": lambda: tiny("alternate+finetune", epochs=1),
  "deltas of the net": lambda: tiny(epochs=1, **{"method.specific": ("net",)}),
  "deltas of all rows": lambda: tiny(epochs=1, **{"method.all_rows": True}),
  "STAR, which has moments": lambda: of_model("star", "alternate"),
}
STREAMED = {"stream": 4, "rest": "disk", "rest_dtype": "bfloat16", "method.k": 1, "epochs": 1}
AT_REST = {
  "streamed": lambda: tiny("domain_regularization", **STREAMED),
  "STAR, streamed": lambda: of_model("star", "alternate", stream=4, epochs=1),
}


def check_auc(config, folder, data):
  model, result = moved(config, folder)
  rows = rows_of(data)
  assert_auc(model.score(rows), rows, result["runs"][0]["test"]["auc"])


ALIKE = {"deltas of all rows"}  # as those of the net


@pytest.mark.parametrize(
  "case", [pytest.param(n, marks=pytest.mark.slow if n in ALIKE else ()) for n in CASES]
)
def test_so_it_is_for_other_methods_and_models(case, tmp_path, data):
  check_auc(CASES[case](), tmp_path, data)


@pytest.mark.parametrize(
  "case", ["streamed", pytest.param("STAR, streamed", marks=pytest.mark.slow)]
)
def test_so_it_is_where_what_is_kept_was_on_disk(case, tmp_path, data):
  check_auc(AT_REST[case](), tmp_path, data)


def test_a_score_depends_on_its_own_row_alone(mamdr, data):
  model, _ = mamdr
  rows = {name: column.tolist() for name, column in rows_of(data).items()}
  whole = model.score(rows)
  order = np.random.default_rng(1).permutation(whole.size)
  mixed = model.score({name: [column[i] for i in order] for name, column in rows.items()})
  np.testing.assert_array_equal(mixed, whole[order])
  for i in (0, 7):
    assert model.score({name: column[i : i + 1] for name, column in rows.items()}) == whole[i]


def test_it_takes_frames_tables_and_columns(mamdr):
  model, _ = mamdr
  columns = {"user": ["3", "4"], "item": [1, 1], "domain": ["D2", "D2"]}
  expected = model.score(columns)
  np.testing.assert_array_equal(model.score(pa.table(columns)), expected)
  np.testing.assert_array_equal(model.score(pa.table(columns).to_pandas()), expected)
  np.testing.assert_array_equal(model.score(user=[3, 4], item=1, domain="D2"), expected)


def test_some_domains_of_many_are_served_without_the_others(mamdr, data, monkeypatch):
  """As where what is kept of all of them would not fit."""
  model, _ = mamdr
  rows = rows_of(data)
  few = serve.load(model.stored.path)
  monkeypatch.setattr(few.predict, "_most", 1)
  np.testing.assert_array_equal(few.score(rows), model.score(rows))


def test_an_id_never_seen_is_served_by_the_mean(tmp_path, data):
  config = tiny("alternate", epochs=1, **{"data.features": "ids"})
  model, _ = moved(config, tmp_path)
  tables = model.stored.light.params["tables"]
  for field in ("user", "item", "domain"):
    (table,) = map(np.asarray, jax.tree.leaves(tables[field]))
    assert len(table) == len(model.stored.vocab.get(field, model.domains)) + 1
    np.testing.assert_allclose(table[-1], table[:-1].mean(0), rtol=1e-5, atol=1e-8)
  strange = model.score(user=["1000000", "x y", ""], item=1, domain="D1")
  assert (strange == strange[0]).all()
  assert strange[0] != model.score(user=3, item=1, domain="D1")


def test_features_of_ids_never_seen_serve_them(mamdr, data, tmp_path):
  model, _ = mamdr
  ident, known = np.array(["new", "3"]), data.frozen["user"]
  of = {name: at for at, name in enumerate(data.vocab["user"].tolist())}
  feature = np.stack([known[of[3]], known[of[4]]])  # one that training saw keeps its own
  np.savez(tmp_path / "more.npz", id=ident, feature=feature)
  wider = serve.load(model.stored.path, user_features=tmp_path / "more.npz")
  scores = wider.score(user=["new", "3", "other"], item=1, domain="D1")
  assert scores[0] == scores[1] == model.score(user=3, item=1, domain="D1")[0] != scores[2]
  np.savez(tmp_path / "more.npz", id=ident, feature=feature[:, :5])
  with pytest.raises(ValueError, match=r"more.npz has 5 features of a user, expected 8"):
    serve.load(model.stored.path, user_features=tmp_path / "more.npz")
  with pytest.raises(ValueError, match="was trained without given features of widgets"):
    with_features(model.stored, "widget", tmp_path / "more.npz")


def test_unknown_domain_is_an_error_or_is_served_by_what_is_shared(mamdr):
  model, _ = mamdr
  row = {"user": 3, "item": 1}
  with pytest.raises(ValueError, match=r"row 1: the model has no domain 'D11'; did you mean 'D1'"):
    model.score(user=3, item=[1, 1], domain=["D1", "D11"])
  shared = model.score(**row, domain=["D1", "other"], unknown_domain="shared")
  assert shared[0] == model.score(**row, domain="D1")[0]
  # θ_S alone, its domain the mean of all.
  bare = serve.load(model.stored.path)
  for level in bare.stored.kept.values():
    level["specific"] = jax.tree.map(np.zeros_like, level["specific"])
  assert bare.score(**row, domain="other", unknown_domain="shared") == shared[1]
  with pytest.raises(ValueError, match="unknown_domain='near'; choose error or shared"):
    model.score(**row, domain="D1", unknown_domain="near")


def test_methods_that_share_nothing_have_nothing_for_another_domain(tmp_path):
  model, _ = moved(tiny("separate", epochs=1), tmp_path)
  with pytest.raises(ValueError, match="has a model for each domain and none that they share"):
    model.score(user=3, item=1, domain="other", unknown_domain="shared")


@pytest.mark.parametrize(
  ("columns", "said"),
  [
    ({"user": [1], "item": [1]}, "the rows has no column 'domain', only user, item"),
    ({"user": [1], "item": [1], "domains": ["D1"]}, "did you mean 'domains'"),
    ({"user": [1, 2], "item": [1, 2, 3], "domain": "D1"}, "columns have 2 and 3 rows"),
    ({"user": [1, "x"], "item": 1, "domain": "D1"}, "column 'user': Could not convert 'x'"),
    ({"user": [[1]], "item": [1], "domain": "D1"}, "expected text or numbers"),
  ],
)
def test_columns_that_cannot_be_are_told(mamdr, columns, said):
  with pytest.raises(ValueError, match=said):
    mamdr[0].score(columns)


def test_ranks_equal_a_count_of_those_above():
  rng = np.random.default_rng(0)
  pair, score = rng.integers(4, size=60), rng.integers(8, size=60) / 8
  above = (pair == pair[:, None]) & (score > score[:, None])
  np.testing.assert_array_equal(ranks(pair, score), 1 + above.sum(1))
