"""Kills between any two files, files that are damaged, and a disk that is full."""

import os

import numpy as np
import pytest
from handmade import timeless
from tiny_experiment import assert_same_states, lines, tiny

from mamdr_jax import experiment, files
from mamdr_jax.workdir.metrics import of_runs

pytestmark = pytest.mark.usefixtures("compiled_once")


class Killed(BaseException):
  pass


@pytest.fixture(scope="module")
def one_go(tmp_path_factory):
  """A config, a folder where its experiment ran in one go, and the result."""
  config = tiny("alternate", **{"sweep.seed": (0, 1), "epochs": 2, "checkpoint_seconds": 0.0})
  folder = tmp_path_factory.mktemp("damage") / "whole"
  return config, folder, experiment.run(config, folder)


@pytest.mark.parametrize("lanes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_kill_at_any_file_operation_costs_nothing(lanes, tmp_path, monkeypatch):
  """Whenever it ends between two files, the next call comes to the end of one go."""
  config = tiny("alternate", **{"sweep.seed": (0, 1), "lanes": lanes, "epochs": 2})
  config.checkpoint_seconds = 0.0 if lanes == 1 else 60.0
  whole = experiment.run(config, tmp_path / "whole")
  replace, done = os.replace, [0]

  def replacing(*paths):
    if done[0] == 0:
      raise Killed
    done[0] -= 1
    replace(*paths)

  for number in range(60):
    workdir = tmp_path / f"run{number}"
    with monkeypatch.context() as patch:
      patch.setattr(os, "replace", replacing)
      done[0] = number
      try:
        experiment.run(config, workdir)
        ended = True
      except Killed:
        ended = False
    result = experiment.run(config, workdir)
    assert timeless(result) == timeless(whole)
    assert in_order(workdir) == in_order(tmp_path / "whole")
    assert_same_states(workdir, tmp_path / "whole")
    names = {path.name for path in workdir.rglob("*")}
    assert names == {path.name for path in (tmp_path / "whole").rglob("*")}
    if ended:
      break
  assert number > 9


def in_order(workdir):
  """The metrics of a workdir, one line for an epoch of a run, whatever order they came in."""
  alone = [
    of_runs(line, [r == run for r in line["run"]])
    for line in timeless(lines(workdir))
    for run in line["run"]
  ]
  return sorted(alone, key=lambda line: (line["run"], line["epoch"]))


@pytest.mark.parametrize("damage", ["empty", "half", "flip"])
@pytest.mark.parametrize("name", [files.GROUP, "runs/0000.npz", "runs/0000.json", files.METRICS])
def test_a_damaged_file_is_said_and_trained_again(
  name, damage, one_go, tmp_path, monkeypatch, capsys
):
  config, folder, whole = one_go
  append, seen = files.append_line, []

  def appending(path, value):
    if len(seen) == 3:
      raise Killed
    append(path, value)
    seen.append(value)

  with monkeypatch.context() as patch, pytest.raises(Killed):
    patch.setattr(files, "append_line", appending)
    experiment.run(config, tmp_path / "run")
  path = tmp_path / "run" / name
  content = path.read_bytes()
  at = len(content) // 3
  flipped = content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]
  path.write_bytes({"empty": b"", "half": content[: len(content) // 2], "flip": flipped}[damage])
  capsys.readouterr()
  assert timeless(experiment.run(config, tmp_path / "run")) == timeless(whole)
  said = capsys.readouterr().err
  assert "again" in said or "damaged" in said or "is left" in said
  assert in_order(tmp_path / "run") == in_order(folder)
  assert_same_states(tmp_path / "run", folder)


def test_files_aside_of_processes_that_have_ended_are_removed(tmp_path):
  (tmp_path / "best.npz.999999999.part").write_text("")
  (tmp_path / f"best.npz.{os.getppid()}.part").write_text("")
  (tmp_path / "notes.part").write_text("")
  files.clear_parts(tmp_path)
  left = {path.name for path in tmp_path.iterdir()}
  assert left == {f"best.npz.{os.getppid()}.part", "notes.part"}


def test_a_full_disk_is_named(tmp_path):
  if not os.path.exists("/dev/full"):
    pytest.skip("this system has no /dev/full")
  (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
  with pytest.raises(OSError, match=r"No space left on device: '.*metrics.jsonl'"):
    files.append_line(tmp_path / "metrics.jsonl", {"epoch": 1})


def test_a_file_that_unpacks_to_more_than_expected_is_refused(tmp_path):
  np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros(10_000_000))
  with pytest.raises(ValueError, match=r"bomb.npz is damaged.* unpacks to 80,000,\d+ bytes, where"):
    files.read_arrays(tmp_path / "bomb.npz", most_bytes=1_000_000)
