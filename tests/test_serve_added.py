"""Domains that are added to a stored model: they are served by their own, and others as before."""

import shutil

import handmade
import jax
import numpy as np
import optax
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import csv
from scipy.stats import rankdata
from shops import OLD_USERS, SHORT, clicks, train

from mamdr_jax import serve
from mamdr_jax.core import Hparams
from mamdr_jax.data import pack
from mamdr_jax.methods import METHODS
from mamdr_jax.methods.new_domain import alone, new_domain
from mamdr_jax.rounds import scan
from mamdr_jax.serve import added, adding


def auc(score, label):
  positive = label == 1
  won = rankdata(score)[positive].sum() - positive.sum() * (positive.sum() + 1) / 2
  return won / positive.sum() / (~positive).sum()


def test_old_domains_are_served_by_the_same_bits(shops, grown):
  before, after = serve.load(shops / "mlp.model"), serve.load(grown[0])
  assert after.domains == ("books", "music", "games", "garden", "kitchen")
  # Users that only the new shops know are the mean user to the others, as they were.
  rows = clicks(["books", "games"], seed=5, users=30)
  np.testing.assert_array_equal(after.score(rows), before.score(rows))
  np.testing.assert_array_equal(
    after.score(user=["u1"], item=[1], price=2.0, domain="x", unknown_domain="shared"),
    before.score(user=["u1"], item=[1], price=2.0, domain="x", unknown_domain="shared"),
  )


def test_a_new_domain_has_the_auc_that_was_told_whatever_rows_are_beside(shops, grown):
  model = serve.load(grown[0])
  test = lambda table: table.filter(pc.equal(table["split"], "test"))
  tables = [test(csv.read_csv(shops / f"{name}.csv")) for name in ("new", "old", "more")]
  together = pa.concat_tables(tables)
  order = np.random.default_rng(0).permutation(together.num_rows)
  score = np.empty(order.size)
  score[order] = model.score(together.take(order))
  bounds = np.cumsum([0, *(table.num_rows for table in tables)])
  for i, told in ((0, grown[1][0]), (2, grown[1][1])):
    label = tables[i]["clicked"].to_numpy()
    found = auc(score[bounds[i] : bounds[i + 1]], label)
    assert told["serves"] == "own" and told["auc"]["valid"]["own"] > told["auc"]["valid"]["shared"]
    assert found == pytest.approx(told["auc"]["test"]["own"], rel=1e-6)
    shared = serve.load(shops / "mlp.model").score(tables[i], unknown_domain="shared")
    assert auc(shared, label) == pytest.approx(told["auc"]["test"]["shared"], rel=1e-6)


def test_ids_that_only_it_knows_are_its_own(shops, grown, tmp_path):
  model = serve.load(grown[0])
  new = [user for user in model.added.vocab["user"].tolist() if user not in ("", *OLD_USERS)]
  columns = {"item": 3, "price": 1.0, "domain": "garden"}
  score = model.score(user=[*new, "nobody"], **columns)
  assert len(new) > 3 and (score[:-1] != score[-1]).any()
  rows = {"user": ["nobody", new[0]], "item": [3, 3], "price": [1.0, 1.0]}
  csv.write_csv(pa.table(rows | {"domain": ["garden", "books"]}), tmp_path / "rows.csv")
  serve.score_file(model, tmp_path / "rows.csv", tmp_path / "out.csv")
  assert csv.read_csv(tmp_path / "out.csv")["unknown"].to_pylist() == ["user", "user"]
  rows = {"user": [new[0]], "item": [3], "price": [1.0], "domain": ["garden"]}
  csv.write_csv(pa.table(rows), tmp_path / "rows.csv")
  assert serve.score_file(model, tmp_path / "rows.csv", tmp_path / "one.csv").unknown == 0


@pytest.mark.slow
def test_a_model_that_needs_moments_has_those_of_the_new_domain(shops, tmp_path):
  train(shops, "star", "alternate")
  model = serve.load(shops / "star.model")
  told = model.add(shops / "new.csv", tmp_path / "more", **SHORT)
  test = csv.read_csv(shops / "new.csv")
  test = test.filter(pc.equal(test["split"], "test"))
  found = auc(serve.load(tmp_path / "more").score(test), test["clicked"].to_numpy())
  assert found == pytest.approx(told["auc"]["test"][told["serves"]], rel=1e-6)


def test_it_takes_no_more_of_a_table_than_its_rows_read(shops):
  model = serve.load(shops / "mlp.model")
  rows = adding.rows_of_file(model.stored, shops / "new.csv")
  small = adding.gathered(model.stored, rows, None)
  assert len(small.numbers["user"]) == np.unique(rows.ids["user"]).size
  shared = adding.shared_params(model.stored, small.numbers)
  (table,) = jax.tree.leaves(model.stored.light.shared.params["tables"]["user"])
  (taken,) = jax.tree.leaves(shared["tables"]["user"])
  at = np.minimum(small.numbers["user"], len(table) - 1)
  np.testing.assert_array_equal(taken, np.asarray(table)[at])
  assert (np.asarray(taken)[small.numbers["user"] >= len(table)] == np.asarray(table)[-1]).all()


def test_its_delta_is_that_of_domain_regularization():
  """Of two domains of a minibatch each, where nothing is drawn."""
  dataset = handmade.dataset((8, 8))
  train = pack(dataset, "train", 8)
  params = handmade.init(jax.random.key(0), num_domains=2)
  common = {"loss": handmade.loss, "inner": optax.sgd, "k": 1, "visit_steps": 1}
  rates = Hparams(*np.float32([0.3, 0.5, 0.5]))
  deltas = []
  for method, data in (
    (METHODS["domain_regularization"](**common), train),
    (new_domain(**common), alone(train)),
  ):
    state, stage = method.init(jax.random.key(1), params, data), method.stages[-1]
    state, _ = scan(stage, stage.plan(jax.random.key(2), data), state, data, rates)
    deltas.append(method.params(state, 0))
  handmade.assert_trees_close(*deltas, rtol=1e-6, atol=1e-7)
  moved = jax.tree.map(lambda x, y: np.abs(x - y).max(), deltas[1], params)
  assert max(jax.tree.leaves(moved)) > 0.01


def written(table, path):
  csv.write_csv(table, path)
  return path


@pytest.mark.parametrize(
  ("rows", "helpers", "said"),
  [
    (clicks(["a", "b"]), None, "expected rows of one new domain, found 2: a, b"),
    (clicks(["books"]), None, "the model has a domain 'books' already"),
    (clicks(["a"]), clicks(["book"]), "no domain 'book' that could help; did you mean 'books'"),
    (clicks(["a"], num=2), None, "rows of 'a' lack a label, 0 or 1"),
    (clicks(["a"]).drop_columns("clicked"), None, "clicked"),
  ],
)
def test_rows_that_will_not_do_are_told(shops, rows, helpers, said, tmp_path):
  paths = [written(x, tmp_path / f"{i}.csv") for i, x in enumerate((rows, helpers)) if x]
  with pytest.raises(ValueError, match=said):
    serve.load(shops / "mlp.model").add(paths[0], tmp_path / "out", *paths[1:], **SHORT)
  assert not (tmp_path / "out").exists()


def test_an_addition_that_was_altered_is_told(grown, tmp_path):
  shutil.copytree(grown[0], tmp_path / "model")
  folder = added.folders(tmp_path / "model")[0]
  array = max(folder.glob("*.npy"))
  array.write_bytes(array.read_bytes()[:-1] + b"?")
  with pytest.raises(ValueError, match=rf"{array.name} was altered"):
    serve.load(tmp_path / "model")
  (folder / added.ABOUT).write_text("{}")
  with pytest.raises(ValueError, match=r"added.json was cut short or altered"):
    serve.load(tmp_path / "model")
