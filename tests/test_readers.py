"""Every file format that is read, and every broken file that is refused."""

import gzip
import json
import sys

import numpy as np
import pandas as pd
import pytest

from mamdr_jax.data import amazon, features, reviews, table, taobao

PAIRS = [(f"U{n % 7}", f"I{n % 11}", 1 + n % 5, 1000 + n) for n in range(60)]
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
    rated = reviews.read(root / name, ratings=True)
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
    f"{root} has no X_5.json.gz, X.json.gz, X_5.json, X.json, X.csv.gz or X.csv; it holds A_"
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
    (["user,item", "a,b", "a"], "bad.csv, line 3: the item is empty"),
    (["user,item", "a,b", "a,b,c"], "bad.csv cannot be parsed"),
    (["user,item", "a,b,c"], "bad.csv cannot be parsed"),
  ):
    refuses(message, reviews.read, write(bad, lines))
  write(bad, ["user,item,rating", "a,b,5", "a,c,", "a,d,good"])
  refuses(
    "bad.csv, line 4: the rating is 'good', expected a number", reviews.read, bad, ratings=True
  )
  write(bad, ["b,a,5.0,1", "c,a,5.0,", "d,a,5.0,noon"])
  refuses("bad.csv, line 3: the timestamp is 'noon'", reviews.read, bad, ratings=True)
  bad.write_bytes(b"user,item\n\xff\xfe,b\n")
  refuses("bad.csv cannot be parsed", reviews.read, bad)


def test_amazon_refuses_broken_json(tmp_path):
  bad = tmp_path / "bad.json"
  good = json.dumps({"reviewerID": "a", "asin": "b"})
  for lines, message in (
    ([], "bad.json is empty"),
    ([good, "{"], "bad.json, line 2 is not JSON"),
    ([good, "", '{"reviewer": "a"}'], "line 3: expected reviewerID, asin; found reviewer"),
    ([good, "[1]"], "line 2: expected reviewerID, asin; found [1]"),
    ([good, '{"reviewerID": null, "asin": "b"}'], "line 2: the user is empty"),
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


# Table

NAMES = {"user": "uid", "item": "iid", "domain": "shop"}


def table_lines(split=True):
  header = "uid,iid,shop,click,stars,brand,price,part"
  parts = ("train", "valid", "test") if split else ("",)
  rows = [
    f"{n},{n % 17},s{n // 60},{n // 3 % 2},{1 + n % 5},b{n % 4},{n / 8},{parts[n % len(parts)]}"
    for n in range(120)
  ]
  return [header, *rows]


def test_table_takes_labels_splits_and_columns_as_they_are(tmp_path):
  lines = table_lines()
  path = write(tmp_path / "t.csv.gz", [*lines, lines[5], lines[6]])
  dataset = table.load(
    path, **NAMES, label="click", split="part", categorical=("brand",), dense=("price", "stars")
  )
  assert dataset.domains == ("s0", "s1") and len(dataset.label) == 120
  assert "2 repeated rows were dropped: s0 2" in dataset.notes
  n = dataset.vocab["user"][dataset.ids["user"]].astype(int)
  np.testing.assert_array_equal(n, np.arange(120))
  np.testing.assert_array_equal(dataset.label, n // 3 % 2)
  np.testing.assert_array_equal(dataset.split, n % 3)
  np.testing.assert_array_equal(dataset.dense["row"], np.stack([n / 8, 1 + n % 5], axis=1))
  brand = dataset.vocab["brand"][dataset.ids["brand"]]
  assert brand.tolist() == [f"b{k % 4}" for k in n]


def test_table_splits_labelled_rows_and_draws_for_unlabelled(tmp_path):
  path = write(tmp_path / "t.csv", table_lines(split=False))
  labelled = table.load(path, **NAMES, label="click", cache=tmp_path / "cache")
  assert np.bincount(labelled.split).tolist() == [72, 24, 24]
  rated = table.load(path, **NAMES, rating="stars", positive_from=3, negatives="rated")
  assert rated.label.tolist() == [int(n % 5 >= 2) for n in range(120)]
  drawn = table.load(path, **NAMES)
  assert drawn.label.sum() == 120 and (drawn.label == 0).sum() > 300


def test_a_ready_made_split_without_a_label_in_a_part_drops_the_domain(tmp_path):
  lines = [line.replace("test", "train") if ",s1," in line else line for line in table_lines()]
  dataset = table.load(write(tmp_path / "t.csv", lines), **NAMES, label="click", split="part")
  assert dataset.domains == ("s0",)
  assert "every split needs a positive and a negative: s1 (30 positives" in dataset.notes[0]


def test_table_reads_features_of_numpy_files(tmp_path):
  path = write(tmp_path / "t.csv", table_lines())
  user, item = tmp_path / "user.npy", tmp_path / "item.npz"
  np.save(user, np.arange(240.0).reshape(120, 2))
  np.savez(item, id=np.array([str(n) for n in reversed(range(20))]), feature=np.eye(20)[::-1])
  options = dict(**NAMES, label="click", user_features=user, item_features=item)
  dataset = table.load(path, **options)
  np.testing.assert_array_equal(dataset.frozen["user"][:, 1], dataset.vocab["user"] * 2 + 1)
  np.testing.assert_array_equal(
    dataset.frozen["item"].argmax(axis=1), dataset.vocab["item"].astype(int)
  )
  np.save(user, np.zeros((100, 2)))
  message = (
    "user.npy lacks the features of 20 ids, such as 100; its 100 rows are of the ids 0 to 99"
  )
  refuses(message, table.load, path, **options)
  np.save(user, np.zeros(100))
  refuses(
    "expected ids [n] and features [n, f], found (100,) and (100,)", table.load, path, **options
  )
  np.savez(item, ids=np.zeros(3))
  refuses("item.npz has no column 'id', only ids", features.read_features, item)
  item.write_bytes(item.read_bytes()[:40])
  refuses("item.npz cannot be read", features.read_features, item)
  refuses("no.npy is not an", features.read_features, tmp_path / "no.npy", error=FileNotFoundError)
  write(path, [line.replace("7,7,", "u7,7,") for line in table_lines()])
  np.save(user, np.zeros((120, 2)))
  refuses(
    "t.csv, line 9: the user is 'u7', expected an integer id",
    table.load,
    path,
    **NAMES,
    label="click",
    user_features=user,
  )


def test_table_refuses(tmp_path):
  path = write(tmp_path / "t.csv", table_lines())
  for options, message in (
    ({"label": "clik"}, "t.csv has no column 'clik', only uid, iid"),
    ({"categorical": ("brand",)}, "column 'brand' needs a label column"),
    ({"dense": ("price",)}, "column 'price' needs a label column"),
    ({"split": "part"}, "column 'part' needs a label column"),
    ({"rating": "stars"}, "give a rating column and positive_from both"),
    ({"positive_from": 3}, "give a rating column and positive_from both"),
    ({"timestamp": "price"}, "a timestamp column needs a rating column"),
    ({"label": "click", "rating": "stars"}, "a label column leaves rating"),
    ({"label": "click", "categorical": ("user",)}, "categorical column 'user' has the name"),
    ({"label": "stars"}, "t.csv, line 3: the label is '2', expected one of 0, 1"),
    ({"label": "click", "split": "brand"}, "line 2: the split is 'b0', expected one of train"),
    ({"label": "click", "dense": ("brand",)}, "line 2: the brand is 'b0', expected a number"),
  ):
    refuses(message, table.load, path, **NAMES, **options)
  write(path, [line.replace(",0.25,", ",,") for line in table_lines()])
  refuses("line 4: the price is empty", table.load, path, **NAMES, label="click", dense=("price",))
  write(path, [line.replace("s1,", ",") for line in table_lines()])
  refuses("line 62: the domain is empty, expected an id", table.load, path, **NAMES, label="click")
  refuses("no.csv is not a file", table.load, tmp_path / "no.csv", error=FileNotFoundError)


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
  path = tmp_path / "t.parquet"
  path.touch()
  for name in ("pyarrow", "fastparquet"):
    monkeypatch.setitem(sys.modules, name, None)
  refuses("needs pyarrow: pip install pyarrow", table.load, path, **NAMES, error=ImportError)


def test_parquet_is_read_like_a_csv(tmp_path, monkeypatch):
  lines = [line.split(",") for line in table_lines()]
  whole = pd.DataFrame(lines[1:], columns=lines[0]).astype({"uid": int, "click": float})
  monkeypatch.setattr(pd, "read_parquet", lambda path: whole)
  write(tmp_path / "t.csv", table_lines())
  (tmp_path / "t.parquet").touch()
  left, right = (
    table.load(tmp_path / name, **NAMES, label="click", split="part")
    for name in ("t.csv", "t.parquet")
  )
  for field in ("user", "item"):
    np.testing.assert_array_equal(left.vocab[field], right.vocab[field])
    np.testing.assert_array_equal(left.ids[field], right.ids[field])
  np.testing.assert_array_equal(left.label, right.label)
  whole.loc[3, "shop"] = None
  refuses("t.parquet, row 4: the domain is empty", table.load, tmp_path / "t.parquet", **NAMES)
