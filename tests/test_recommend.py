"""The best items of a stored model, against scores of every item that are sorted."""

import numpy as np
import pytest
from test_serve import moved
from tiny_experiment import tiny

from mamdr_jax import serve
from mamdr_jax.serve.recommend import Recommender


@pytest.fixture(scope="module")
def model(tmp_path_factory):
  return moved(tiny(epochs=1, **{"data.num_items": 40}), tmp_path_factory.mktemp("run"))[0]


def sorted_items(model, user, domain, items, **options):
  """All items and their scores, best first, equal ones by id."""
  score = model.score(user=[user] * len(items), item=items, domain=domain, **options)
  order = np.lexsort((items, -score))
  return np.asarray(items)[order], score[order]


def test_the_best_of_all_items_are_those_with_the_highest_scores(model):
  items = model.stored.vocab["item"].tolist()
  assert len(items) == 40
  users, domains = [3, 4, 10**6], ["D1", "D3", "D1"]
  found = model.recommend(user=users, domain=domains, top=7)
  assert found["row"].tolist() == [0] * 7 + [1] * 7 + [2] * 7
  assert found["rank"].tolist() == [*range(1, 8)] * 3
  for row in range(3):
    item, score = sorted_items(model, users[row], domains[row], items)
    np.testing.assert_array_equal(found["item"][found["row"] == row], item[:7])
    np.testing.assert_array_equal(found["probability"][found["row"] == row], score[:7])


def test_items_are_chosen_from_a_list_without_those_that_a_user_has_had(model):
  some = [30, 2, 7, 11, 5, 2]
  seen = {"user": [3, 3, 4, 3, 9], "item": ["7", "30", "2", "no item", "5"]}
  found = model.recommend({"user": [3, 4], "domain": ["D2", "D2"]}, top=4, items=some, seen=seen)
  assert found["row"].tolist() == [0] * 3 + [1] * 4  # of three there are no four
  for row, user, left in ((0, 3, [2, 5, 11]), (1, 4, [5, 7, 11, 30])):
    item, score = sorted_items(model, user, "D2", left)
    np.testing.assert_array_equal(found["item"][found["row"] == row], item)
    np.testing.assert_array_equal(found["probability"][found["row"] == row], score)


def test_of_equal_scores_the_lower_id_comes_first(model, monkeypatch):
  found = model._recommender
  flat = found.stored.objective._replace(predict=lambda params, batch: 0.0 * batch.label)
  monkeypatch.setattr(model.predict, "stored", found.stored._replace(objective=flat))
  monkeypatch.setattr(model, "_recommender", Recommender(model.predict))
  best = model.recommend(user=3, domain="D1", top=5)
  assert best["item"].tolist() == sorted(model.stored.vocab["item"].tolist())[:5]


@pytest.mark.parametrize(
  ("options", "said"),
  [
    ({"top": 0}, "top=0; choose a whole number from 1 up"),
    ({"items": [2, 999]}, "row 1: the model has no item '999'"),
    ({"seen": {"user": [3]}}, "the rows has no column 'item', only user"),
  ],
)
def test_what_cannot_be_asked_is_told(options, said, model):
  with pytest.raises(ValueError, match=said):
    model.recommend(user=3, domain="D1", **options)


def test_of_no_items_or_no_rows_there_is_nothing(model):
  for options in ({"user": 3, "items": []}, {"user": []}):
    assert all(x.size == 0 for x in model.recommend(domain="D1", **options).values())


def test_files_of_users_become_files_of_items(model, tmp_path):
  (tmp_path / "users.csv").write_text("who,user,domain\nAda,3,D1\nBob,4,D2\n")
  (tmp_path / "items.csv").write_text("item\n30\n2\n7\n")
  (tmp_path / "seen.csv").write_text("user,item\n3,7\n")
  paths = {"items": tmp_path / "items.csv", "seen": tmp_path / "seen.csv"}
  out = tmp_path / "best.csv"
  assert serve.recommend_file(model, tmp_path / "users.csv", out, top=2, **paths) == 4
  first = sorted_items(model, 3, "D1", [2, 30])[0]
  second = sorted_items(model, 4, "D2", [2, 7, 30])[0]
  found = [line.split(",")[:5] for line in out.read_text().splitlines()]
  assert found == [
    ["who", "user", "domain", "rank", "item"],
    *(["Ada", "3", "D1", str(k + 1), str(first[k])] for k in range(2)),
    *(["Bob", "4", "D2", str(k + 1), str(second[k])] for k in range(2)),
  ]
  (tmp_path / "items.csv").write_text("item\n30\n999\n")
  with pytest.raises(ValueError, match=r"items.csv, line 3: the model has no item '999'"):
    serve.recommend_file(model, tmp_path / "users.csv", out, items=paths["items"])
  (tmp_path / "users.csv").write_text("user,domain,item\n3,D1,2\n")
  with pytest.raises(ValueError, match=r"users.csv has a column 'item', which is to be added"):
    serve.recommend_file(model, tmp_path / "users.csv", out)
