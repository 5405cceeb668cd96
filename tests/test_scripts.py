"""Scripts of benchmarks/ run, at a tiny size, and print what they say: those that time pieces."""

import importlib

import jax
import numpy as np
import pytest
from made_results import ROOT, rows_of
from scripts import numbers

from mamdr_jax.methods import METHODS
from mamdr_jax.models import MODELS

FOLDERS = ROOT / "results", ROOT / "benchmarks"
SCRIPTS = sorted(path for folder in FOLDERS for path in folder.glob("*.[ps][yh]"))
HERE = tuple(path.stem for path in sorted((ROOT / "tests").glob("test_scripts*.py")))


def test_every_script_has_a_test():
  tests = [name for module in HERE for name in vars(importlib.import_module(module))]
  assert len(SCRIPTS) >= 9
  for path in SCRIPTS:
    assert any(name.startswith(f"test_{path.stem}_") for name in tests), path


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


@pytest.mark.slow
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


def test_methods_draws_a_line_of_every_method(tmp_path):
  module = importlib.import_module("benchmarks.methods")
  module.draw({name: np.array(module.DOMAINS) * 0.1 for name in METHODS}, tmp_path / "a.png")
  assert (tmp_path / "a.png").stat().st_size > 1000


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_readers_account_for_every_row(tmp_path, capsys):
  module = importlib.import_module("benchmarks.readers")
  for name in module.OPTIONS:
    made = module.make(name, tmp_path / name, 1200)
    module.one(name, tmp_path / name)
    count, accounted, spent, _ = (float(x) for x in capsys.readouterr().out.split())
    assert made == accounted == 1200 and count > 400 and spent > 0, name
