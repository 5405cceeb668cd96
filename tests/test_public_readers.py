"""Public data sets, in files made here in their forms, against readers that go line by line."""

import csv
import gzip

import numpy as np
import pytest
from test_table import refuses, write

from mamdr_jax.data import aliccp, aliexpress, douban, kuairand, movielens


def rows_of(dataset, *fields):
  """The rows of a data set as text: domain, label and ids."""
  ids = [dataset.vocab[f][dataset.ids[f]].astype(str) for f in ("user", "item", *fields)]
  domain = np.array(dataset.domains)[dataset.domain]
  return list(zip(domain.tolist(), dataset.label.tolist(), *(x.tolist() for x in ids), strict=True))


# MovieLens


AGES = ("1", "18", "25", "35", "45", "50", "56")


@pytest.fixture
def movies(tmp_path):
  rng = np.random.default_rng(0)
  users = [f"{u}::{'FM'[u % 2]}::{AGES[u % 7]}::{u % 3}::0{u}-1" for u in range(1, 43)]
  ratings = [
    f"{u}::{m}::{rng.integers(1, 6)}::{rng.integers(10**6)}"
    for u in range(1, 43)
    for m in rng.permutation(50)[:15]
  ]
  write(tmp_path / "users.dat", users)
  write(tmp_path / "ratings.dat", ratings)
  return (
    tmp_path,
    [r.split("::") for r in ratings],
    {u.split("::")[0]: u.split("::") for u in users},
  )


@pytest.mark.parametrize("by", ["age", "occupation", "gender"])
def test_movielens(movies, by):
  root, ratings, users = movies
  column = {"gender": 1, "age": 2, "occupation": 3}[by]
  merged = {"1": "18-", "18": "18-", "25": "25"}
  expected = []
  for user, movie, rating, _ in ratings:
    of = users[user][column]
    of = merged.get(of, "35+") if by == "age" else of
    expected.append((of, int(int(rating) >= 4), user, movie))
  dataset = movielens.load(root, by)
  assert sorted(rows_of(dataset)) == sorted(expected)
  if by == "age":
    assert set(movielens.load(root, merge_ages=False).domains) == set(AGES)


def test_movielens_by_time_and_what_is_refused(movies):
  root, ratings, _ = movies
  dataset = movielens.load(root, split_by="time")
  times = {(u, m): int(t) for u, m, _, t in ratings}
  at = np.array([times[user, movie] for _, _, user, movie in rows_of(dataset)])
  latest = [at[dataset.split == s] for s in range(3)]
  assert latest[0].max() < latest[1].min() and latest[1].max() < latest[2].min()
  refuses("unknown by='zip'", movielens.load, root, "zip")
  write(root / "ratings.dat", ["1::2::5"])
  refuses("ratings.dat, line 1: expected 7 cells, found 5", movielens.load, root)
  write(root / "ratings.dat", ["1::2::5::8", "99::2::5::8"])
  refuses("users.dat lacks user 99, who is in ratings.dat", movielens.load, root)


# Douban


def test_douban(tmp_path):
  rng = np.random.default_rng(1)
  expected = []
  for name in ("book", "music"):
    lines = [f"user_id\t{name}_id\trating\tlabels\ttime"]
    for u in range(20):
      for i in rng.permutation(40)[:12]:
        rating = rng.integers(1, 6)
        lines.append(f'{u}\t{i}\t{rating}\tof "{u}\t2010-0{1 + i % 9}-01')
        expected.append((name, int(rating >= 4), str(u), f"{name}/{i}"))
    write(tmp_path / f"{name}reviews_cleaned.txt", [line.replace('"', "") for line in lines])
  dataset = douban.load(tmp_path, ("book", "music"))
  assert sorted(rows_of(dataset)) == sorted(expected)
  dated = douban.load(tmp_path, ("book", "music"), split_by="time", split_at=("2010-04", "2010-07"))
  month = [int(item.split("/")[1]) % 9 + 1 for *_, item in rows_of(dated)]
  np.testing.assert_array_equal(dated.split, np.digitize(month, [4, 7]))
  refuses("has no moviereviews_cleaned.txt", douban.load, tmp_path, error=FileNotFoundError)
  write(tmp_path / "bookreviews_cleaned.txt", ["user\tbook_id\trating", "1\t2\t3"])
  refuses("no column 'user_id'", douban.load, tmp_path, ("book",))


# KuaiRand


LOG = (
  "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,"
  "long_view,play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,"
  "is_rand,tab"
)


@pytest.fixture
def videos(tmp_path):
  rng = np.random.default_rng(2)
  for name in ("4_08_to_4_21", "4_22_to_5_08"):
    lines = [LOG]
    for _ in range(300):
      cells = dict.fromkeys(LOG.split(","), "0")
      cells |= {"user_id": rng.integers(20), "video_id": rng.integers(50), "tab": rng.integers(4)}
      cells |= {"time_ms": rng.integers(10**6), "is_click": rng.integers(2)}
      lines.append(",".join(map(str, cells.values())))
    write(tmp_path / f"log_standard_{name}_1k.csv", lines)
  users = ["user_id,user_active_degree", *(f"{u},{['high', 'low'][u % 2]}" for u in range(18))]
  write(tmp_path / "user_features_1k.csv", users)
  write(
    tmp_path / "video_features_basic_1k.csv.gz",
    ["video_id,author_id,tag", *(f"{v},{v % 5},{v % 3}" for v in range(50))],
  )
  return tmp_path


def impressions(root, *names):
  for name in names:
    with (root / f"log_standard_{name}_1k.csv").open() as file:
      yield from csv.DictReader(file)


def test_kuairand(videos):
  dataset = kuairand.load(
    videos, tabs=(0, 2), user_columns=("user_active_degree",), video_columns=("tag",)
  )
  expected = [
    (row["tab"], int(row["is_click"]), row["user_id"], row["video_id"],
     ("high", "low")[int(row["user_id"]) % 2] if int(row["user_id"]) < 18 else "unknown",
     str(int(row["video_id"]) % 3))
    for row in impressions(videos, "4_08_to_4_21", "4_22_to_5_08")
    if row["tab"] in "02"
  ]  # fmt: skip
  assert rows_of(dataset, "user_active_degree", "tag") == expected
  assert len(kuairand.load(videos, logs=("second",)).label) == 300


def test_kuairand_by_time_and_what_is_refused(videos):
  dataset = kuairand.load(videos, split_by="time", split_at=(400_000, 700_000))
  time = [int(row["time_ms"]) for row in impressions(videos, "4_08_to_4_21", "4_22_to_5_08")]
  np.testing.assert_array_equal(dataset.split, np.digitize(time, [400_000, 700_000]))
  for message, options in (
    ("unknown version '2k'", {"version": "2k"}),
    ("unknown log 'third'", {"logs": ("third",)}),
    ("label 'tab' says nothing that a user did", {"label": "tab"}),
    ("has no rows of tab 9", {"tabs": (9,)}),
    ("no column 'mood'", {"user_columns": ("mood",)}),
  ):
    refuses(message, kuairand.load, videos, **options)
  write(videos / "user_features_1k.csv", ["user_id,user_active_degree", "1,high", "1,low"])
  refuses("has user_id 1 twice", kuairand.load, videos, user_columns=("user_active_degree",))


# AliExpress


def test_aliexpress(tmp_path):
  rng = np.random.default_rng(3)
  expected = {}
  header = "search_id,categorical_1,categorical_2,numerical_1,numerical_2,click,conversion"
  for country in ("NL", "US"):
    (tmp_path / f"AliExpress_{country}").mkdir()
    for part in ("train", "test"):
      ids = rng.integers([30, 9, 3], size=(80, 3))
      lines = [
        f"{a},{b},{c},{n / 4},{n % 5},{n % 2},{n % 4 == 3:d}" for n, (a, b, c) in enumerate(ids)
      ]
      write(tmp_path / f"AliExpress_{country}" / f"{part}.csv", [header, *lines])
      expected[country, part] = [line.split(",") for line in lines]
  load = lambda **options: aliexpress.load(tmp_path, ("NL", "US"), **options)
  dataset = load()
  told = [(c, int(r[5]), r[0], r[1], r[2]) for (c, _), rows in expected.items() for r in rows]
  assert rows_of(dataset, "categorical_2") == told
  tested = np.repeat([False, True, False, True], 80)
  assert (tested == (dataset.split == 2)).all() and 10 < (dataset.split == 1).sum() < 70
  number = np.array([[float(x) for x in r[3:5]] for rows in expected.values() for r in rows])
  mean, deviation = dataset.moments["row"]
  np.testing.assert_allclose(dataset.dense["row"] * deviation + mean, number, atol=1e-5)
  np.testing.assert_allclose(mean, number[dataset.split == 0].mean(0))
  bought = load(label="conversion", scale="quantile", split="random")
  assert bought.label.sum() == 80 and set(bought.vocab) >= {"numerical_1", "numerical_2"}
  refuses("unknown label 'cart'", load, label="cart")
  refuses("unknown split 'time'", load, split="time")
  refuses("no column 'brand'", load, item="brand")


# Ali-CCP


def features(**fields):
  return "\x01".join(f"{k.strip('f')}\x02{v}\x031.0" for k, v in fields.items())


@pytest.fixture
def alibaba(tmp_path):
  rng, expected = np.random.default_rng(4), []
  for part in ("train", "test"):
    common = [
      f"{part}{k},3,{features(f101=k % 9, f121=k % 4)}\x01109_14\x02{k}\x030.5" for k in range(25)
    ]
    lines = []
    for n in range(200):
      key, click, buy = int(rng.integers(25)), n % 2, int(n % 7 == 3)
      item, where = int(rng.integers(30)), 1 + int(rng.integers(3))
      of = features(f205=item, f206=item % 5, f301=where)
      if n % 10 == 0:
        of += f"\x01206\x02{99}\x031.0"  # twice, so that it has none
      lines.append(f"{n},{click},{buy},{part}{key},4,{of}")
      if click or not buy:
        brand = "none" if n % 10 == 0 else str(item % 5)
        expected.append((str(where), click, str(key % 9), str(item), str(key % 4), brand))
    write(tmp_path / f"sample_skeleton_{part}.csv", lines)
    text = "".join(line + "\n" for line in common).encode()
    (tmp_path / f"common_features_{part}.csv.gz").write_bytes(gzip.compress(text))
  return tmp_path, expected


@pytest.mark.parametrize("block", [64, 1000, 2**24])
def test_aliccp(alibaba, block, monkeypatch):
  root, expected = alibaba
  monkeypatch.setattr(aliccp, "BLOCK", block)
  dataset = aliccp.load(root, fields=("121", 206), rare=0)
  assert rows_of(dataset, "121", "206") == expected
  dropped = 400 - len(expected)
  assert dataset.notes[0] == f"{dropped} impressions were dropped that are bought and not clicked"
  last = np.searchsorted(np.cumsum(np.ones(len(expected))), len(expected) / 2)
  assert (dataset.split[last + 10 :] == 2).all() and (dataset.split[: last - 10] < 2).all()
  assert aliccp.load(root, fields=(), label="buy", rare=0).label.sum() > 10


def test_aliccp_that_is_broken_is_refused(alibaba):
  root, _ = alibaba
  lines = (root / "sample_skeleton_train.csv").read_text().splitlines()
  for line, message in (
    ("1,0,0,train1", "sample_skeleton_train.csv, line 3: expected 6 cells, found 4"),
    ("1,2,0,train1,1,301\x021\x031", "the click is '2', expected 0 or 1"),
    ("1,0,0,nobody,1,301\x021\x031", "lacks the key 'nobody', which sample_skeleton_train.csv has"),
    ("1,0,0,train1,1,301\x021", r"line 3: the feature '301\x021', expected a field"),
    ("1,0,0,train1,1,301\x021\x031", "impression 3 has no field 205"),
  ):
    write(root / "sample_skeleton_train.csv", [*lines[:2], line, *lines[2:]])
    refuses(message, aliccp.load, root, fields=())
