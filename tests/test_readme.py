"""The README's worked examples run as they stand."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mamdr_jax import configure, experiment, methods, models

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def example(name: str) -> str:
  """The code block that follows the comment `<!-- example: name -->`."""
  return re.search(rf"<!-- example: {name} -->\n```\w+\n(.*?)```", README, re.DOTALL)[1]


@pytest.fixture
def tiny():
  """A function (model, method) -> the config of a run of a second."""

  def make(model, method):
    config = configure.make("synthetic", model, method)
    config.data.update(sizes=(120, 90, 60), num_users=30, num_items=20, features="ids")
    config.update(batch_size=16, epochs=2, alpha=0.05)
    return config

  return make


def test_own_data(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  exec(example("data"), {})
  command = shlex.split(example("data command").replace("\\\n", " "))
  command = [sys.executable] + [
    word.replace("configs/", f"{ROOT}/configs/") for word in command[1:]
  ]
  command[1] = str(ROOT / command[1])
  small = ["--config.model.embedding_size=4", "--config.model.hidden=(8,)"]
  subprocess.run(command + small, check=True, capture_output=True, text=True)
  result = json.loads((tmp_path / "runs/clicks/result.json").read_text())
  assert set(result["runs"][0]["test"]["auc"]) == {"books", "music", "games"}
  assert result["config"]["data"]["user"] == "customer"


def test_own_model(tmp_path, monkeypatch):
  """It takes the further columns of the example's data: a weight for each, and one more table."""
  monkeypatch.chdir(tmp_path)
  exec(example("data"), {})
  exec(example("model"), {})
  sizes = {}
  try:
    for more in ({}, {"categorical": ("device",), "dense": ("price",)}):
      config = configure.make("table", "factorization", "mamdr")
      config.data.update(path="clicks.csv", user="customer", item="product", domain="shop")
      config.data.update(label="clicked", **more)
      config.model.size = 4
      config.method.k = 1
      config.epochs = 1
      result = experiment.run(config, tmp_path / "run" / str(len(more)))
      assert np.isfinite(result["runs"][0]["test"]["mean_auc"])
      sizes[len(more)] = result["num_parameters"]
  finally:
    del models.MODELS["factorization"]
  assert sizes == {0: 50 * 4 + 40 * 4 + 3, 2: 50 * 4 + 40 * 4 + 3 + 2 * 4 + 1}


def test_own_method(tiny, tmp_path):
  exec(example("method"), {})
  try:
    config = tiny("mlp", "averaging")
    config.method.steps = 2
    config.model.update(embedding_size=4, hidden=(8,))
    result = experiment.run(config, tmp_path / "run")
  finally:
    del methods.METHODS["averaging"]
  assert np.isfinite(result["runs"][0]["test"]["mean_auc"])


def test_documented_files_exist():
  """Every path that the map of the house names is there."""
  named = re.findall(r"`((?:mamdr_jax|configs|benchmarks|results)/[\w./]*|launch\.py)`", README)
  assert len(named) > 15
  for path in named:
    assert (ROOT / path).exists(), path
