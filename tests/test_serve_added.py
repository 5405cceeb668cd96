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

from mamdr_jax import configure, experiment, serve
from mamdr_jax.core import Hparams
from mamdr_jax.data import pack
from mamdr_jax.methods import METHODS
from mamdr_jax.methods.new_domain import alone, new_domain
from mamdr_jax.rounds import scan
from mamdr_jax.serve import added, adding

OLD_USERS = [f"u{i}" for i in range(20)]
SHORT = {"epochs": 2, "alpha": (0.03,), "gamma": (0.5,)}


def clicks(shops, num=90, seed=0, users=20) -> pa.Table:
  """Rows of some shops, which users like by the parity of user and item."""
  rng = np.random.default_rng(seed)
  shop = np.repeat(shops, num)
  user, item = rng.integers(users, size=shop.size), rng.integers(15, size=shop.size)
  return pa.table({
    "user": [f"u{x}" for x in user],
    "item": item,
    "domain": shop,
    "price": rng.gamma(2.0, 10.0, shop.size).round(2),
    "clicked": ((user + item + (rng.random(shop.size) < 0.2)) % 2).astype(int),
    "split": np.array(["train", "train", "valid", "test"])[np.arange(shop.size) % 4],
  })  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
  """A folder with rows of old shops, of two new ones that know more users, and a model."""
  folder = tmp_path_factory.mktemp("shops")
  for name, table in {
    "old": clicks(["books", "music", "games"]),
    "new": clicks(["garden"], seed=1, users=30),
    "more": clicks(["kitchen"], seed=2, users=30),
  }.items():
    csv.write_csv(table, folder / f"{name}.csv")
  train(folder, "mlp", "mamdr")
  return folder


def train(folder, model, method):
  """Leaves the model of a run on the old shops in `folder`."""
  config = configure.make("table", model, method)
  config.data.update(path=str(folder / "old.csv"), label="clicked", split="split")
  config.data.dense = ("price",)
  config.model.update(embedding_size=4, hidden=(6,))
  config.update(batch_size=32, epochs=1, alpha=0.03)
  if "k" in config.method:
    config.method.k = 1
  experiment.run(config, folder / model)
  shutil.move(folder / model / "model", folder / f"{model}.model")


@pytest.fixture(scope="module")
def grown(files):
  """The model with one domain that was helped, and one that was not; and what was told."""
  first, second = files / "first", files / "second"
  told = [
    serve.load(files / "mlp.model").add(files / "new.csv", first, files / "old.csv", **SHORT),
    serve.load(first).add(files / "more.csv", second, **SHORT),
  ]
  return second, told


def auc(score, label):
  positive = label == 1
  won = rankdata(score)[positive].sum() - positive.sum() * (positive.sum() + 1) / 2
  return won / positive.sum() / (~positive).sum()


def test_old_domains_are_served_by_the_same_bits(files, grown):
  before, after = serve.load(files / "mlp.model"), serve.load(grown[0])
  assert after.domains == ("books", "music", "games", "garden", "kitchen")
  # Users that only the new shops know are the mean user to the others, as they were.
  rows = clicks(["books", "games"], seed=5, users=30)
  np.testing.assert_array_equal(after.score(rows), before.score(rows))
  np.testing.assert_array_equal(
    after.score(user=["u1"], item=[1], price=2.0, domain="x", unknown_domain="shared"),
    before.score(user=["u1"], item=[1], price=2.0, domain="x", unknown_domain="shared"),
  )


def test_a_new_domain_has_the_auc_that_was_told_whatever_rows_are_beside(files, grown):
  model = serve.load(grown[0])
  test = lambda table: table.filter(pc.equal(table["split"], "test"))
  tables = [test(csv.read_csv(files / f"{name}.csv")) for name in ("new", "old", "more")]
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
    shared = serve.load(files / "mlp.model").score(tables[i], unknown_domain="shared")
    assert auc(shared, label) == pytest.approx(told["auc"]["test"]["shared"], rel=1e-6)


def test_ids_that_only_it_knows_are_its_own(files, grown, tmp_path):
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


def test_the_best_items_of_each_domain_are_those_with_the_highest_scores(files, grown):
  model = serve.load(grown[0])
  asked = {"user": ["u1", "u25", "u2"], "domain": ["garden", "books", "garden"], "price": 1.0}
  best = model.recommend(**asked, top=40)
  own = set(csv.read_csv(files / "new.csv")["item"].to_pylist())
  items = sorted({str(x) for x in [*own, *model.stored.vocab["item"].tolist()]})
  for row in range(3):
    one = {name: x if name == "price" else x[row] for name, x in asked.items()}
    score = model.score(item=items, **{**one, "price": 1.0})
    found = best["row"] == row
    known = [i for i, x in enumerate(items) if x in {str(y) for y in best["item"][found].tolist()}]
    assert len(known) >= len(model.stored.vocab["item"])
    np.testing.assert_array_equal(best["probability"][found], np.sort(score[known])[::-1])
  with pytest.raises(ValueError, match="row 0: items=domain: training had no such domain"):
    model.recommend(**asked, items="domain")
  with pytest.raises(ValueError, match="only domains that it was trained with are exported"):
    model.export("garden", "nowhere")


@pytest.mark.slow
def test_a_model_that_needs_moments_has_those_of_the_new_domain(files, tmp_path):
  train(files, "star", "alternate")
  model = serve.load(files / "star.model")
  told = model.add(files / "new.csv", tmp_path / "more", **SHORT)
  test = csv.read_csv(files / "new.csv")
  test = test.filter(pc.equal(test["split"], "test"))
  found = auc(serve.load(tmp_path / "more").score(test), test["clicked"].to_numpy())
  assert found == pytest.approx(told["auc"]["test"][told["serves"]], rel=1e-6)


def test_it_takes_no_more_of_a_table_than_its_rows_read(files):
  model = serve.load(files / "mlp.model")
  rows = adding.rows_of_file(model.stored, files / "new.csv")
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
def test_rows_that_will_not_do_are_told(files, rows, helpers, said, tmp_path):
  paths = [written(x, tmp_path / f"{i}.csv") for i, x in enumerate((rows, helpers)) if x]
  with pytest.raises(ValueError, match=said):
    serve.load(files / "mlp.model").add(paths[0], tmp_path / "out", *paths[1:], **SHORT)
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
