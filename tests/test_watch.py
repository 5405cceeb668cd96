"""Those who look on hear what metrics and results hold; nobody else is imported."""

import gzip
import json
import struct
import subprocess
import sys
from types import SimpleNamespace

import pytest
from tiny_experiment import lines, tiny

from mamdr_jax import experiment, files, watch

CONFIG = {"sweep.seed": (0, 1), "lanes": 2}


def events(folder):
  """(tag, step) -> value of the scalars, and the tags of pictures, of a folder of events."""
  event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
  scalars, pictures = {}, set()
  for path in sorted(folder.glob("events*")):
    data, at = path.read_bytes(), 0
    while at < len(data):
      (size,) = struct.unpack_from("<Q", data, at)
      event = event_pb2.Event.FromString(data[at + 12 : at + 12 + size])
      at += 16 + size
      for value in event.summary.value:
        if value.HasField("image"):
          pictures.add(value.tag)
        else:
          scalars[value.tag, event.step] = value.simple_value
  return scalars, pictures


@pytest.fixture
def config(compiled_once):
  return tiny("alternate", **CONFIG)


def test_tensorboard_has_the_curves_the_rates_and_the_picture(config, tmp_path):
  pytest.importorskip("tensorboardX")
  result = experiment.run(config, tmp_path / "run", watch="tensorboard")
  folder = tmp_path / "run/logs/tensorboard"
  for number, run in enumerate(result["runs"]):
    scalars, _ = events(folder / f"{number:04d}")
    for line in lines(tmp_path / "run"):
      at = line["run"].index(number)
      for name in ("mean_auc", "weighted_auc"):
        told = scalars[f"valid/{name}", line["epoch"]]
        assert told == pytest.approx(line["valid"][name][at], abs=1e-6)
      for d, name in enumerate(run["valid"]["auc"]):
        told = scalars[f"valid/auc/{name}", line["epoch"]]
        assert told == pytest.approx(line["valid"]["auc"][at][d], abs=1e-6)
    best, _ = events(folder / f"{number:04d}" / "best")
    told = [value for (tag, _), value in best.items() if tag == "best/test/mean_auc"]
    assert told == [pytest.approx(run["test"]["mean_auc"], abs=1e-6)]
  assert events(folder / "all")[1] == {"auc"}


class Recorder:
  """In place of the package wandb."""

  def __init__(self):
    self.runs = {}

  def init(self, **told):
    run = self.runs.setdefault(told["id"], SimpleNamespace(steps={}, pictures=[], ended=0))
    run.told, run.config, run.summary = told, Updated(), {}
    run.log = lambda figures, step=None: (
      run.pictures.append(figures) if step is None else run.steps.update({step: figures})
    )
    run.finish = lambda: setattr(run, "ended", run.ended + 1)
    return run

  @staticmethod
  def Image(path):
    return path


class Updated(dict):
  def update(self, other, **_):
    super().update(other)


def test_wandb_has_a_run_for_each(config, tmp_path, monkeypatch):
  recorder = Recorder()
  monkeypatch.setitem(sys.modules, "wandb", recorder)
  result = experiment.run(config, tmp_path / "run", watch="wandb:trials")
  assert list(recorder.runs) == ["run-0000", "run-0001"]
  for made, run in zip(recorder.runs.values(), result["runs"], strict=True):
    assert made.told["project"] == "trials" and made.told["resume"] == "allow"
    assert sorted(made.steps) == [1, 2, 3] and made.ended
    assert made.config["seed"] == run["seed"]
    assert made.summary["best/test/mean_auc"] == pytest.approx(run["test"]["mean_auc"])
  assert made.pictures == [{"auc": str(tmp_path / "run" / files.CURVES)}]


def test_a_trace_of_one_epoch(config, tmp_path):
  experiment.run(config, tmp_path / "run", profile=2)
  (path,) = (tmp_path / "run/logs/profile").rglob("perfetto_trace.json.gz")
  with gzip.open(path) as file:
    assert json.load(file)["traceEvents"]


def test_who_is_not_known_or_not_installed_is_refused(config, tmp_path, monkeypatch):
  with pytest.raises(ValueError, match="--watch=clearml: expected tensorboard, wandb"):
    experiment.run(config, tmp_path / "run", watch="clearml")
  monkeypatch.setitem(sys.modules, "wandb", None)
  with pytest.raises(ValueError, match="--watch=wandb needs the package wandb: pip install wandb"):
    experiment.run(config, tmp_path / "run", watch="wandb")


def test_nothing_is_imported_unless_asked():
  told = f"import sys, mamdr_jax.experiment; print({list(watch.PACKAGES.values())!r}, *sys.modules)"
  done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
  asked, _, modules = done.stdout.partition("] ")
  assert "tensorboardX" in asked and not {"tensorboardX", "wandb"} & set(modules.split())
