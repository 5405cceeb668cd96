"""The best items of a stored model, against scores of every item that are sorted."""

import numpy as np
import pytest
from test_serve import moved
from tiny_experiment import tiny

from mamdr_jax import serve
from mamdr_jax.assembly import read_data
from mamdr_jax.serve.recommend import Recommender
from mamdr_jax.workdir import lists

CHANGES = {"data.num_items": 40}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
  return moved(tiny(epochs=1, **CHANGES), tmp_path_factory.mktemp("run"))[0]


@pytest.fixture(scope="module")
def data():
  return read_data(tiny(**CHANGES))


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
  found = model._recommenders[0]
  flat = found.stored.objective._replace(predict=lambda params, batch: 0.0 * batch.label)
  monkeypatch.setattr(model.predict, "stored", found.stored._replace(objective=flat))
  monkeypatch.setattr(model, "_recommenders", [Recommender(model.predict)])
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


def training(data, domain, user=None) -> set:
  """Raw ids of the items of a domain's training rows, or of the positives of a user in them."""
  rows = (data.split == 0) & (data.domain == data.domains.index(domain))
  if user is not None:
    rows &= (data.vocab["user"][data.ids["user"]] == user) & (data.label == 1)
  return set(data.vocab["item"][data.ids["item"][rows]].tolist())


def test_items_are_chosen_from_those_of_the_domain(model, data):
  for domain in data.domains:
    found = model.recommend(user=[3, 4], domain=domain, top=100, items="domain")
    assert set(found["item"].tolist()) == training(data, domain) != set(range(40))
    given = model.recommend(user=[3, 4], domain=domain, top=100, items=training(data, domain))
    for name, column in given.items():
      np.testing.assert_array_equal(found[name], column)


def test_what_a_user_had_in_training_does_not_come_again(model, data):
  known = data.vocab["user"].tolist()
  users, domains = [*known, 10**6, *known], ["D1"] * (len(known) + 1) + ["D3"] * len(known)
  found = model.recommend(user=users, domain=domains, top=100, seen="training")
  every, some = set(data.vocab["item"].tolist()), 0
  for row, (user, domain) in enumerate(zip(users, domains, strict=True)):
    had = training(data, domain, user)
    assert set(found["item"][found["row"] == row].tolist()) == every - had
    some += len(had)
    both = model.recommend(user=user, domain=domain, top=100, items="domain", seen="training")
    assert set(both["item"].tolist()) == training(data, domain) - had
  assert some > 20


def test_rows_of_a_domain_that_is_not_known_have_had_nothing_and_have_no_items(model, data):
  other = {"user": [3, 3], "domain": ["D1", "other"], "unknown_domain": "shared", "top": 100}
  found = model.recommend(**other, seen="training")
  assert (found["row"] == 1).sum() == len(data.vocab["item"])
  with pytest.raises(ValueError, match="row 1: items=domain: training had no such domain"):
    model.recommend(**other, items="domain")
  for option in ({"items": "all"}, {"seen": "all"}):
    with pytest.raises(ValueError, match=r"='all'; give .* or '(domain|training)'"):
      model.recommend(**other, **option)


def test_lists_that_are_too_long_are_left_out_which_is_told(model, data, capsys, monkeypatch):
  whole, sizes = lists.of(data, 10**6), {}
  for name in ("items", "had"):
    sizes[name] = whole[f"lists/{name}/item"].size
  most = min(sizes.values())
  assert len(set(sizes.values())) == 2 and not capsys.readouterr().err
  kept = lists.of(data, most)
  assert len({name.split("/")[1] for name in kept}) == 1
  assert f"longer than model_lists={most:,}" in capsys.readouterr().err
  assert lists.of(data, 0) == {} and not capsys.readouterr().err
  monkeypatch.setattr(lists, "BLOCK", 7)
  for name, array in lists.of(data, 10**6).items():
    np.testing.assert_array_equal(array, whole[name])
  monkeypatch.setattr(model, "stored", model.stored._replace(lists={}))
  monkeypatch.delitem(model.__dict__, "_had", raising=False)
  with pytest.raises(ValueError, match=r"no 'lists/items/first': config.model_lists had no room"):
    model.recommend(user=3, domain="D1", items="domain")
