"""Experiments that are interrupted and go on: the outcome is that of one go."""

import pytest
from handmade import timeless
from tiny_experiment import assert_same_states, lines, tiny

from mamdr_jax import experiment, files
from mamdr_jax.workdir import metrics, runs


class Interrupted(Exception):
  pass


def finished(workdir, num_runs):
  """The runs that count as finished in a workdir."""
  return list(runs.finished(workdir, num_runs, metrics.whole_lines(workdir)))


def interrupt(monkeypatch, after):
  """Fails when `after` epochs have been written."""
  append, seen = files.append_line, []

  def appending(path, value):
    append(path, value)
    seen.append(1)
    if len(seen) == after:
      raise Interrupted

  monkeypatch.setattr(files, "append_line", appending)


@pytest.mark.parametrize(
  ("method", "changes", "after", "trained"),
  [
    # Within the first run; then at the end of the first.
    pytest.param("mamdr", {"lanes": 1}, (2, 3), 6 + 2, marks=pytest.mark.slow),
    ("alternate", {"lanes": 2}, (2,), 3 + 1),
    ("alternate+finetune", {"lanes": 1}, (5,), 12 + 1),  # while the first run is tuned
    ("mamdr", {"stream": 4, "rest": "disk", "rest_dtype": "bfloat16"}, (2,), 6 + 1),
  ],
)
def test_what_was_interrupted_goes_on_to_the_same_end(
  method, changes, after, trained, tmp_path, monkeypatch
):
  config = tiny(method, **{"sweep.seed": (0, 1), "checkpoint_seconds": 0.0}, **changes)
  config.patience = 3
  whole = experiment.run(config, tmp_path / "whole")
  append, written = files.append_line, []
  for number in after:
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
      interrupt(patch, number)
      experiment.run(config, tmp_path / "run")
    written += lines(tmp_path / "run")[-number:]
  monkeypatch.setattr(files, "append_line", lambda *x: (append(*x), written.append(x)))
  assert timeless(experiment.run(config, tmp_path / "run")) == timeless(whole)
  assert timeless(lines(tmp_path / "run")) == timeless(lines(tmp_path / "whole"))
  assert len(written) <= trained
  left = {path.name for path in (tmp_path / "run").iterdir()}
  assert left == {path.name for path in (tmp_path / "whole").iterdir()}
  assert_same_states(tmp_path / "run", tmp_path / "whole")


def test_a_group_that_had_ended_in_part_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
  config = tiny("alternate", **{"sweep.seed": (0, 1, 2), "lanes": 3, "checkpoint_seconds": 0.0})
  whole = experiment.run(config, tmp_path / "whole")
  finish = runs.finish
  append, written, kept = files.append_line, [], []

  def finishing(workdir, run, *results):
    if run == 1:
      raise Interrupted
    finish(workdir, run, *results)

  with monkeypatch.context() as patch, pytest.raises(Interrupted):
    patch.setattr(runs, "finish", finishing)
    experiment.run(config, tmp_path / "run")
  assert finished(tmp_path / "run", 3) == [0]
  monkeypatch.setattr(runs, "finish", lambda *x: (finish(*x), kept.append(x[1])))
  monkeypatch.setattr(files, "append_line", lambda *x: (append(*x), written.append(x)))
  assert timeless(experiment.run(config, tmp_path / "run")) == timeless(whole)
  assert timeless(lines(tmp_path / "run")) == timeless(lines(tmp_path / "whole"))
  assert (kept, written) == ([1, 2], [])


def test_runs_that_ended_are_not_trained_again(tmp_path, monkeypatch):
  config = tiny("alternate", **{"sweep.seed": (0, 1, 2), "epochs": 2})
  with monkeypatch.context() as patch, pytest.raises(Interrupted):
    interrupt(patch, 5)
    experiment.run(config, tmp_path)
  assert finished(tmp_path, 3) == [0, 1]
  trained = []
  append = files.append_line
  monkeypatch.setattr(
    files, "append_line", lambda path, value: (append(path, value), trained.extend(value["run"]))
  )
  result = experiment.run(config, tmp_path)
  assert trained == [2, 2]
  assert [run["seed"] for run in result["runs"]] == [0, 1, 2]
