"""Every file format that is read, and every broken file that is refused."""

import gzip
import json

import numpy as np
import pytest

from mamdr_jax.data import amazon, reviews, taobao

RATED = ("rating", "timestamp")
PAIRS = [(f"A{n % 7:013d}", f"B{n % 11:09d}", 1 + n % 5, 1000 + n) for n in range(60)]
LINES = {
  "A_5.json.gz": lambda: [
    json.dumps(dict(reviewerID=u, asin=i, overall=float(r), unixReviewTime=t, reviewText="x"))
    for u, i, r, t in PAIRS
  ],
  "B.csv": lambda: [f"{i},{u},{r}.0,{t}" for u, i, r, t in PAIRS],
  "C.csv.gz": lambda: (
    ["user_id,parent_asin,rating,timestamp"] + [f"{u},{i},{r}.0,{t}" for u, i, r, t in PAIRS]
  ),
  "D.csv": lambda: ["user,item,rating", *(f"{u},{i},{r}" for u, i, r, _ in PAIRS)],
  "E.csv": lambda: ["user,item", *(f"{u},{i}" for u, i, _, _ in PAIRS)],
}


def write(path, lines):
  data = "".join(line + "\n" for line in lines).encode()
  path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
  return path


@pytest.fixture
def root(tmp_path):
  for name, lines in LINES.items():
    write(tmp_path / name, lines())
  return tmp_path


def refuses(message, call, *args, error=ValueError, **options):
  with pytest.raises(error) as caught:
    call(*args, **options)
  assert message in str(caught.value) and "\n" not in str(caught.value)


# Amazon


@pytest.mark.parametrize("name", LINES)
def test_amazon_formats_give_the_same_pairs(root, name):
  frame = reviews.read(root / name)
  assert list(frame.itertuples(index=False, name=None)) == [pair[:2] for pair in PAIRS]
  if name != "E.csv":
    rated = reviews.read(root / name, known=RATED)
    assert rated["rating"].tolist() == [pair[2] for pair in PAIRS]
    if name != "D.csv":
      assert rated["timestamp"].tolist() == [pair[3] for pair in PAIRS]


def test_amazon_categories_become_domains(root):
  dataset = amazon.load(root, ("B", "A", "E"), cache=root / "cache")
  assert dataset.domains == ("B", "A", "E")
  assert sorted(dataset.vocab["user"]) == sorted({pair[0] for pair in PAIRS})
  again = amazon.load(root, "B,A,E", cache=root / "cache")
  np.testing.assert_array_equal(dataset.split, again.split)
  np.testing.assert_array_equal(dataset.vocab["item"], again.vocab["item"])
  rated = amazon.load(root, ("A", "D"), positive_from=4, negatives="rated")
  assert rated.label.mean() == pytest.approx(0.4, abs=0.01)


def test_of_two_files_of_a_category_the_first_is_read_and_the_other_noted(root):
  write(root / "A.csv", ["user,item", "u,i"])
  assert "A.csv was not read, A_5.json.gz was" in amazon.load(root, ("A",)).notes


def test_amazon_groups_are_those_of_the_paper():
  assert [len(amazon.AMAZON[group]) for group in ("6", "13", "small", "paper6", "paper13")] == [
    *(6, 13, 6, 6, 13)
  ]
  assert amazon.AMAZON["paper6"][2] == "Patio_Lawn_and_Garden"
  assert amazon.AMAZON["paper13"][10] == "Software"


def test_amazon_refuses(root):
  refuses("unknown group 'smal'; choose one of 6, 13, small", amazon.load, root, "smal")
  missing = (
    f"{root} has no X_5.json.gz, X.json.gz, X_5.json, X.json, X.jsonl.gz, X.jsonl, X.csv.gz or "
    "X.csv; it holds A_"
  )
  refuses(missing, amazon.load, root, ("A", "X"), error=FileNotFoundError)
  refuses("is not a folder", amazon.load, root / "no", ("A",), error=FileNotFoundError)
  refuses("E.csv has no column 'rating'", amazon.load, root, ("E",), positive_from=4)
  bad = root / "bad.csv"
  for lines, message in (
    ([], "bad.csv is empty"),
    (["user,item"], "bad.csv has no rows"),
    (["usr,item", "a,b"], "bad.csv has no column 'user', only usr, item; did you mean 'usr'?"),
    (["user,item", "a,b", "", ",b"], "bad.csv, line 4: the user is empty, expected an id"),
    (["user,item", "a,b", "a"], "bad.csv, line 3: expected 2 cells, found 1"),
    (["user,item", "a,b", "", "a,b,c"], "bad.csv, line 4: expected 2 cells, found 3"),
    (["user,item", "a,b,c"], "bad.csv, line 2: expected 2 cells, found 3"),
    (["user,user,item", "a,a,b"], "bad.csv has two columns 'user', expected one"),
  ):
    refuses(message, reviews.read, write(bad, lines))
  write(bad, ["user,item,rating", "a,b,5", "a,c,", "a,d,good"])
  refuses(
    "bad.csv, line 4: the rating is 'good', expected a number",
    reviews.read,
    bad,
    known=RATED,
  )
  user = "A000000000000"
  write(bad, [f"B00000000{n},{user}{n},5.0,{when}" for n, when in enumerate(("1", "", "noon"))])
  refuses("bad.csv, line 3: the timestamp is 'noon'", reviews.read, bad, known=RATED)
  bad.write_bytes(b"user,item\n\xff\xfe,b\n")
  refuses("bad.csv, line 2 is not UTF-8", reviews.read, bad)


def test_unheaded_ratings_tell_items_from_users_by_their_ids(tmp_path):
  user, item = [[pair[k] for pair in PAIRS] for k in (0, 1)]
  for columns in ((user, item), (item, user)):  # of 2014, of 2018
    lines = [f"{a},{b},5.0,1" for a, b in zip(*columns, strict=True)]
    frame = reviews.read(write(tmp_path / "x.csv", lines))
    assert frame["user"].tolist() == user and frame["item"].tolist() == item
  lines = [f"{a},{a},5.0,1" for a in user]
  refuses("x.csv has no header, and", reviews.read, write(tmp_path / "x.csv", lines))


def test_amazon_refuses_broken_json(tmp_path):
  bad = tmp_path / "bad.json"
  good = json.dumps({"reviewerID": "a", "asin": "b"})
  for lines, message in (
    ([], "bad.json is empty"),
    ([good, "{"], "bad.json, line 2 is not JSON"),
    ([good, "", '{"reviewer": "a"}'], "line 3: expected reviewerID, asin; found reviewer"),
    ([good, "[1]"], "line 2: expected reviewerID, asin; found [1]"),
    ([good, '{"reviewerID": null, "asin": "b"}'], "line 2: the user is empty"),
    ([good, '{"reviewerID": {}, "asin": "b"}'], "line 2: the user is {}, expected text"),
    ([good, '{"reviewerID": "\\ud800", "asin": "b"}'], "line 2: the user has half a character"),
    ([good, "[" * 100_000], "bad.json, line 2 is not JSON: "),
    ([good, f'{{"reviewerID": {"9" * 5000}, "asin": "b"}}'], "bad.json, line 2 is not JSON: "),
  ):
    refuses(message, reviews.read, write(bad, lines))


@pytest.mark.parametrize("name", ["A_5.json.gz", "C.csv.gz"])
def test_a_truncated_gzip_is_refused(root, name):
  whole = (root / name).read_bytes()
  for broken in (whole[:-20], whole[:30], b"user,item\na,b\n"):
    (root / name).write_bytes(broken)
    refuses(f"{name}: the gzip stream is truncated or corrupt", reviews.read, root / name)


# Taobao


def embedding(idents, *, header=False, width=128):
  rows = [f'{n},"{" ".join(f"{n + k / 1000:.3f}" for k in range(width))}"' for n in idents]
  return [*(["id,embedding"] if header else []), *rows]


@pytest.fixture
def clicks(tmp_path):
  rows = [(n % 9, 100 + n % 13, "z" if n < 60 else "y" if n < 110 else "x") for n in range(160)]
  lines = [f"{u},{i},{theme},0,5" for u, i, theme in rows]
  write(tmp_path / "theme_click_log.csv", ["user_id,item_id,theme_id,leaf,reach", *lines])
  write(tmp_path / "user_embedding.csv", embedding(range(12), header=True))
  write(tmp_path / "item_embedding.csv", embedding(range(101, 120)))
  return tmp_path


def test_taobao_themes_are_domains_and_embeddings_are_frozen(clicks):
  dataset = taobao.load(clicks, 2)
  assert dataset.domains == ("z", "y")
  for field in ("user", "item"):
    frozen = dataset.frozen[field]
    assert frozen.shape == (len(dataset.vocab[field]), 128) and frozen.dtype == np.float32
    np.testing.assert_allclose(frozen[:, 5], dataset.vocab[field] + 0.005, rtol=1e-6)
  assert 100 not in dataset.vocab["item"]
  assert "9 clicks were dropped because item_embedding.csv lacks their item" in dataset.notes
  assert taobao.load(clicks, themes=("x", "z"), cache=clicks / "cache").domains == ("x", "z")


def test_taobao_refuses(clicks):
  refuses("has 3 themes, expected 4", taobao.load, clicks, 4)
  refuses("has no theme '7'; it has z, y, x", taobao.load, clicks, themes=(7,))
  users = clicks / "user_embedding.csv"
  for lines, message in (
    ([], "user_embedding.csv is empty"),
    (embedding(range(3)) + embedding([3], width=127), "line 4: expected 128 numbers separated"),
    (["0," + "1 " * 127 + "one"], "line 1: could not convert string"),
    (embedding([0, 1]) + ["x" + embedding([2])[0]], "line 3: expected an integer id, found 'x2'"),
    (
      [*embedding(range(1, 9)), "0," + "1 " * 127 + "nan"],
      "the features of id 0 are not all finite",
    ),
  ):
    write(users, lines)
    refuses(message, taobao.load, clicks, 2)
  write(clicks / "theme_click_log.csv", ["user_id,item_id,theme_id", "1,2,3", "1,b,3"])
  refuses("line 3: the item is 'b', expected an integer id", taobao.load, clicks, 1)
  users.unlink()
  refuses("has no user_embedding.csv", taobao.load, clicks, error=FileNotFoundError)
