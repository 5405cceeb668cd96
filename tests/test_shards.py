"""Checkpoints of workers: a full disk, one that is cut off, one that is damaged."""

import errno

import handmade
import pytest
from tiny_experiment import assert_same_states, tiny

from mamdr_jax import experiment, files
from mamdr_jax.workdir import shards


def test_the_last_whole_checkpoint_is_gone_on_from(tmp_path, monkeypatch):
  options = {"workers": 2, "stream": 4, "checkpoint_seconds": 0.0, "data.features": "ids"}
  config = tiny("domain_negotiation", **options, **{"method.round_steps": 1})
  whole, workdir = experiment.run(config, tmp_path / "whole"), tmp_path / "run"
  write = files.write_arrays

  def full(path, arrays):
    if "00002" in path.parent.name and path.name == "00001.npz":
      raise OSError(errno.ENOSPC, "No space left on device", str(path))
    write(path, arrays)

  with monkeypatch.context() as patch, pytest.raises(OSError, match=r"No space left.*00001\.npz"):
    patch.setattr(files, "write_arrays", full)
    experiment.run(config, workdir)
  cut_off = workdir / files.SHARDS / "0000-0-00002"
  assert sorted(path.name for path in cut_off.iterdir()) == ["00000.npz"]
  mark = shards.newest(workdir)
  assert (mark.run, mark.epoch, mark.path.name) == (0, 1, "0000-0-00001")
  file = mark.path / "00001.npz"
  held = file.read_bytes()
  file.write_bytes(held[: len(held) // 2])
  with pytest.raises(ValueError, match=r"0000-0-00001/00001\.npz is damaged"):
    experiment.run(config, workdir)
  file.write_bytes(held)
  again = experiment.run(config, workdir)
  assert handmade.timeless(again) == handmade.timeless(whole)
  assert_same_states(workdir, tmp_path / "whole")
  assert not (workdir / files.SHARDS).exists()
