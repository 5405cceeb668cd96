"""A folder and the experiment in it: whose it is, whether it is whole, and how it grows."""

import shutil

import numpy as np
import pytest
from handmade import timeless
from tiny_experiment import assert_same_states, lines, tiny

from mamdr_jax import assembly, configure, data, evaluate, experiment, files, report, study
from mamdr_jax.workdir import folder, identity
from mamdr_jax.workdir.lock import locked

SPLIT = ["train"] * 60 + ["valid"] * 30 + ["test"] * 30


def table(path, seed=0, order=None):
  """A CSV of clicks with a given split, and the config that reads it."""
  rng = np.random.default_rng(seed)
  rows = [
    f"u{pair % 12},i{pair // 12},{'ab'[n % 2]},{int(rng.random() < 0.5)},{s}"
    for n, (pair, s) in enumerate(zip(rng.permutation(120), SPLIT, strict=True))
  ]
  if order is not None:
    rows = [rows[i] for i in np.random.default_rng(order).permutation(len(rows))]
  path.write_text("\n".join(["user,item,domain,label,split", *rows]) + "\n")
  config = tiny("alternate", epochs=2)
  config = configure.vary(config, {"data.name": "table"})
  config.data.update(path=str(path), label="label", split="split")
  return config


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  """A finished experiment on a table: (workdir, config, result)."""
  folder = tmp_path_factory.mktemp("table")
  config = table(folder / "clicks.csv")
  return folder / "run", config, experiment.run(config, folder / "run")


def copied(trained, tmp_path):
  workdir, config, result = trained
  shutil.copytree(workdir, tmp_path / "run")
  return tmp_path / "run", config, result


def test_other_rows_under_the_same_path_are_another_experiment(tmp_path):
  config = table(tmp_path / "clicks.csv")
  experiment.run(config, tmp_path / "run")
  table(tmp_path / "clicks.csv", seed=1)
  with pytest.raises(ValueError, match="holds this experiment on other data"):
    experiment.run(config, tmp_path / "run")


def test_what_changes_no_result_does_not_hinder_going_on(trained, tmp_path, capsys):
  workdir, config, result = copied(trained, tmp_path)
  shutil.copy(config.data.path, tmp_path / "elsewhere.csv")
  moved = config.copy_and_resolve_references()
  moved.update(lanes=2, checkpoint_seconds=1.0, probe_every=7)
  moved.data.update(path=str(tmp_path / "elsewhere.csv"), cache=str(tmp_path / "cache"))
  assert experiment.run(moved, workdir) == result
  assert "nothing was run" in capsys.readouterr().err


def test_of_what_has_ended_no_minibatches_are_made(trained, tmp_path, monkeypatch):
  workdir, config, result = copied(trained, tmp_path)
  monkeypatch.setattr(experiment, "packed", lambda *_: 1 / 0)
  assert experiment.run(config, workdir) == result
  with pytest.raises(ZeroDivisionError):
    experiment.run(config, tmp_path / "new")
  assert not (tmp_path / "new").exists()


def test_another_version_of_the_code_is_said(trained, tmp_path, monkeypatch, capsys):
  workdir, config, result = copied(trained, tmp_path)
  monkeypatch.setattr(identity.machine, "code", lambda: "another")
  assert experiment.run(config, workdir) == result
  assert "by another version of the code" in capsys.readouterr().err


def test_keys_that_came_later_have_their_defaults_in_an_older_config(trained, tmp_path):
  workdir, config, result = copied(trained, tmp_path)
  there = files.read_json(workdir / files.CONFIG)
  for key in ("warm_start", "stream", "cases"):
    del there["config"][key]
  files.write_json(workdir / files.CONFIG, there)
  assert experiment.run(config, workdir) == result
  with pytest.raises(ValueError, match="holds another experiment"):
    experiment.run(configure.vary(config, {"stream": 2}), workdir)


@pytest.mark.parametrize("order", [1, 2])
def test_ids_travel_with_the_state(trained, tmp_path, order):
  """The rows in another order number users and items otherwise; a state is read all the same."""
  workdir, config, result = copied(trained, tmp_path)
  config = table(tmp_path / "shuffled.csv", order=order)
  shuffled = assembly.read_data(config)
  first = assembly.read_data(trained[1])
  assert not np.array_equal(shuffled.vocab["user"], first.vocab["user"])
  loaded, state = experiment.load(workdir, dataset=shuffled)
  test, train = (data.pack(loaded.dataset, split, 16) for split in ("test", "train"))
  found = evaluate.measure(loaded.objective, loaded.method, state, train, test)
  expected = result["runs"][0]["test"]
  np.testing.assert_allclose(found["mean_auc"], expected["mean_auc"], rtol=1e-6)
  np.testing.assert_allclose(found["log_loss"], expected["log_loss"], rtol=1e-5)
  assert loaded.dataset.domains == first.domains


def test_ids_that_training_never_saw_are_counted(trained, tmp_path):
  config = table(tmp_path / "more.csv")
  text = (tmp_path / "more.csv").read_text().replace("u3,", "newcomer,")
  (tmp_path / "more.csv").write_text(text)
  with pytest.raises(ValueError, match="1 users of the data are new since training, 'newcomer'"):
    experiment.load(trained[0], dataset=assembly.read_data(config))


def test_a_strangers_workdir_says_no_paths(trained):
  with pytest.raises(ValueError, match=r"config.json names files \(data.path\): give the data set"):
    experiment.load(trained[0])
  experiment.load(trained[0], trust=True)


@pytest.mark.parametrize(
  "text", ["{", "[1]", "3", "null", '{"config": 3}', "[" * 100_000, '{"a": ' + "9" * 5000 + "}"]
)
def test_a_malformed_config_is_one_sentence(trained, tmp_path, text):
  workdir, config, _ = copied(trained, tmp_path)
  (workdir / files.CONFIG).write_text(text)
  for call in (lambda: experiment.load(workdir), lambda: experiment.run(config, workdir)):
    with pytest.raises(ValueError, match=r"config.json") as caught:
      call()
    assert len(str(caught.value).splitlines()) == 1 and len(str(caught.value)) < 300


@pytest.mark.parametrize("name", [files.RESULT, files.METRICS, files.RUNS])
def test_files_of_somebody_else_stay(tmp_path, name):
  (tmp_path / "run").mkdir()
  (tmp_path / "run" / name).write_text("precious")
  with pytest.raises(ValueError, match=f"has {name} and no config.json"):
    experiment.run(tiny(), tmp_path / "run")
  assert (tmp_path / "run" / name).read_text() == "precious"


def test_a_second_process_says_so_and_stops(tmp_path):
  for overwrite in (False, True):
    with locked(tmp_path / "run"), pytest.raises(ValueError, match="another process is at work in"):
      experiment.run(tiny("alternate", epochs=1), tmp_path / "run", overwrite)
  assert list((tmp_path / "run").iterdir()) == []


def test_what_lacks_of_a_finished_run_is_made(trained, tmp_path, monkeypatch, capsys):
  workdir, config, result = copied(trained, tmp_path)
  for name in (files.CSV, files.CURVES):
    (workdir / name).unlink()
  with monkeypatch.context() as patch:
    patch.setattr(report, "learning_curves", lambda workdir: 1 / 0)
    assert experiment.run(config, workdir) == result
  assert "auc.png was not made (ZeroDivisionError" in capsys.readouterr().err
  assert (workdir / files.CSV).exists() and not (workdir / files.CURVES).exists()
  experiment.run(config, workdir)
  assert (workdir / files.CURVES).exists()


def test_overwriting_a_study_leaves_no_case_of_the_old_one(tmp_path):
  over = lambda *l2: tiny("alternate", epochs=1, **{"sweep.over": (("l2", l2),)})
  study.run(over(0.1, 0.2), tmp_path)
  old = over(0.1)
  old.batch_size = 8
  with pytest.raises(ValueError, match="holds another study"):
    study.run(old, tmp_path)
  (tmp_path / "notes.txt").write_text("mine")
  study.run(old, tmp_path, overwrite=True)
  left = sorted(path.name for path in tmp_path.iterdir())
  assert left == ["config.json", "l2=0.1", "notes.txt", "runs.csv"]
  experiment.run(tiny("alternate", epochs=1), tmp_path, overwrite=True)
  assert not (tmp_path / "l2=0.1").exists() and (tmp_path / files.RESULT).exists()


def everything(folder):
  """path -> bytes of all files below a folder."""
  return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_below_a_folder_without_an_experiment_is_not_overwritten(trained, tmp_path):
  for name in ("runs/a", "runs/b/c"):
    shutil.copytree(trained[0], tmp_path / name)
  there, config = everything(tmp_path), tiny("alternate", epochs=1)
  study_of = tiny("alternate", **{"sweep.over": (("method.name", ("alternate",)),)})
  for workdir in (tmp_path, tmp_path / "runs", tmp_path / "runs" / "b"):
    first = tmp_path / "runs" / ("b/c" if workdir.name == "b" else "a")
    with pytest.raises(ValueError, match=f"{workdir} holds no .*below it, {first} first") as caught:
      experiment.run(config, workdir, overwrite=True)
    assert len(str(caught.value).splitlines()) == 1
  assert everything(tmp_path) == there
  (tmp_path / "runs" / "config.json").write_text("{")  # of what, nobody knows
  with pytest.raises(ValueError, match="holds no experiment of its own"):
    study.run(study_of, tmp_path / "runs", overwrite=True)
  assert everything(tmp_path).items() > there.items()


def test_overwriting_takes_what_is_the_experiments_or_the_studys_own(trained, tmp_path):
  shutil.copytree(trained[0], tmp_path / "run")
  shutil.copytree(trained[0], tmp_path / "run" / "another")
  there = everything(tmp_path / "run" / "another")
  folder.clear(tmp_path / "run")
  assert everything(tmp_path / "run") == there
  about = {"config": {}, "cases": ["another", "../outside"]}
  files.write_json(tmp_path / "run" / files.CONFIG, about)
  shutil.copytree(trained[0], tmp_path / "outside")
  folder.clear(tmp_path / "run")
  assert not everything(tmp_path / "run") and (tmp_path / "outside" / files.RESULT).exists()


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "a/../../b", "runs", "a\0b"])
def test_names_of_cases_do_not_leave_the_workdir(name, tmp_path):
  with pytest.raises(ValueError, match="is no name of a folder below the workdir"):
    study.cases(tiny(**{"cases": ((name, ()),)}))


GROWN = {
  "more seeds": ({"sweep.seed": (0, 1)}, {"sweep.seed": (0, 1, 2)}, 3),
  "more rates": ({"sweep.alpha": (0.1,)}, {"sweep.alpha": (0.1, 0.01)}, 3),
  "more epochs": ({"epochs": 2}, {"epochs": 5}, 3),
  "more patience": ({"patience": 1}, {"patience": 9}, None),
}


@pytest.mark.parametrize("case", GROWN)
def test_what_a_finished_experiment_grows_by_is_trained(case, tmp_path, monkeypatch):
  before, after, num_epochs = GROWN[case]
  made = lambda changes: tiny("alternate", **({"epochs": 3, "alpha": 0.05} | changes))
  experiment.run(made(before), tmp_path / "run")
  append, written = files.append_line, []
  monkeypatch.setattr(files, "append_line", lambda *x: (append(*x), written.append(x)))
  grown = experiment.run(made(after), tmp_path / "run")
  assert num_epochs is None or len(written) == num_epochs
  whole = experiment.run(made(after), tmp_path / "whole")
  assert timeless(grown["runs"]) == timeless(whole["runs"])
  assert timeless(lines(tmp_path / "run")) == timeless(lines(tmp_path / "whole"))
  assert_same_states(tmp_path / "run", tmp_path / "whole")


def test_a_run_that_the_config_lacks_is_named(tmp_path):
  experiment.run(tiny("alternate", epochs=1, **{"sweep.seed": (0, 1)}), tmp_path)
  with pytest.raises(ValueError, match=r"has a run that this config lacks \(seed 1, alpha 0.001"):
    experiment.run(tiny("alternate", epochs=1), tmp_path)
