"""Data sets on disk: drawn once, mapped afterwards, whole or not there."""

import errno
import os

import numpy as np
import pytest
from handmade import assert_same

from mamdr_jax import data, files
from mamdr_jax.data import cache, mapped, synthetic

SIZES = {"few": {"sizes": (120, 90)}, "many": {"num_domains": 101, "rows": 4000}}


def load(folder, size="few", **changes):
  return synthetic.load(**SIZES[size], feature_size=3, cache=folder, **changes)


@pytest.mark.parametrize("size", SIZES)
def test_rows_on_disk_are_those_in_memory_and_are_drawn_once(size, tmp_path, monkeypatch):
  drawn = load(tmp_path / "cache", size)
  assert_same(drawn, load(None, size))
  monkeypatch.setattr(synthetic, "_fill", None)
  again = load(tmp_path / "cache", size)
  assert_same(drawn, again)
  columns = (*again.ids.values(), *again.frozen.values(), again.label, again.domain, again.truth)
  for column in columns:
    assert isinstance(column, np.memmap) and not column.flags.writeable


def test_a_data_set_on_disk_is_packed_as_any_other(tmp_path):
  on_disk, in_memory = (data.pack(load(folder), "train", 16) for folder in (tmp_path, None))
  for field in ("user", "item"):
    np.testing.assert_array_equal(on_disk.batch.ids[field], in_memory.batch.ids[field])
    np.testing.assert_array_equal(on_disk.frozen[field], in_memory.frozen[field])
  np.testing.assert_array_equal(on_disk.batch.label, in_memory.batch.label)


def test_other_arguments_and_other_code_have_a_folder_of_their_own(tmp_path, monkeypatch):
  for changes in ({}, {"seed": 1}, {"split_seed": 1}, {"noise": 0.1}, {"ctr": (0.3, 0.4)}):
    load(tmp_path, **changes)
  assert len(list(tmp_path.iterdir())) == 5
  monkeypatch.setattr(cache, "code", lambda: "another")
  load(tmp_path)
  assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.parametrize("damage", ["cut", "missing", "no array"])
def test_damaged_files_are_drawn_again(damage, tmp_path, capsys):
  load(tmp_path)
  label = next(tmp_path.glob("*/label.npy"))
  before = label.read_bytes()
  if damage == "missing":
    label.unlink()
  else:
    label.write_bytes({"cut": before[:-9], "no array": b"x" * 200}[damage])
  assert_same(load(tmp_path), load(None))
  assert "is corrupt" in capsys.readouterr().out
  assert label.read_bytes() == before


def test_a_full_disk_is_said_before_rows_are_drawn_and_leaves_nothing(tmp_path, monkeypatch):
  def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")

  monkeypatch.setattr(os, "posix_fallocate", full)
  with pytest.raises(OSError, match=rf"No space left on device: '{tmp_path}/\w+'"):
    load(tmp_path)
  assert list(tmp_path.iterdir()) == []


def test_a_draw_that_is_killed_leaves_nothing_that_counts(tmp_path, monkeypatch):
  def killed(*_):
    raise KeyboardInterrupt

  with monkeypatch.context() as patched:
    patched.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
      load(tmp_path)
  assert list(tmp_path.iterdir()) == []
  # What a process that could not clear up has left is removed by the next that writes there.
  ended = tmp_path / f"abc.{2**22 + 1}{files.PART}"
  ended.mkdir()
  (ended / "label.npy").touch()
  load(tmp_path)
  assert not ended.exists()


def test_of_two_processes_that_draw_the_same_the_first_to_end_counts(tmp_path, monkeypatch):
  def other_is_first(path, write):
    mapped_aside(path, write)
    mapped_aside(path, write)

  mapped_aside = files.write_aside
  monkeypatch.setattr(files, "write_aside", other_is_first)
  build = lambda empty: synthetic.load(**SIZES["few"])
  assert_same(mapped.mapped(build, {}, tmp_path), build(None))
  assert len(list(tmp_path.iterdir())) == 1


def test_arguments_that_cannot_be_make_no_folder(tmp_path):
  with pytest.raises(ValueError, match="must each be from 1 to 210"):
    load(tmp_path / "cache", num_users=1000)
  assert not (tmp_path / "cache").exists()
