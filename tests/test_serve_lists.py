"""Items of a domain and what its users have had, as a stored model has them; pieces of files."""

import numpy as np
import pytest
from test_serve import moved
from tiny_experiment import tiny

from mamdr_jax.assembly import read_data
from mamdr_jax.workdir import arrays, lists

CHANGES = {"data.num_items": 40, "data.features": "ids"}


@pytest.fixture(scope="module")
def data():
  return read_data(tiny("alternate", **CHANGES))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
  return moved(tiny("alternate", epochs=1, **CHANGES), tmp_path_factory.mktemp("run"))[0]


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
  with pytest.raises(ValueError, match="row 1: items=domain: of a domain that is not known"):
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


@pytest.mark.parametrize("pieces", [True, False])
def test_a_piece_of_a_file_is_checked_when_it_is_first_read(pieces, tmp_path, monkeypatch):
  monkeypatch.setattr(arrays, "PIECE", 64)
  array = np.arange(200, dtype=np.float32).reshape(50, 4)
  told = arrays.write(tmp_path / "0000.npy", arrays.blocks(array))
  assert arrays.described(told) and len(told["pieces"]) == -(-told["bytes"] // 64)
  if not pieces:  # as it once was
    del told["pieces"]
  rows = np.array([3, 40, 3])
  np.testing.assert_array_equal(arrays.Checked(tmp_path, told)[rows], array[rows])
  np.testing.assert_array_equal(np.asarray(arrays.Checked(tmp_path, told)), array)
  path = tmp_path / "0000.npy"
  data = bytearray(path.read_bytes())
  data[128 + 16 * 20] ^= 1  # in row 20, after the header
  path.write_bytes(data)
  altered = arrays.Checked(tmp_path, told)
  if pieces:
    np.testing.assert_array_equal(altered[rows], array[rows])
  for rows in (np.array([0, 20]), np.array([23]), np.arange(50)):
    with pytest.raises(ValueError, match=r"0000.npy was altered: its checksum is another"):
      altered[rows]
  with pytest.raises(ValueError, match=r"0000.npy was altered"):
    np.asarray(altered)


def test_an_array_of_rows_longer_than_a_piece_or_of_none_is_checked(tmp_path, monkeypatch):
  monkeypatch.setattr(arrays, "PIECE", 64)
  for array in (np.arange(300, dtype=np.float32).reshape(3, 100), np.zeros((0, 4), np.int32)):
    told = arrays.write(tmp_path / "0000.npy", arrays.blocks(array))
    checked = arrays.Checked(tmp_path, told)
    rows = np.arange(len(array))[1:]
    np.testing.assert_array_equal(checked[rows], array[rows])
    np.testing.assert_array_equal(np.asarray(checked), array)
