"""Runs of a sweep that processes have dealt out among them are the runs of one go."""

import pytest
from handmade import timeless
from tiny_experiment import assert_same_states, lines, tiny

from mamdr_jax import experiment, files, shares
from mamdr_jax.workdir import epochs


@pytest.fixture
def config(compiled_once):
  return tiny("alternate", **{"sweep.seed": (0, 1, 2), "lanes": 1})


def sorted_lines(workdir):
  return sorted(timeless(lines(workdir)), key=lambda line: (line["run"], line["epoch"]))


def test_the_share_that_ends_last_puts_all_together(config, tmp_path, capsys):
  whole = experiment.run(config, tmp_path / "whole")
  part = shares.run(config, tmp_path / "run", (1, 2))
  assert [run["seed"] for run in part["runs"]] == [1]
  assert "1 of 2 shares have ended; the last puts them together" in capsys.readouterr().err
  assert not (tmp_path / "run" / files.RESULT).exists()
  result = shares.run(config, tmp_path / "run", (0, 2), profile=1)
  assert timeless(result) == timeless(whole)
  assert list((tmp_path / "run/logs/0-2/profile").rglob("*.json.gz"))
  assert sorted_lines(tmp_path / "run") == sorted_lines(tmp_path / "whole")
  assert_same_states(tmp_path / "run", tmp_path / "whole")
  assert not any((tmp_path / "run" / "shares").iterdir())
  capsys.readouterr()
  assert shares.run(config, tmp_path / "run", (1, 2)) == result
  assert "finished; nothing was run" in capsys.readouterr().err
  state = experiment.load(tmp_path / "run", run=2)[1]
  assert state is not None


def test_putting_together_that_was_cut_off_is_done_again(config, tmp_path, monkeypatch):
  for first in (0, 1):
    shares.run(config, tmp_path / "run", (first, 3))
  write, written = files.write_text, []

  def writing(path, text):
    if path.name == "0001.json":
      raise InterruptedError
    write(path, text)
    written.append(path)

  with monkeypatch.context() as patch, pytest.raises(InterruptedError):
    patch.setattr(files, "write_text", writing)
    shares.run(config, tmp_path / "run", (2, 3))
  assert tmp_path / "run/runs/0000.json" in written
  result = shares.run(config, tmp_path / "run", (2, 3))
  assert [run["seed"] for run in result["runs"]] == [0, 1, 2]
  assert len(lines(tmp_path / "run")) == 3 * config.epochs


def test_shares_of_very_many_domains_have_their_arrays(config, tmp_path, monkeypatch):
  for name in ("mamdr_jax.results", "mamdr_jax.workdir.epochs", "mamdr_jax.experiment"):
    monkeypatch.setattr(f"{name}.many", lambda num: num > 2)
  for first in (0, 1):
    result = shares.run(config, tmp_path / "run", (first, 2))
  for number, run in enumerate(result["runs"]):
    auc = epochs.read(tmp_path / "run", number, 3)
    assert auc.shape == (3, 3)
    best = auc[int(run["best_epoch"]) - 1].tolist()
    assert best == pytest.approx(list(run["valid"]["auc"].values()), abs=1e-6)


def test_shares_that_cannot_be_are_refused(config, tmp_path):
  with pytest.raises(ValueError, match="share 3/4 is empty: there are 3 runs"):
    shares.run(config, tmp_path / "run", (3, 4))
  config.epochs = 1
  begun = tmp_path / "begun"
  begun.mkdir()
  files.write_json(begun / files.CONFIG, {})
  with pytest.raises(ValueError, match="begun without --share"):
    shares.run(config, begun, (0, 2))
