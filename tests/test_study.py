"""Studies of several experiments, and experiments that are interrupted and go on."""

import csv
import importlib.util
import json
from pathlib import Path

import handmade
import numpy as np
import pytest
from test_experiment import tiny

from mamdr_jax import configure, experiment, record, resume, study

ROOT = Path(__file__).parents[1]


def config_of(path, argument=""):
  spec = importlib.util.spec_from_file_location(path.stem, path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module.get_config(argument)


def paper(argument):
  return config_of(ROOT / "configs" / "paper.py", argument)


def lines(workdir):
  return [json.loads(line) for line in (workdir / record.METRICS).read_text().splitlines()]


def timeless(value):
  """A result or its parts without what the clock said."""
  if isinstance(value, dict):
    return {k: timeless(v) for k, v in value.items() if k != "seconds"}
  return [timeless(v) for v in value] if isinstance(value, list) else value


def test_cases_are_the_product_of_what_is_swept_over():
  over = (("method.k", (1, 2)), ("batch_size", (8, 16)))
  made = study.cases(tiny(**{"sweep.over": over}))
  assert list(made) == [f"method.k={k}/batch_size={b}" for k in (1, 2) for b in (8, 16)]
  assert [(c.method.k, c.batch_size) for c in made.values()] == [(1, 8), (1, 16), (2, 8), (2, 16)]
  assert all(not c.sweep.over and not c.cases for c in made.values())


def test_another_name_brings_the_keys_of_its_constructor_and_keeps_those_in_common():
  made = configure.vary(tiny("mamdr"), {"method.name": "domain_negotiation", "model.name": "ple"})
  assert set(made.method) == set(configure.make("synthetic", "ple", "domain_negotiation").method)
  assert made.model.embedding_size == 8 and made.model.num_levels == 2
  assert "hidden" not in made.model and tiny("mamdr").method.name == "mamdr"
  again = configure.vary(tiny("mamdr"), {"method.name": "mamdr"})
  assert again == tiny("mamdr")


@pytest.mark.parametrize(
  ("changes", "said"),
  [
    ({"method.kk": 1}, "method.kk=1"),
    ({"model.hidden": 3}, "model.hidden=3"),
    ({"model.name": "mlpp"}, "did you mean 'mlp'"),
  ],
)
def test_a_case_that_cannot_be_is_refused(changes, said):
  with pytest.raises(ValueError, match=said):
    configure.vary(tiny(), changes)


def test_two_cases_of_one_name_are_refused():
  config = tiny(**{"cases": (("a", ()), ("a", (("method.k", 2),)))})
  with pytest.raises(ValueError, match="two cases are called 'a'"):
    study.cases(config)


def test_a_study_runs_each_case_once(tmp_path, monkeypatch):
  over = (("method.name", ("alternate", "joint")),)
  config = tiny("alternate", **{"sweep.over": over, "epochs": 1})
  first = study.run(config, tmp_path, only="*=joint")
  assert list(first) == ["method.name=joint"]
  both = study.run(config, tmp_path)
  assert list(both) == ["method.name=alternate", "method.name=joint"]
  assert both["method.name=joint"] == first["method.name=joint"]
  alone = experiment.run(tiny("alternate", epochs=1), tmp_path / "alone")
  assert timeless(alone["runs"]) == timeless(both["method.name=alternate"]["runs"])
  with (tmp_path / "runs.csv").open() as file:
    rows = list(csv.DictReader(file))
  assert [row["method"] for row in rows] == ["alternate", "joint"]
  monkeypatch.setattr(experiment, "build", None)  # nothing is built any more
  assert study.run(config, tmp_path) == both
  with pytest.raises(ValueError, match="no case matches 'x'; there are method"):
    study.run(config, tmp_path, only="x")
  with pytest.raises(ValueError, match="holds another experiment"):
    study.run(tiny("alternate", **{"sweep.over": over, "epochs": 2}), tmp_path)


@pytest.mark.parametrize("scale", ["small", "full"])
@pytest.mark.parametrize("name", ["table5", "table6", "table10"])
def test_the_papers_studies_give_every_method_the_same_trials(name, scale):
  made = study.cases(paper(f"{name},synthetic-taobao10,{scale}"))
  trials = {len(experiment.grid(config)) for config in made.values()}
  assert len(trials) == 1
  assert len(made) == {"table5": 20, "table6": 4, "table10": 42 if scale == "small" else 140}[name]


@pytest.mark.parametrize(
  ("data", "trials"), [("amazon-small", 8), ("synthetic", 6), ("synthetic-blind", 4)]
)
def test_the_ablation_gives_every_method_the_same_trials(data, trials):
  path, numbers = ROOT / "configs" / "ablation.py", {}
  for name, case in study.cases(config_of(path, f"{data},tune")).items():
    method = name.split("/")[0]
    numbers[method] = numbers.get(method, 0) + len(experiment.grid(case))
  assert numbers == dict.fromkeys(
    ("alternate", "domain_negotiation", "domain_regularization", "mamdr"), trials
  )
  for case in study.cases(config_of(path, f"{data},final")).values():
    assert [point["seed"] for point in experiment.grid(case)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("data", ["amazon-small", "taobao-10", "synthetic-taobao30", "table"])
def test_the_papers_studies_take_any_data(data):
  for name, number in (("figure8", 5), ("figure9", 1)):
    assert len(study.cases(paper(f"{name},{data}"))) == number
  with pytest.raises(ValueError, match="data set 'table' has no groups; choose one of synthetic"):
    paper("table5,table-10")
  with pytest.raises(ValueError, match="unknown study 'table4'; choose one of table5"):
    paper(f"table4,{data}")


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.py")), ids=lambda p: p.stem)
def test_every_config_stands_without_an_argument_and_is_locked(path):
  config = config_of(path)
  assert config.is_locked and study.cases(config)
  if path.stem == "fish":
    assert (config.method.name, config.method.round_steps) == ("domain_negotiation", 1)
  if path.stem == "star_released":
    assert not (config.model.normalize or config.model.auxiliary or config.model.dropout)


class Interrupted(Exception):
  pass


def interrupt(monkeypatch, after):
  """Fails when `after` epochs have been written."""
  append, seen = record.append_json, []

  def appending(path, value):
    append(path, value)
    seen.append(1)
    if len(seen) == after:
      raise Interrupted

  monkeypatch.setattr(record, "append_json", appending)


@pytest.mark.parametrize(
  ("method", "lanes", "after", "trained"),
  [
    ("mamdr", 1, (2, 3), 6 + 2),  # within the first run; then at the end of the first
    ("mamdr", 2, (2,), 3 + 1),
    ("alternate+finetune", 1, (5,), 12 + 1),  # while the first run is tuned
  ],
)
def test_what_was_interrupted_goes_on_to_the_same_end(
  method, lanes, after, trained, tmp_path, monkeypatch
):
  config = tiny(method, **{"sweep.seed": (0, 1), "lanes": lanes, "checkpoint_seconds": 0.0})
  config.patience = 3
  whole = experiment.run(config, tmp_path / "whole")
  append, written = record.append_json, []
  for number in after:
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
      interrupt(patch, number)
      experiment.run(config, tmp_path / "run")
    written += lines(tmp_path / "run")[-number:]
  monkeypatch.setattr(record, "append_json", lambda *x: (append(*x), written.append(x)))
  assert timeless(experiment.run(config, tmp_path / "run")) == timeless(whole)
  assert timeless(lines(tmp_path / "run")) == timeless(lines(tmp_path / "whole"))
  assert len(written) <= trained
  left = {path.name for path in (tmp_path / "run").iterdir()}
  assert left == {path.name for path in (tmp_path / "whole").iterdir()}
  best = [np.load(tmp_path / name / record.STATE) for name in ("run", "whole")]
  handmade.assert_trees_equal(*({name: file[name] for name in file.files} for file in best))


def test_a_group_that_had_ended_in_part_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
  config = tiny("alternate", **{"sweep.seed": (0, 1, 2), "lanes": 3, "checkpoint_seconds": 0.0})
  whole = experiment.run(config, tmp_path / "whole")
  finish = resume.finish_run
  append, written, kept = record.append_json, [], []

  def finishing(workdir, run, *results):
    if run == 1:
      raise Interrupted
    finish(workdir, run, *results)

  with monkeypatch.context() as patch, pytest.raises(Interrupted):
    patch.setattr(resume, "finish_run", finishing)
    experiment.run(config, tmp_path / "run")
  assert list(resume.finished_runs(tmp_path / "run")) == [0]
  monkeypatch.setattr(resume, "finish_run", lambda *x: (finish(*x), kept.append(x[1])))
  monkeypatch.setattr(record, "append_json", lambda *x: (append(*x), written.append(x)))
  assert timeless(experiment.run(config, tmp_path / "run")) == timeless(whole)
  assert timeless(lines(tmp_path / "run")) == timeless(lines(tmp_path / "whole"))
  assert (kept, written) == ([1, 2], [])


def test_runs_that_ended_are_not_trained_again(tmp_path, monkeypatch):
  config = tiny("alternate", **{"sweep.seed": (0, 1, 2), "epochs": 2})
  with monkeypatch.context() as patch, pytest.raises(Interrupted):
    interrupt(patch, 5)
    experiment.run(config, tmp_path)
  assert list(resume.finished_runs(tmp_path)) == [0, 1]
  trained = []
  append = record.append_json
  monkeypatch.setattr(
    record, "append_json", lambda path, value: (append(path, value), trained.extend(value["run"]))
  )
  result = experiment.run(config, tmp_path)
  assert trained == [2, 2]
  assert [run["seed"] for run in result["runs"]] == [0, 1, 2]
