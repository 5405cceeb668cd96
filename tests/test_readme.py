"""The worked examples of README and docs/ run as they stand, and what they name is there."""

import ast
import importlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver

from mamdr_jax import configure, experiment, methods, models
from mamdr_jax.external import __main__ as external
from mamdr_jax.report import __main__ as report
from mamdr_jax.serve import __main__ as serve

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def example(name: str) -> str:
  """The code block that follows the comment `<!-- example: name -->`."""
  return re.search(rf"<!-- example: {name} -->\n```\w+\n(.*?)```", TEXT, re.DOTALL)[1]


def launch(command: str, *more: str) -> None:
  """Runs a documented command, here, with further flags."""
  python, *words = shlex.split(command.replace("\\\n", " "))
  assert (python, words[0]) == ("python", "launch.py")
  words = [word.replace("configs/", f"{ROOT}/configs/") for word in words[1:]]
  subprocess.run(
    [sys.executable, ROOT / "launch.py", *words, *more], check=True, capture_output=True, text=True
  )


def others(command: str) -> None:
  """Runs a documented command about other systems in this process."""
  python, *words = shlex.split(command)
  assert (python, words[:2]) == ("python", ["-m", "mamdr_jax.external"])
  trust, given = "--trust" in words, [word for word in words[2:] if word != "--trust"]
  options = dict(word[2:].split("=") for word in given if word.startswith("--"))
  options = dict.fromkeys(("like", "name", "out")) | options
  external.main([word for word in given if not word.startswith("--")], options, trust)


def served(command: str) -> None:
  """Runs a documented command of `serve` in this process, which has its flags meanwhile."""
  python, *words = shlex.split(command)
  assert (python, words[:2]) == ("python", ["-m", "mamdr_jax.serve"])
  serve.define()
  try:
    with flagsaver.flagsaver():
      _, name, *paths = flags.FLAGS(["serve", *map(serve.underscored, words[2:])])
      serve.run(name, [Path(path) for path in paths])
  finally:  # a copy of the list, which loses each as it goes
    for flag in list(flags.FLAGS.flags_by_module_dict()[serve.__name__]):
      delattr(flags.FLAGS, flag.name)


@pytest.fixture
def tiny():
  """A function (model, method) -> the config of a run of a second."""

  def make(model, method):
    config = configure.make("synthetic", model, method)
    config.data.update(sizes=(120, 90, 60), num_users=30, num_items=20, features="ids")
    config.update(batch_size=16, epochs=2, alpha=0.05)
    return config

  return make


@pytest.mark.slow
def test_own_data(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  exec(example("data"), {})
  launch(example("data command"), "--config.model.embedding_size=4", "--config.model.hidden=(8,)")
  result = json.loads((tmp_path / "runs/clicks/result.json").read_text())
  assert set(result["runs"][0]["test"]["auc"]) == {"books", "music", "games"}
  assert result["config"]["data"]["user"] == "customer"
  others(example("external rows"))
  exec(example("external scores"), {})
  into, compare = example("external import").splitlines()
  others(into)
  python, *words = shlex.split(compare)
  assert (python, words[:2]) == ("python", ["-m", "mamdr_jax.report"])
  report.main([Path(word) for word in words[2:-1]], Path(words[-1].split("=")[1]), False, None)
  assert "MAMDR − shares" in (tmp_path / "runs/report/report.md").read_text(encoding="utf-8")


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
  epoch = json.loads((tmp_path / "run/metrics.jsonl").read_text().splitlines()[0])
  assert epoch["passes"] == [3 * 2] and np.isfinite(epoch["loss"]).all()


@pytest.mark.slow
def test_own_model_and_method_from_a_file_outside_the_package(tmp_path, monkeypatch):
  """The launcher knows them by the config that adds them, and by their own keys."""
  monkeypatch.chdir(tmp_path)
  exec(example("data"), {})
  blocks = [example(name) for name in ("model", "method", "config")]
  (tmp_path / "mine.py").write_text("\n\n".join(blocks), encoding="utf-8")
  launch(example("config command"), "--config.model.size=4", "--config.sweep.seed=(0,1)")
  result = json.loads((tmp_path / "runs/mine/result.json").read_text())
  assert result["config"]["model"] == {"name": "factorization", "size": 4}
  assert result["config"]["method"] == {"name": "averaging", "steps": 5}
  assert [run["epochs"] for run in result["runs"]] == [2, 2]


def test_documented_files_exist():
  """Every path that the pages name is there."""
  folders = "mamdr_jax|configs|benchmarks|results|notebooks|tests|docs"
  named = re.findall(rf"`((?:{folders})/[\w./]*|launch\.py)`", TEXT)
  assert len(named) > 15
  for path in named:
    assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
  links = re.findall(r"\]\(((?!https?:)[^)#]+)", page.read_text(encoding="utf-8"))
  for link in links:
    assert (page.parent / link).exists(), link


HEADERS = {
  path.stem: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
  for path in sorted((ROOT / "configs").glob("*.py"))
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_config_opens_with_its_command_its_time_and_what_to_expect(name):
  header = HEADERS[name]
  assert f"python launch.py --config=configs/{name}.py" in header
  assert ("Time:" in header and "AMD EPYC" in header) or "Neither time nor AUC" in header
  assert "xpect" in header or "Neither time nor AUC" in header
  assert "Often overridden: " in header


def test_the_configs_that_are_named_can_be_made():
  """Those of README, docs/, results/ and the headers, with their arguments."""
  pages = [page.read_text(encoding="utf-8") for page in (ROOT / "results").glob("*.md")]
  text = "\n".join([TEXT, *pages, *HEADERS.values()])
  named = set(re.findall(r"--config=configs/(\w+)\.py(?::([\w,/-]+))?", text))
  assert len(named) > 15
  for name, argument in named - {("FILE", "ARG")}:
    if argument not in ("MODEL", "GROUP") and "/" not in argument:  # the folder of a run
      config = importlib.import_module(f"configs.{name}").get_config(argument)
      assert config.is_locked, name
