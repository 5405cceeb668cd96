"""Studies of several experiments, and experiments that are interrupted and go on."""

import csv
import importlib.util
import threading
import time
from pathlib import Path

import pytest
from handmade import timeless
from made_results import a_result, a_run, save
from tiny_experiment import tiny

from mamdr_jax import assembly, configure, experiment, files, launch, search, study
from mamdr_jax.workdir.lock import locked

ROOT = Path(__file__).parents[1]


def config_of(path, argument=""):
  spec = importlib.util.spec_from_file_location(path.stem, path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module.get_config(argument)


def paper(argument):
  return config_of(ROOT / "configs" / "paper.py", argument)


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
  monkeypatch.setattr(experiment, "packed", None)  # nothing is built any more
  assert study.run(config, tmp_path) == both
  with pytest.raises(ValueError, match="no case matches 'x'; there are method"):
    study.run(config, tmp_path, only="x")
  with pytest.raises(ValueError, match="holds another study"):
    study.run(tiny("alternate", **{"sweep.over": over, "batch_size": 8}), tmp_path)


@pytest.mark.parametrize("scale", ["small", "full"])
@pytest.mark.parametrize("name", ["table5", "table6", "table10"])
def test_the_papers_studies_give_every_method_the_same_trials(name, scale):
  made = study.cases(paper(f"{name},synthetic-taobao10,{scale}"))
  trials = {len(search.points(config)) for config in made.values()}
  assert len(trials) == 1
  assert len(made) == {"table5": 20, "table6": 4, "table10": 42 if scale == "small" else 140}[name]


@pytest.mark.parametrize(
  ("data", "trials"), [("amazon-small", 8), ("synthetic", 6), ("synthetic-blind", 4)]
)
def test_the_ablation_gives_every_method_the_same_trials(data, trials):
  path, numbers = ROOT / "configs" / "ablation.py", {}
  for name, case in study.cases(config_of(path, f"{data},tune")).items():
    method = name.split("/")[0]
    numbers[method] = numbers.get(method, 0) + len(search.points(case))
  assert numbers == dict.fromkeys(
    ("alternate", "domain_negotiation", "domain_regularization", "mamdr"), trials
  )
  for case in study.cases(config_of(path, f"{data},final")).values():
    assert [point["seed"] for point in search.points(case)] == [0, 1, 2, 3, 4]


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


@pytest.fixture
def shared(tmp_path, monkeypatch):
  """A function that runs shares of a study of five cases, of which nothing is trained."""
  over = (("l2", (0.0, 0.1, 0.2, 0.3, 0.4)),)
  config, ran = tiny("alternate", **{"sweep.over": over}), []

  def running(case, workdir, dataset, progress):
    if not (workdir / files.RESULT).exists():
      ran.append(workdir.name)
      save(workdir, a_result([a_run((0.5, 0.6))], l2=case.l2))

  monkeypatch.setattr(experiment, "run", running)
  monkeypatch.setattr(assembly, "read_data", lambda case: None)

  def run(**options):
    ran.clear()
    return list(study.run(config, tmp_path, **options)), list(ran)

  return run


def test_shares_of_a_study_are_all_of_it(shared, tmp_path):
  names = [f"l2={value}" for value in ("0", "0.1", "0.2", "0.3", "0.4")]
  assert shared(share=(1, 3)) == ([names[1], names[4]],) * 2
  assert shared(share=(0, 3)) == ([names[0], names[1], names[3], names[4]], [names[0], names[3]])
  assert shared(share=(0, 2), only="l2=0.2")[1] == [names[2]]
  assert shared() == (names, [])
  with (tmp_path / "runs.csv").open() as file:
    assert len(list(csv.DictReader(file))) == 5
  with pytest.raises(ValueError, match="share 5/6 is empty: there are 5 cases"):
    shared(share=(5, 6))


def test_shares_that_begin_at_once_wait_for_each_other(shared, tmp_path):
  held, let = threading.Event(), threading.Event()

  def hold():
    with locked(tmp_path):
      held.set()
      let.wait(10)

  thread = threading.Thread(target=hold)
  thread.start()
  held.wait()
  threading.Timer(0.3, let.set).start()
  began = time.monotonic()
  assert len(shared()[1]) == 5
  assert time.monotonic() - began > 0.2
  thread.join()


@pytest.mark.parametrize("text", ["2/2", "1", "-1/2", "a/b", "1/2/3", "0/0", "1/²"])
def test_a_share_that_cannot_be_is_one_sentence(text):
  with pytest.raises(ValueError, match=f"--share={text}: expected I/W, I below W"):
    launch.share_of(text)
  assert launch.share_of("1/12") == (1, 12)
