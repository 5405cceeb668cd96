"""What is said while runs are trained, and how long the whole will take."""

import io

import numpy as np
import pytest

from mamdr_jax import progress
from mamdr_jax.progress import Progress


@pytest.fixture
def clock(monkeypatch):
  """A clock that is set."""
  now = [100.0]
  monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
  return now


def info(*runs):
  return {"run": np.array(runs), "loss": np.ones(len(runs)),
          "valid": {"mean_auc": np.full(len(runs), 0.6)}}  # fmt: skip


def said(stream):
  return stream.getvalue().splitlines()[-1]


def test_a_line_an_epoch_says_how_much_is_left(clock):
  stream = io.StringIO()
  shown = Progress(stream)
  shown.begin(10, 3)
  clock[0] += 4
  shown.epoch(1, info(0))
  assert said(stream) == (
    "run 1/3  epoch 1/10  loss 1.0000  valid AUC 0.6000  best 0.6000  4 s, at most 2 min left"
  )
  clock[0] += 4
  shown.epoch(2, info(0))
  shown.ended(1)  # after two epochs of ten
  clock[0] += 4
  shown.epoch(1, info(1))
  # Three epochs took 12 s, and 19 are left.
  assert said(stream).endswith("12 s, at most 76 s left")


def test_the_last_epoch_leaves_nothing(clock):
  stream = io.StringIO()
  shown = Progress(stream)
  shown.begin(1, 2)
  clock[0] += 5
  shown.epoch(1, info(0, 1))
  assert said(stream).startswith("2 of 2 runs") and said(stream).endswith("  5 s")


def test_of_several_experiments_all_count(clock):
  stream, began = io.StringIO(), clock[0]
  clock[0] += 60  # the first took a minute
  shown = Progress(stream, place=(1, 4), began=began)
  shown.begin(2, 1)
  clock[0] += 30
  shown.epoch(1, info(0))
  # This one takes 30 s more, and two more as long as these two, a minute each.
  assert said(stream).endswith("30 s, at most 2 min left")
  clock[0] += 30
  shown.epoch(2, info(0))
  assert said(stream).endswith("60 s, at most 2 min left")


def test_a_limit_of_gradients_counts(clock):
  stream = io.StringIO()
  shown = Progress(stream)
  shown.begin(100, 2, gradients=50.0)
  clock[0] += 10
  shown.epoch(1, info(0) | {"passes": np.array([20.0])})
  # Three epochs a run, of which five are left.
  assert "epoch 1/3" in said(stream) and said(stream).endswith("10 s, at most 50 s left")
