"""Every script of results/ and benchmarks/ runs, at a tiny size, and prints what it says.

A script has its sizes as constants at its head, which are made small here.
"""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
from made_results import ROOT, rows_of
from tiny_experiment import tiny

from mamdr_jax import experiment, files
from mamdr_jax.assembly import read_data
from mamdr_jax.data.amazon import AMAZON
from mamdr_jax.machine import device
from mamdr_jax.methods import METHODS
from mamdr_jax.models import MODELS

FOLDERS = ROOT / "results", ROOT / "benchmarks"
SCRIPTS = sorted(path for folder in FOLDERS for path in folder.glob("*.[ps][yh]"))


@pytest.fixture
def tables(capsys, monkeypatch):
  """A function (script, arguments, sizes) -> the tables that its `main` prints, each as rows."""

  def run(name, *arguments, **sizes):
    module = importlib.import_module(name)
    assert Path(module.__file__).parent == ROOT / name.split(".")[0]
    for constant, value in sizes.items():
      monkeypatch.setattr(module, constant, value)
    module.main(*arguments)
    first, *blocks = capsys.readouterr().out.split("\n\n")
    if name.startswith("benchmarks"):
      assert first.startswith(f"device: {device()}")
    return [rows_of(block) for block in [first, *blocks] if block.startswith("|")]

  return run


@pytest.fixture(scope="module")
def negotiated(tmp_path_factory):
  """A workdir of DN on tables of ids, and its result."""
  workdir = tmp_path_factory.mktemp("scripts") / "dn"
  config = tiny("domain_negotiation", **{"data.features": "ids", "alpha": 0.05})
  return workdir, experiment.run(config, workdir)


def numbers(rows, column):
  """A column of figures below its header, all finite and none below 0."""
  place = rows[0].index(column)
  found = np.array([float(row[place].replace(",", "")) for row in rows[1:] if row[place]])
  assert found.size and np.isfinite(found).all() and (found >= 0).all()
  return found


def test_every_script_has_a_test_here():
  tests = [name for name in globals() if name.startswith("test_")]
  assert len(SCRIPTS) >= 9
  for path in SCRIPTS:
    assert any(name.startswith(f"test_{path.stem}_") for name in tests), path


def test_threshold_auc_prints_the_exact_auc_of_every_domain_beside(tables, negotiated):
  workdir, result = negotiated
  (rows,) = tables("results.threshold_auc", str(workdir))
  found = result["runs"][0]["test"]["auc"]
  assert [row[0] for row in rows[1:]] == list(found)
  exact, rough = numbers(rows, "exact"), numbers(rows, "500 thresholds")
  np.testing.assert_allclose(exact, list(found.values()), atol=6e-5)
  told = [float(row[-1]) for row in rows[1:]]
  np.testing.assert_allclose(told, rough - exact, atol=2e-4)
  assert np.abs(told).max() < 0.1


def test_threshold_auc_is_exact_where_a_threshold_parts_all_scores_and_blind_between_two():
  threshold_auc = importlib.import_module("results.threshold_auc").threshold_auc
  label = np.array([0, 0, 1, 1])
  assert threshold_auc(np.array([0.1, 0.4, 0.4, 0.8]), label) == 0.875
  assert threshold_auc(np.array([0.5001, 0.5002, 0.5003, 0.5004]), label) == 0.5


def test_room_for_deltas_starts_from_the_best_state_and_only_adds(tables, negotiated):
  workdir, result = negotiated
  two = {"Adam": optax.adam(0.03), "SGD": optax.sgd(3.0)}
  branches = {"net": ("net",), "tables": ("tables",)}
  sizes = {"OPTIMIZERS": two, "BRANCHES": branches, "EPOCHS": 3}
  (rows,) = tables("results.room_for_deltas", str(workdir), **sizes)
  assert [row[:2] for row in rows[1:]] == [["none", ""], *([o, b] for o in two for b in branches)]
  valid, test = numbers(rows, "valid AUC"), numbers(rows, "test AUC")
  best = result["runs"][0]
  assert valid[0] == pytest.approx(best["valid"]["mean_auc"], abs=6e-5)
  assert test[0] == pytest.approx(best["test"]["mean_auc"], abs=6e-5)
  helped = numbers(rows, "domains helped")
  assert ((valid[1:] > valid[0]) == (helped > 0)).all() and helped.max() in (1, 2, 3)
  assert (test <= 1).all()


def test_room_for_deltas_takes_a_workdir_of_dn_alone(tables, tmp_path):
  experiment.run(tiny("alternate"), tmp_path / "run")
  with pytest.raises(ValueError, match="holds another method than DN"):
    tables("results.room_for_deltas", str(tmp_path / "run"))


@pytest.fixture
def few(monkeypatch):
  """Three small domains in place of the data sets, models of a few numbers, short runs."""
  module = importlib.import_module("results.new_domain")
  config = tiny("alternate", **{"data.features": "ids"})
  monkeypatch.setattr(module, "MODEL", {"embedding_size": 4, "hidden": (4,)})
  monkeypatch.setattr(module, "TRAINING", {"batch_size": 16, "epochs": 2, "alpha": 0.05})
  monkeypatch.setitem(module.SETS, "synthetic", lambda path: read_data(config))
  return {"BASE": "alternate", "SEEDS": (0,), "ALPHA": (0.05,)}


@pytest.mark.slow
def test_new_domain_tells_what_serves_a_domain_that_was_left_out(tables, few, tmp_path):
  sizes = few | {"SIZES": (20,), "GAMMA": (0.5,), "LEFT_OUT": {"synthetic": "D2"}}
  (rows,) = tables("results.new_domain", str(tmp_path), {"synthetic": ""}, **sizes)
  ways = importlib.import_module("results.new_domain").WAYS
  assert [row[0] for row in rows[1:]] == [*ways, "seconds to add it with DR"]
  assert rows[0] == ["synthetic: D2", "20"]
  found = [float(row[1].split()[0]) for row in rows[1:-1]]
  assert min(found) > 0.2 and max(found) < 1 and len({*found}) > 2
  assert (tmp_path / "synthetic.png").stat().st_size > 1000


def test_more_data_tells_what_each_way_is_worth_on_first_rows_and_later_ones(tables, few, tmp_path):
  ways = importlib.import_module("results.more_data").WAYS
  ways = dict(list(ways.items())[:2])
  (rows,) = tables("results.more_data", str(tmp_path), WAYS=ways, **few)
  assert [row[0] for row in rows[1:]] == list(ways)
  first, later = ([float(row[i].split()[0]) for row in rows[1:]] for i in (1, 2))
  assert min(first + later) > 0.2 and max(first + later) < 1 and len({*first}) > 1
  some, rest = numbers(rows, "training rows")
  assert 0.4 < rest / some < 1 and numbers(rows, "best epoch").min() >= 1


def test_auc_agrees_with_scikit_learn(tables):
  (rows,) = tables("benchmarks.auc", ROWS=(300, 900), POSITIVES=(0.3,), NUM_GROUPS=3, REPEATS=1)
  assert [row[:2] for row in rows[1:]] == [["300", "30%"], ["900", "30%"]]
  assert numbers(rows, "largest error").max() < 1e-6
  assert numbers(rows, "over its sort").min() > 0


def test_scatter_times_both_kinds_of_numbers_and_leaves_the_width_of_others(tables):
  (rows,) = tables("benchmarks.scatter", CASES={"few ids": (4096, 8, 2)}, REPEATS=1)
  assert [row[:2] for row in rows[1:]] == [["few ids", "float32"], ["few ids", "float64"]]
  assert numbers(rows, "ms, repeated").min() > 0 and numbers(rows, "ratio").min() > 0
  assert not jax.config.jax_enable_x64


def test_step_times_every_length_of_the_tables_and_the_machine(tables):
  lengths, machine = tables(
    "benchmarks.step", USERS=(20, 1000), NUM_IDS=20, BATCH=4, SIZE=4, STEPS=2, REPEATS=1, SQUARE=64
  )
  assert [row[0] for row in lengths[1:]] == ["20", "1,000"]
  assert numbers(lengths, "ms per inner step").min() > 0
  assert numbers(lengths, "over the first")[0] == 1
  assert [row[0] for row in machine[1:]][1:] == ["matrix product, 64 x 64", "ratio"]
  assert numbers(machine, "GFLOP/s").size == 3


def test_models_prints_a_row_a_model(tables):
  some = {name: MODELS[name] for name in ("mlp", "star")}
  sizes = {"FEW": 2, "MANY": 4, "BATCH": 4, "SIZE": 8, "NUM_IDS": 16, "STEPS": 2, "REPEATS": 1}
  (rows,) = tables("benchmarks.models", MODELS=some, **sizes)
  assert [row[0] for row in rows[1:]] == list(some)
  few, many = (numbers(rows, f"ms per step, {n} domains") for n in (2, 4))
  assert few.min() > 0 and many.min() > 0 and numbers(rows, "ratio").size == 2
  mlp, star = numbers(rows, "parameters")  # STAR has a net for all domains and one for each
  assert mlp < star


@pytest.mark.parametrize("name", MODELS)
def test_models_of_the_papers_sizes_have_the_parameters_and_operations_on_the_page(name):
  page = (ROOT / "results/speed.md").read_text(encoding="utf-8")
  (line,) = [line for line in page.splitlines() if line.startswith(f"| {name} ")]
  told = [int(cell.replace(",", "")) for cell in rows_of(line)[0][1:3]]
  assert list(importlib.import_module("benchmarks.models").size_and_flops(name)) == told


def test_methods_counts_the_passes_of_an_epoch_and_leaves_page_and_picture(tables, tmp_path):
  some = {name: METHODS[name] for name in ("domain_negotiation", "domain_regularization")}
  sizes = {"SIZE": 4, "BATCH": 4, "PER_DOMAIN": 2, "REPEATS": 1, "HELPERS": 1, "GRADIENT": 8}
  sizes |= {"NUM_IDS": {"user": 64, "item": 64}, "DOMAINS": (2, 4), "SHOWN": (2, 4)}
  out = tmp_path / "out"
  epochs, projection = tables("benchmarks.methods", out, METHODS=some, GRADIENTS=(2, 3), **sizes)
  assert [row[0] for row in epochs[1:]] == list(some)
  # n domains of 2 minibatches; DR after that visits a helper's and the target's for every target.
  assert numbers(epochs, "passes, 2").tolist() == [4, 4 + 2 * 4]
  assert numbers(epochs, "passes, 4").tolist() == [8, 8 + 4 * 4]
  assert numbers(epochs, "ratio").min() > 0
  assert [row[0] for row in projection[1:]] == ["2", "3"]
  assert rows_of((out / "methods.md").read_text().split("\n\n")[1]) == epochs
  assert (out / "methods.png").stat().st_size > 1000


def test_sweep_scales_separate_commands_up_to_the_runs_of_one(tables, monkeypatch):
  monkeypatch.chdir(ROOT)
  small = ("--config.data.preset=", "--config.data.sizes=(120, 90)", "--config.data.feature_size=4")
  small += ("--config.model.hidden=(4,)", "--config.epochs=1")
  demo = "--config=configs/synthetic.py:taobao10,mlp,domain_negotiation"
  sizes = {"ALPHA": (0.1, 0.01), "BETA": (0.5,), "SEEDS": (0, 1), "SEPARATE": ((0.1, 0.5, 0),)}
  (rows,) = tables("benchmarks.sweep", COMMON=(demo, *small), **sizes)
  assert [row[0] for row in rows[1:]] == [
    "4 runs in one command", "4 commands of one run", "ratio"
  ]  # fmt: skip
  one, separate, ratio = numbers(rows, "seconds")
  assert ratio == pytest.approx(separate / one, rel=0.25)  # of seconds that are rounded
  assert rows[2][2] == "1 measured, scaled up"


def test_lanes_are_equal_or_nearly_and_times_of_all_and_of_one_agree(tables):
  sizes = {"RUNS": (1, 3), "EPOCHS": 2, "DOMAINS": 2, "PER_DOMAIN": 1, "BATCH": 4, "SIZE": 2}
  (rows,) = tables("benchmarks.lanes", NUM_IDS={"user": 8, "item": 8}, **sizes)
  assert [row[1] for row in rows[1:]] == ["3", "1", "3", "1", "3"]
  alone, one, three, again, both = numbers(rows, "off")
  assert alone == one == again == both == 0 and three < 1e-4
  assert numbers(rows, "ms an epoch of one").min() > 0


def test_accelerator_runs_what_it_is_told_and_tells_what_failed(tmp_path, monkeypatch, capsys):
  module = importlib.import_module("benchmarks.accelerator")
  for argument in module.COMMANDS.values():
    assert argument[0] == "launch.py" or (ROOT / f"{argument[1].replace('.', '/')}.py").exists()
  some = {
    "works": ("-c", "from pathlib import Path; Path(r'{out}/seen').touch(); print('| a |')"),
    "fails": ("-c", "raise ValueError('no such device')"),
    "flags": ("-c", "import os; print(os.environ['XLA_PYTHON_CLIENT_PREALLOCATE'], r'{folder}')"),
  }
  monkeypatch.setattr(module, "COMMANDS", some)
  with pytest.raises(SystemExit, match="error: there is no accelerator here"):
    module.main(tmp_path / "out")
  assert not (tmp_path / "out").exists()
  with pytest.raises(SystemExit, match=r"of 3 benchmarks failed fails; see .*/NAME\.err"):
    module.main(tmp_path / "out", anyway=True)
  said = capsys.readouterr().out
  assert said.startswith(f"device: {device()}, jax {jax.__version__}\n")
  assert "s, failed: ValueError: no such device" in said
  names = ["fails.err", "flags.md", "seen", "works.md"]
  assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
  assert (tmp_path / "out/flags.md").read_text().startswith("false ")
  with pytest.raises(SystemExit, match="--only=x; choose some of works, fails, flags"):
    module.main(tmp_path / "out", "x")


def test_stream_times_an_epoch_on_data_in_parts(tables, tmp_path):
  sizes = {"ROWS": 2000, "DOMAINS": 8, "IDS": {"num_users": 50, "num_items": 40}, "BATCH": 32}
  sizes |= {"STREAM": 8, "MODEL": {"embedding_size": 4, "hidden": (6,)}}
  (rows,) = tables("benchmarks.stream", str(tmp_path), 2000, 8, METHODS=("alternate",), **sizes)
  (per_second,), (seconds,) = numbers(rows, "rows/s"), numbers(rows, "epoch, s")
  assert per_second > 0 and 0 <= seconds < 60
  (held,), (peak,) = numbers(rows, "held, GiB"), numbers(rows, "peak, GiB")
  assert 0.1 < held < peak


def test_serving_times_requests_files_and_recommendations(tables, negotiated):
  sizes = {"REQUESTS": 5, "ROWS": 40, "USERS": 4, "FEW": 2, "ITEMS": 50, "SIZE": 4}
  found = tables("benchmarks.serving", str(negotiated[0] / files.MODEL), **sizes)
  assert (numbers(found[0], "p50, ms") <= numbers(found[0], "p99, ms")).all()
  assert numbers(found[1], "rows/s").min() > 0
  assert [row[1:3] for row in found[2][1:]] == [["20", "4"], ["50", "2"]]


def test_adding_tells_what_a_domain_takes_as_models_grow(tables, monkeypatch):
  module = importlib.import_module("benchmarks.adding")
  monkeypatch.setattr(module.backend, "keep_compiled", lambda: None)
  sizes = {"CASES": ((5, 40), (6, 60)), "ROWS": 40, "REPEATS": 1, "EPOCHS": 1, "SIZE": 4}
  (rows,) = tables("benchmarks.adding", HIDDEN=(4,), **sizes)
  assert [row[:2] for row in rows[1:]] == [["5", "40"], ["6", "60"]]
  assert numbers(rows, "s to load").size == 2 and numbers(rows, "s to add").min() > 0
  assert numbers(rows, "over the first")[0] == 1


def test_generator_draws_as_many_rows_a_domain_of_few_and_of_many(tables, monkeypatch):
  monkeypatch.chdir(ROOT)
  (rows,) = tables("benchmarks.generator", 70, DOMAINS=(3, 120))
  assert [row[:2] for row in rows[1:]] == [["3", "210"], ["120", "8,400"]]
  peak, held = numbers(rows, "peak, GiB"), numbers(rows, "held, GiB")
  assert (held > 0.02).all() and (held < peak).all() and peak.max() < 1
  assert numbers(rows, "seconds").min() > 0 and numbers(rows, "million rows/s").size == 2


def test_amazon_6_trains_and_tells_its_memory(tmp_path, monkeypatch):
  monkeypatch.chdir(ROOT)
  monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
  rng, pairs = np.random.default_rng(0), [(user, item) for user in range(30) for item in range(30)]
  (tmp_path / "raw").mkdir()
  for category in AMAZON["6"]:
    lines = [f"u{user},{category}{item}" for user, item in rng.permutation(pairs)[:120]]
    (tmp_path / "raw" / f"{category}.csv").write_text("\n".join(["user,item", *lines]) + "\n")
  command = ["results/amazon_6.sh", tmp_path / "raw", tmp_path, "domain_negotiation"]
  done = subprocess.run(command, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr[-2000:]
  assert float(re.search(r"peak resident memory: (\d+\.\d+) GiB", done.stdout)[1]) < 8
  result = files.read_json(tmp_path / "amazon_6_domain_negotiation" / files.RESULT)
  assert list(result["runs"][0]["test"]["auc"]) == list(AMAZON["6"])


def test_timing_takes_the_least_of_the_repeats_all_cases_in_turn(monkeypatch):
  timing = importlib.import_module("benchmarks.timing")
  took = {"a": iter((3.0, 1.0)), "b": iter((2.0, 5.0))}
  monkeypatch.setattr(timing, "seconds", lambda run: next(took[run]))
  assert timing.best_of(("a", "b"), 2).tolist() == [1.0, 2.0]


def test_timing_draws_full_minibatches_contiguous_by_domain():
  timing = importlib.import_module("benchmarks.timing")
  data = timing.random_batches({"user": 5}, num_domains=3, per_domain=2, batch_size=4)
  assert data.batch.ids["user"].shape == data.batch.label.shape == (6, 4)
  assert data.batch.domain.tolist() == [0, 0, 1, 1, 2, 2]
  assert data.start.tolist() == [0, 2, 4] and data.count.tolist() == [2, 2, 2]
  assert (data.batch.weight == 1).all() and data.batch.ids["user"].max() < 5


def test_domains_times_a_pass_of_every_case_and_leaves_table_and_picture(tables, tmp_path):
  module = importlib.import_module("benchmarks.domains")
  some = {case: module.CASES[case] for case in ("DR on tables, bounded",)}
  sizes = {"DOMAINS": (3, 5), "BATCH": 4, "SIZE": 2, "HIDDEN": (2,), "ENOUGH": 0.01}
  (rows,) = tables("benchmarks.domains", str(tmp_path), CASES=some, **sizes)
  assert [row[0] for row in rows[1:]] == [*some, "evaluation"]
  assert numbers(rows, "last / first").min() > 0
  assert (tmp_path / "domains.png").stat().st_size > 1000
