"""Splits by time, what is too rare to stay, and numbers on other scales."""

import numpy as np
from test_table import refuses, write

from mamdr_jax.data import amazon, table
from mamdr_jax.data.rules import RARE, Rules, in_core, splits_of, when
from mamdr_jax.data.scales import binned, edges_of, logarithmic

NAMES = {"user": "u", "item": "i", "domain": "d"}


def log(path, num=600, users=20, seed=0, dates=False):
  """Rows with a label and a time; returns their times as they come."""
  rng = np.random.default_rng(seed)
  time = rng.permutation(num)
  told = [str(np.datetime64("2024-01-01") + np.timedelta64(int(t), "h")) for t in time]
  ids = rng.integers([users, 30], size=(num, 2))
  rows = [
    f"u{u},i{i},d{n % 3},{n // 3 % 2},{told[n] if dates else time[n]},{n}"
    for n, (u, i) in enumerate(ids)
  ]
  write(path, ["u,i,d,y,t,x", *rows])
  return time


def test_no_row_from_the_cut_on_is_trained_on(tmp_path):
  time = log(tmp_path / "t.csv")
  read = lambda **options: table.load(
    tmp_path / "t.csv", **NAMES, label="y", timestamp="t", split_by="time", **options
  )
  np.testing.assert_array_equal(read().split, (time >= 360).astype(int) + (time >= 480))
  np.testing.assert_array_equal(
    read(split_at=(100, 101)).split, (time >= 100).astype(int) + (time >= 101)
  )
  log(tmp_path / "t.csv", dates=True)
  at = ("2024-01-05", "2024-01-07 12:00:00")
  np.testing.assert_array_equal(read(split_at=at).split, (time >= 96).astype(int) + (time >= 156))


def test_rows_of_the_same_time_are_in_one_split():
  rng = np.random.default_rng(0)
  time = rng.integers(0, 7, 500).astype(float)
  owner = rng.integers(0, 3, 500)
  by_time = splits_of(Rules("time"), time, owner, owner)
  assert all(len(set(by_time[time == t])) == 1 for t in range(7))
  assert (np.diff(by_time[np.argsort(time)]) >= 0).all() and set(by_time) == {0, 1, 2}


def test_the_last_of_each_user_in_a_domain_is_tested(tmp_path):
  time = log(tmp_path / "t.csv", users=60)
  data = table.load(tmp_path / "t.csv", **NAMES, label="y", timestamp="t", split_by="last")
  user = data.vocab["user"][data.ids["user"]]
  seen = {0: 0, 1: 0, 2: 0}
  for u in np.unique(user):
    for d in range(3):
      mine = np.flatnonzero((user == u) & (data.domain == d))
      order = mine[np.argsort(time[mine])]
      expected = [0] * len(order)
      if len(order) >= 3:
        expected[-2:] = [1, 2]
      assert data.split[order].tolist() == expected
      for split in expected:
        seen[split] += 1
  assert min(seen.values()) > 20


def test_drawn_negatives_are_when_their_users_were_there(tmp_path):
  rng = np.random.default_rng(1)
  rows = [
    (u, i, t) for u in range(40) for i, t in zip(rng.permutation(60)[:8], range(8), strict=True)
  ]
  write(
    tmp_path / "A.csv", ["user,item,timestamp", *(f"u{u},i{i},{u + 40 * t}" for u, i, t in rows)]
  )
  for by, cuts in (("time", (192.0, 256.0)), ("last", None)):
    data = amazon.load(tmp_path, ("A",), split_by=by, split_at=cuts or (0.6, 0.8))
    when_of = {(f"u{u}", f"i{i}"): u + 40 * t for u, i, t in rows}
    names = [data.vocab[f][data.ids[f]] for f in ("user", "item")]
    counts = np.zeros((2, 3))
    for u, i, y, s in zip(*names, data.label, data.split, strict=True):
      counts[y, s] += 1
      if y and cuts:
        t = when_of[u, i]
        assert s == (t >= cuts[0]) + (t >= cuts[1])
      elif y:
        assert s == max(when_of[u, i] // 40 - 5, 0)
    share = counts / counts.sum(1, keepdims=True)
    np.testing.assert_allclose(share[0], share[1], atol=0.06)
    assert counts[0].sum() > 3 * counts[1].sum()


def test_splits_by_a_time_that_is_not_there_are_refused(tmp_path):
  log(tmp_path / "t.csv")
  read = lambda **options: table.load(tmp_path / "t.csv", **NAMES, **options)
  refuses("split_by='time' needs a timestamp column", read, label="y", split_by="time")
  refuses("split column leaves split_by='last'", read, label="y", split="y", timestamp="t",
          split_by="last")  # fmt: skip
  refuses("leaves timestamp without use unless", read, label="y", timestamp="t")
  refuses("needs a rating column, to say which", read, timestamp="t")
  refuses("choose one of random, time, last", read, label="y", split_by="date")
  for at in ((0.8, 0.6), (0.5,), ("noon", "night"), (5, 5)):
    refuses("expected two times, or two shares", read, label="y", timestamp="t", split_by="time",
            split_at=at)  # fmt: skip
  write(tmp_path / "t.csv", ["u,i,d,y,t", "a,b,c,1,2024-01-01", "a,b,c,0,soon"])
  refuses("t.csv, line 3: the timestamp is 'soon', expected a time", read, label="y",
          timestamp="t", split_by="time")  # fmt: skip
  write(tmp_path / "B.csv", ["user,item", "a,b"])
  refuses("'B' has rows without a time", amazon.load, tmp_path, ("B",), split_by="time")


def test_times_are_numbers_and_dates():
  assert when(3) == when("3") == 3
  assert when("1970-01-02") == 86400 and when("1970-01-01T00:00:01+01:00") == -3599
  assert when("soon") is None


def test_a_core_is_what_stays():
  user = np.array([0, 0, 0, 1, 1, 2, 2, 2, 3])
  item = np.array([0, 1, 2, 0, 1, 0, 1, 3, 2])
  stays = in_core(2, user, item)
  np.testing.assert_array_equal(stays, [1, 1, 0, 1, 1, 1, 1, 0, 0])
  for column in (user, item):
    assert np.unique(column[stays], return_counts=True)[1].min() >= 2
  assert in_core(1, user, item).all() and not in_core(4, user, item).any()


def test_core_and_rare_ids_of_a_table(tmp_path):
  log(tmp_path / "t.csv", num=900, users=200)
  read = lambda **options: table.load(tmp_path / "t.csv", **NAMES, label="y", **options)
  cored = read(core=5)
  for field in ("user", "item"):
    assert np.bincount(cored.ids[field]).min() >= 5
  told = "rows were dropped whose user or item has fewer than 5"
  assert any(told in note for note in cored.notes)
  refuses("core=500: no row is left", read, core=500)
  plain, rare = read(), read(rare=3)
  train = plain.split == 0
  count = np.bincount(plain.ids["user"][train], minlength=len(plain.vocab["user"]))
  few = count[plain.ids["user"]] < 3
  names = rare.vocab["user"][rare.ids["user"]]
  np.testing.assert_array_equal(names == RARE, few)
  np.testing.assert_array_equal(names[~few], plain.vocab["user"][plain.ids["user"]][~few])
  assert any(f"{np.sum(count < 3)} of {len(count)} ids of user are rare" in n for n in rare.notes)


def test_numbers_on_other_scales(tmp_path):
  log(tmp_path / "t.csv")
  read = lambda **options: table.load(
    tmp_path / "t.csv", **NAMES, label="y", dense=("x",), **options
  )
  x, plain = np.arange(600.0), read(standardize=False)
  np.testing.assert_array_equal(plain.dense["row"][:, 0], x)
  logged = read(scale="log", standardize=False)
  np.testing.assert_allclose(logged.dense["row"][:, 0], np.log1p(x), rtol=1e-6)
  bins = read(scale="quantile")
  assert not bins.dense and len(bins.vocab["x"]) == 20
  train = np.bincount(bins.ids["x"][bins.split == 0])
  assert train.min() >= 17 and train.max() <= 19
  assert (np.diff(bins.ids["x"]) >= 0).all()
  refuses("unknown scale 'sqrt'; choose one of linear, log, quantile", read, scale="sqrt")


def test_bins():
  number = np.array([0.0, 0, 0, 0, 1, 2, 3, 100])
  edges = edges_of(number)
  assert edges[0] == 0 and (np.diff(edges) > 0).all() and len(edges) <= 20
  assert binned(np.array([-5.0, 0, 1e9]), edges).tolist() == [0, 0, len(edges) - 1]
  np.testing.assert_allclose(logarithmic(np.array([-1.0, 0, 1])), [-np.log(2), 0, np.log(2)])


def test_a_folder_is_a_domain_a_file(tmp_path):
  folder = tmp_path / "shops"
  folder.mkdir()
  every = {}
  for name in ("north.csv", "south.csv.gz"):
    rows = [f"u{n},i{n % 7},{n // 2 % 2},{n}" for n in range(30 if "n" in name[0] else 40)]
    write(folder / name, ["u,i,y,x", *rows])
    every[name.split(".")[0]] = rows
  (folder / "notes.txt").write_text("not a table")
  data = table.load(folder, user="u", item="i", label="y", dense=("x",), standardize=False)
  assert data.domains == ("north", "south")
  told = [
    f"{u},{i},{y},{int(x)}"
    for u, i, y, x in zip(
      data.vocab["user"][data.ids["user"]],
      data.vocab["item"][data.ids["item"]],
      data.label,
      data.dense["row"][:, 0],
      strict=True,
    )
  ]
  assert told == every["north"] + every["south"]
  assert (data.domain == np.repeat([0, 1], [30, 40])).all()
  drawn = table.load(folder, user="u", item="i")
  assert drawn.domains == ("north", "south") and drawn.label.mean() < 0.5
  write(folder / "south.csv", ["u,i,y,x", "a,b,1,many"])
  refuses("has south.csv and south.csv.gz", table.load, folder, user="u", item="i")
  (folder / "south.csv.gz").unlink()
  refuses("south.csv, line 2: the x is 'many'", table.load, folder, user="u", item="i", label="y",
          dense=("x",))  # fmt: skip
  refuses("is not there; expected", table.load, tmp_path / "none", error=FileNotFoundError)
  (tmp_path / "empty").mkdir()
  refuses("has no .csv, .csv.gz, .parquet", table.load, tmp_path / "empty",
          error=FileNotFoundError)  # fmt: skip


def test_a_time_may_be_empty_where_it_says_which_rating_counts(tmp_path):
  rows = [f"u{n % 9},i{n % 5},d,{1 + n % 5},{n if n % 3 else ''}" for n in range(90)]
  write(tmp_path / "t.csv", ["u,i,d,r,t", *rows])
  read = lambda **more: table.load(
    tmp_path / "t.csv",
    **NAMES,
    rating="r",
    positive_from=3,
    negatives="rated",
    timestamp="t",
    **more,
  )
  assert len(read().label) == 45
  refuses("t.csv, line 2: the timestamp is 'nan', expected a time", read, split_by="time")
