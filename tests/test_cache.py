"""The cache: the same data set, a key that sees every change, and nothing half-read."""

import os

import numpy as np
import pytest
from handmade import assert_same

from mamdr_jax.data import cache
from mamdr_jax.data.dataset import Dataset


def tiny(value: int = 0) -> Dataset:
  return Dataset(
    ids={"user": np.array([0, 1, 0], np.int32), "brand/x": np.array([0, 0, value], np.int32)},
    dense={"row": np.ones((3, 2), np.float32)},
    label=np.array([0, 1, 1], np.int8),
    domain=np.zeros(3, np.int32),
    split=np.arange(3, dtype=np.int8),
    domains=("Büro",),
    vocab={"user": np.array(["a", "ü"]), "brand/x": np.array([7, 9])},
    frozen={"user": np.arange(6, dtype=np.float32).reshape(2, 3)},
    moments={"row": np.array([[1.0, 2.0], [3.0, 4.0]])},
    truth=None,
    notes=(),
  )


@pytest.fixture
def source(tmp_path):
  path = tmp_path / "source.csv"
  path.write_text("user,item\n")
  return path


def once(value: int = 0):
  calls = []

  def build():
    calls.append(value)
    return tiny(value)

  return build, calls


def test_what_was_built_once_is_read_afterwards(tmp_path, source):
  build, calls = once()
  first = cache.cached(build, [source], {"seed": 0}, tmp_path / "cache")
  second = cache.cached(build, [source], {"seed": 0}, tmp_path / "cache")
  assert len(calls) == 1
  assert_same(first, second)
  assert_same(tiny(), second)
  truth = tiny()._replace(truth=np.zeros(3, np.float32), notes=("one", "two"))
  cache.save(truth, tmp_path / "other.npz")
  assert_same(truth, cache.load(tmp_path / "other.npz"))


def test_without_a_folder_nothing_is_kept(source):
  build, calls = once()
  for _ in range(2):
    cache.cached(build, [source], {}, None)
  assert len(calls) == 2


def test_the_fingerprint_sees_sources_recipe_and_code(tmp_path, source, monkeypatch):
  keys = [cache.fingerprint([source], {"seed": 0, "domains": ("a", "b")})]
  assert cache.fingerprint([source], {"domains": ["a", "b"], "seed": 0}) == keys[0]
  keys.append(cache.fingerprint([source], {"seed": 1, "domains": ("a", "b")}))
  keys.append(cache.fingerprint([source], {"seed": 0, "domains": ("b", "a")}))
  keys.append(cache.fingerprint([source, source], {"seed": 0, "domains": ("a", "b")}))
  source.write_text("user,item \n")
  keys.append(cache.fingerprint([source], {"seed": 0, "domains": ("a", "b")}))
  monkeypatch.setattr(cache, "code", lambda: "another")
  keys.append(cache.fingerprint([source], {"seed": 0, "domains": ("a", "b")}))
  assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("damage", ["empty", "half", "flip", "not a data set"])
def test_a_corrupt_file_is_built_again(tmp_path, source, damage, capsys):
  folder = tmp_path / "cache"
  cache.cached(once()[0], [source], {}, folder)
  (path,) = folder.iterdir()
  whole = path.read_bytes()
  if damage == "not a data set":
    with path.open("wb") as file:
      np.savez(file, label=np.zeros(3))
  else:
    at = whole.index(np.arange(6, dtype=np.float32).tobytes())
    flipped = whole[:at] + b"\xff" + whole[at + 1 :]
    path.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "flip": flipped}[damage])
  build, calls = once()
  assert_same(cache.cached(build, [source], {}, folder), tiny())
  assert calls and "is corrupt" in capsys.readouterr().out
  assert path.read_bytes() == whole


def test_a_write_that_fails_leaves_no_file(tmp_path, source, monkeypatch):
  def killed(*_):
    raise KeyboardInterrupt

  monkeypatch.setattr(os, "replace", killed)
  with pytest.raises(KeyboardInterrupt):
    cache.cached(once()[0], [source], {}, tmp_path / "cache")
  assert list((tmp_path / "cache").iterdir()) == []
