"""The best items of domains that were added to a stored model, their export and base rates."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import csv
from shops import OLD_USERS, SHORT, clicks
from test_serve_outside import loaded
from tiny_experiment import tiny

from mamdr_jax import experiment, serve
from mamdr_jax.serve.all_items import over_all_items
from mamdr_jax.serve.evaluate import read


def test_the_best_items_of_each_domain_are_those_with_the_highest_scores(shops, grown):
  model = serve.load(grown[0])
  asked = {"user": ["u1", "u25", "u2"], "domain": ["garden", "books", "garden"], "price": 1.0}
  best = model.recommend(**asked, top=40)
  own = set(csv.read_csv(shops / "new.csv")["item"].to_pylist())
  items = sorted({str(x) for x in [*own, *model.stored.vocab["item"].tolist()]})
  for row in range(3):
    one = {name: x if name == "price" else x[row] for name, x in asked.items()}
    score = model.score(item=items, **{**one, "price": 1.0})
    found = best["row"] == row
    known = [i for i, x in enumerate(items) if x in {str(y) for y in best["item"][found].tolist()}]
    assert len(known) >= len(model.stored.vocab["item"])
    np.testing.assert_array_equal(best["probability"][found], np.sort(score[known])[::-1])


def training(shops, name, user=None) -> set[str]:
  """The items of a file's training rows, or of the positives of a user in them."""
  table = csv.read_csv(shops / f"{name}.csv")
  keep = pc.equal(table["split"], "train")
  if user is not None:
    keep = pc.and_(keep, pc.and_(pc.equal(table["user"], user), pc.equal(table["clicked"], 1)))
  return {str(x) for x in table.filter(keep)["item"].to_pylist()}


def test_items_and_what_a_user_had_are_those_of_the_rows_that_it_was_trained_on(shops, grown):
  model, some = serve.load(grown[0]), 0
  items = lambda best, row: {str(x) for x in best["item"][best["row"] == row].tolist()}
  asked = {"user": ["u1", "u25", "u2"], "domain": ["garden", "kitchen", "garden"], "price": 1.0}
  of_domain = model.recommend(**asked, top=99, items="domain")
  every = model.recommend(**asked, top=99)
  without = model.recommend(**asked, top=99, seen="training")
  for row, name in enumerate(("new", "more", "new")):
    had = training(shops, name, asked["user"][row])
    assert items(of_domain, row) == training(shops, name) > had
    assert items(without, row) == items(every, row) - had
    some += len(had)
  assert some > 1
  with pytest.raises(ValueError, match="row 1: items=domain: training had no such domain"):
    asked |= {"domain": ["garden", "x", "books"], "unknown_domain": "shared"}
    model.recommend(**asked, items="domain")


@pytest.fixture(scope="module")
def own_item(shops, tmp_path_factory):
  """The model with a shop that alone has the item 93, and the rows of that shop."""
  folder = tmp_path_factory.mktemp("own")
  rows = clicks(["garden"], seed=1)
  rows = rows.set_column(1, "item", pc.if_else(pc.equal(rows["item"], 3), 93, rows["item"]))
  csv.write_csv(rows, folder / "new.csv")
  serve.load(shops / "mlp.model").add(folder / "new.csv", folder / "grown", **SHORT)
  return serve.load(folder / "grown"), rows


def test_items_that_only_it_knows_are_chosen_and_left_out(own_item):
  model, ask = own_item[0], {"user": "u1", "price": 1.0}
  best = model.recommend(**ask, domain="garden", items=[2, 93])
  assert {str(x) for x in best["item"].tolist()} == {"2", "93"}
  score = model.score(**ask, domain="garden", item=best["item"].astype(str).tolist())
  np.testing.assert_array_equal(best["probability"], score)
  seen = {"user": ["u1"], "item": ["93"]}
  best = model.recommend(**ask, domain="garden", items=[2, 93], seen=seen)
  assert [str(x) for x in best["item"].tolist()] == ["2"]
  best = model.recommend(**ask, domain="books", items=[2, 93], seen=seen)  # has no row of 93
  assert [str(x) for x in best["item"].tolist()] == ["2"]


def test_lists_over_all_items_have_the_rows_that_a_domain_has(own_item, tmp_path, monkeypatch):
  model, rows = own_item
  books = clicks(["books"], seed=3)
  odd = pa.table({"user": ["x"], "item": [93], "domain": ["books"]})
  csv.write_csv(pa.concat_tables([rows, books]), tmp_path / "rows.csv")
  csv.write_csv(odd, tmp_path / "seen.csv")
  labelled, asked, predict = read(model, tmp_path / "rows.csv"), [], model.predict
  monkeypatch.setattr(model, "predict", lambda rows: asked.append(rows) or predict(rows))
  over_all_items(model, labelled, [tmp_path / "seen.csv"], num_users=99)
  (found,), mean = asked, len(model.stored.vocab["item"])
  top = [found.ids["item"][found.domain == of].max() for of in (0, len(model.stored.domains) + 1)]
  assert top == [mean, mean + 1]


def test_it_is_exported_with_the_ids_that_it_alone_has(shops, grown, tmp_path):
  model = serve.load(grown[0])
  new = model.added.vocab["user"][len(OLD_USERS) + 1 :].tolist()
  rows = {"user": [*new, "u1", "u2", "nobody"], "price": np.linspace(1, 30, len(new) + 3)}
  rows["item"] = [str(i % 15) for i in range(len(new) + 3)]
  for name in ("garden", "kitchen"):
    model.export(name, tmp_path / name)
    made = loaded(tmp_path / name)
    np.testing.assert_array_equal(made.score(rows), model.score(**rows, domain=name))
    known = [user for user in new if user in made._rows["user"]]
    assert 3 < len(known) < len(new) and "" not in made._rows["user"]  # none of the other's


def test_its_probabilities_are_corrected_by_a_base_rate(shops, grown, tmp_path):
  (tmp_path / "rates.csv").write_text("domain,rate\ngarden,0.02\nbooks,0.01\n")
  model = serve.load(grown[0])
  corrected = serve.load(grown[0], base_rates=tmp_path / "rates.csv")
  rows = {"user": ["u1", "u25"], "item": [1, 2], "price": 1.0}
  label = csv.read_csv(shops / "new.csv")
  label = label.filter(pc.equal(label["split"], "train"))["clicked"].to_numpy()
  kept = 0.02 / 0.98 * (1 - label.mean()) / label.mean()
  before = model.score(**rows, domain="garden")
  expected = before / (before + (1 - before) / kept)
  np.testing.assert_allclose(corrected.score(**rows, domain="garden"), expected, rtol=1e-12)
  assert (corrected.score(**rows, domain="books") < model.score(**rows, domain="books")).all()
  with pytest.raises(ValueError, match=r"row 0: .* has no base rate of domain 'kitchen'"):
    corrected.score(**rows, domain="kitchen")
  (tmp_path / "rates.csv").write_text("domain,rate\nkitchn,0.02\n")
  with pytest.raises(ValueError, match=r"no domain 'kitchn'; did you mean 'kitchen'"):
    serve.load(grown[0], base_rates=tmp_path / "rates.csv")


def test_of_given_features_there_is_what_the_model_knows(tmp_path):
  experiment.run(tiny("alternate", epochs=1), tmp_path / "run")
  rows = {"user": [3, 4, "x", 3] * 4, "item": [2, 5, 7, 10**6] * 4, "domain": ["new"] * 16}
  rows |= {"label": [1] * 8 + [0] * 8, "split": (["train"] * 4 + ["valid"] * 4) * 2}
  rows["user"] = [str(user) for user in rows["user"]]
  csv.write_csv(pa.table(rows), tmp_path / "new.csv")
  serve.load(tmp_path / "run" / "model").add(tmp_path / "new.csv", tmp_path / "grown", epochs=1)
  model = serve.load(tmp_path / "grown")
  best = lambda **options: set(model.recommend(domain="new", top=99, **options)["item"].tolist())
  assert best(user=4, items="domain") == {2, 5, 7}
  assert [best(user=user, items="domain", seen="training") for user in (3, 4, "x")] == [
    {5, 7}, {2, 7}, {2, 5, 7}
  ]  # fmt: skip
  model.export("new", tmp_path / "new")
  asked = {"user": ["3", "x"], "item": ["5", "9999999"]}
  found = loaded(tmp_path / "new").score(asked)
  np.testing.assert_array_equal(found, model.score(**asked, domain="new"))
