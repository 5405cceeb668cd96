"""Tables of one's own: what is read of them, and what is refused."""

import gzip

import numpy as np
import pandas as pd
import pytest

from mamdr_jax import data
from mamdr_jax.data import features, remarks, table


def write(path, lines):
  text = "".join(line + "\n" for line in lines).encode()
  path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
  return path


def refuses(message, call, *args, error=ValueError, **options):
  with pytest.raises(error) as caught:
    call(*args, **options)
  told = str(caught.value)
  assert message in told and "\n" not in told and len(told) < 400


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
    path,
    **NAMES,
    label="click",
    split="part",
    categorical=("brand",),
    dense=("price", "stars"),
    standardize=False,
  )
  assert dataset.domains == ("s0", "s1") and len(dataset.label) == 122
  assert dataset.notes[0].startswith("2 rows say what another row says, and were kept;")
  n = dataset.vocab["user"][dataset.ids["user"]].astype(int)
  np.testing.assert_array_equal(n, [*range(120), 4, 5])
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


def test_a_ready_made_split_without_rows_of_a_domain_in_a_part_keeps_it_if_it_can_train(tmp_path):
  lines = [line.replace("test", "train") if ",s1," in line else line for line in table_lines()]
  dataset = table.load(write(tmp_path / "t.csv", lines), **NAMES, label="click", split="part")
  assert dataset.domains == ("s0", "s1") and dataset.notes == ()
  (said,) = remarks(dataset, 8)
  assert said.startswith("1 of 2 domains have no AUC in the test split")
  assert said.endswith("lacks positives or negatives of theirs: s1")
  lines = [line.replace("train", "test") if ",s1," in line else line for line in table_lines()]
  dataset = table.load(write(tmp_path / "t.csv", lines), **NAMES, label="click", split="part")
  assert dataset.domains == ("s0",)
  assert "because a domain needs a row to train on: s1 (30 positives" in dataset.notes[0]


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
  refuses("item.npz is damaged or no .npz file", features.read_features, item)
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
  refuses("no.csv is not there", table.load, tmp_path / "no.csv", error=FileNotFoundError)


def test_parquet_is_read_like_a_csv(tmp_path):
  lines = [line.split(",") for line in table_lines()]
  whole = pd.DataFrame(lines[1:], columns=lines[0])
  whole = whole.astype({"uid": int, "click": int, "price": float, "stars": "category"})
  whole = whole.assign(list=[[1]] * 120, click=whole["click"] == 1)
  write(tmp_path / "t.csv", [line.replace(",s", ", s") for line in table_lines()])
  whole.to_parquet(tmp_path / "t.parquet")
  left, right = (
    table.load(tmp_path / name, **NAMES, label="click", split="part", dense=("price", "stars"))
    for name in ("t.csv", "t.parquet")
  )
  for field in ("user", "item"):
    np.testing.assert_array_equal(left.vocab[field], right.vocab[field])
    np.testing.assert_array_equal(left.ids[field], right.ids[field])
  np.testing.assert_array_equal(left.label, right.label)
  np.testing.assert_array_equal(left.dense["row"], right.dense["row"])
  path = tmp_path / "t.parquet"
  refuses("column 'list' is of list<", table.load, path, **NAMES | {"item": "list"})
  whole.loc[3, "shop"] = None
  whole.to_parquet(path)
  refuses("t.parquet, row 4: the domain is empty", table.load, path, **NAMES)
  path.write_bytes(path.read_bytes()[:-30])
  refuses("t.parquet cannot be parsed: ", table.load, path, **NAMES)


def test_repeated_rows_are_dropped_if_asked(tmp_path):
  lines = table_lines()
  path = write(tmp_path / "t.csv", [*lines, lines[5], lines[6], lines[70]])
  dataset = table.load(path, **NAMES, label="click", split="part", repeated="drop")
  assert len(dataset.label) == 120
  assert dataset.notes == ("3 repeated rows were dropped: s0 2, s1 1",)
  refuses("unknown repeated 'no'; choose one of keep, drop", table.load, path, repeated="no")


def test_impressions_that_repeat_keep_their_rate_of_clicks(tmp_path):
  rng = np.random.default_rng(0)
  drawn = np.stack([rng.integers(50, size=5000), rng.integers(10, size=5000)], axis=1)
  click = rng.random(5000) < 0.05
  rows = [f"{u},{i},a,{int(c)}" for (u, i), c in zip(drawn, click, strict=True)]
  path = write(tmp_path / "log.csv", ["user,item,domain,label", *rows])
  dataset = table.load(path, label="label")
  assert dataset.label.mean() == click.mean()
  again = 5000 - len(np.unique(np.c_[drawn, click], axis=0))
  assert f"{again:,} rows say what another row says" in dataset.notes[0]


def test_numbers_are_in_units_of_the_training_rows(tmp_path):
  path = write(tmp_path / "t.csv", table_lines())
  options = dict(**NAMES, label="click", split="part", dense=("price", "stars"))
  raw = table.load(path, **options, standardize=False)
  dataset = table.load(path, **options)
  train = raw.split == 0
  number = raw.dense["row"].astype(float)
  mean, deviation = number[train].mean(axis=0), number[train].std(axis=0)
  np.testing.assert_allclose(dataset.moments["row"], [mean, deviation], rtol=1e-12)
  np.testing.assert_allclose(dataset.dense["row"], (number - mean) / deviation, rtol=1e-6)
  assert dataset.dense["row"].dtype == np.float32 and raw.moments == {}
  # A time in milliseconds keeps its digits, a constant is 0.
  when = [1_600_000_000_000 + n for n in range(120)]
  lines = [f"{line},{t},7" for line, t in zip(table_lines()[1:], when, strict=True)]
  write(path, [table_lines()[0] + ",when,seven", *lines])
  row = table.load(path, **options | {"dense": ("when", "seven")}).dense["row"]
  np.testing.assert_allclose(np.diff(row[:, 0]), 1 / np.std(when[::3]), rtol=1e-4)
  assert (row[:, 1] == 0).all()


def test_numbers_keep_the_units_of_the_state_they_are_loaded_for(tmp_path):
  path = write(tmp_path / "t.csv", table_lines())
  options = dict(**NAMES, label="click", split="part", dense=("price",))
  trained = table.load(path, **options)
  lines = table_lines()
  write(path, [lines[0], *lines[:60:-1], *lines[1:61], lines[1].replace("0,0,", "0,16,", 1)])
  later = table.load(path, **options)
  assert not np.array_equal(later.moments["row"], trained.moments["row"])
  again = data.renumber(later, trained.vocab, trained.domains, trained.moments)
  where = trained.vocab["user"][trained.ids["user"]].astype(int)
  there = again.vocab["user"][again.ids["user"]].astype(int)
  np.testing.assert_allclose(
    again.dense["row"][:-1], trained.dense["row"][np.argsort(where)][there[:-1]], atol=1e-6
  )
  for field in ("vocab", "domains"):
    np.testing.assert_equal(getattr(again, field), getattr(trained, field))
