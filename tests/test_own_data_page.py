"""The commands of docs/own_data.md run as they stand, on little data."""

import json
import shlex
from pathlib import Path

import pytest
from pyarrow import csv
from test_readme import example, launch, served

from mamdr_jax.report import __main__ as report

SMALL = (
  *("--config.model.embedding_size=4", "--config.model.hidden=(8,)", "--config.epochs=2"),
  "--config.batch_size=256",
)
FIRST = ("--config.model.embedding_size=4", "--config.model.hidden=(8,)", "--config.epochs=2")


def runs(folder):
  return json.loads(Path(folder, "result.json").read_text())


@pytest.fixture(scope="module")
def here(tmp_path_factory):
  """A folder where the runs of the page have been made."""
  folder = tmp_path_factory.mktemp("own")
  with pytest.MonkeyPatch.context() as patch:
    patch.chdir(folder)
    exec(example("own data"), {})
    launch(example("own run"), *SMALL)
    launch(example("own alternate"), *SMALL)
    yield folder


def test_results_are_split_by_time_compared_and_served(here, monkeypatch):
  launch(example("own statistics"))
  first = runs("runs/mamdr")
  assert first["config"]["data"]["split_by"] == "time" and len(first["runs"]) == 12
  assert set(first["runs"][0]["test"]["auc"]) == {"books", "music", "games"}
  python, *words = shlex.split(example("own report"))
  assert (python, words[:2]) == ("python", ["-m", "mamdr_jax.report"])
  folders = [Path(word) for word in words[2:] if not word.startswith("--")]
  options = dict(word[2:].split("=") for word in words if word.startswith("--"))
  report.main(folders, Path(options["out"]), False, options["against"])
  text = Path("runs/report/report.md").read_text(encoding="utf-8")
  assert "## One method against the others" in text
  served(example("own score"))
  scores = csv.read_csv("scores.csv").to_pandas()
  assert len(scores) == 3000 and scores["probability"].between(0, 1).all()


@pytest.mark.slow
def test_the_first_search_says_which_method(here, tmp_path):
  command = example("own first").replace("--minutes=5", "--minutes=0.2")
  for _ in range(2):  # the second time it finds all of it there
    launch(command, *FIRST)
  folders = sorted(path.parent.name for path in Path("runs/first").glob("*/result.json"))
  assert folders == [
    "alternate", "alternate+finetune", "domain_negotiation", "mamdr", "mamdr+finetune", "separate",
  ]  # fmt: skip
  search = runs("runs/first/mamdr")["config"]["search"]
  assert search["passes"] >= 3 and len(search["rungs"]) == 2
