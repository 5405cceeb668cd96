"""Scripts of benchmarks/ run, at a tiny size, and print what they say: those of the platform."""

import importlib

import jax
import pytest
from made_results import ROOT
from scripts import numbers

from mamdr_jax import files
from mamdr_jax.machine import device


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_domains_times_a_pass_of_every_case_and_leaves_table_and_picture(tables, tmp_path):
  module = importlib.import_module("benchmarks.domains")
  some = {case: module.CASES[case] for case in ("DR on tables, bounded",)}
  sizes = {"DOMAINS": (3, 5), "BATCH": 4, "SIZE": 2, "HIDDEN": (2,), "ENOUGH": 0.01}
  (rows,) = tables("benchmarks.domains", str(tmp_path), CASES=some, **sizes)
  assert [row[0] for row in rows[1:]] == [*some, "evaluation"]
  assert numbers(rows, "last / first").min() > 0
  assert (tmp_path / "domains.png").stat().st_size > 1000


@pytest.mark.slow
def test_workers_takes_a_round_from_a_cache_and_step_by_step(tables, monkeypatch, tmp_path):
  monkeypatch.chdir(ROOT)
  (rows,) = tables("benchmarks.workers", str(tmp_path), WORKERS=(2,), IDS={"uniform": 0.0})
  assert [row[:2] for row in rows[1:]] == [["uniform", "2"]]
  assert numbers(rows, "times faster").min() > 1
  assert numbers(rows, "MiB, cache") < numbers(rows, "MiB, every step")


@pytest.mark.slow
def test_kills_end_all_and_change_nothing(tables, monkeypatch, tmp_path):
  monkeypatch.chdir(ROOT)
  (rows,) = tables("benchmarks.kills", str(tmp_path), 1, 3)
  assert [row[-1] for row in rows[1:]] == ["yes"]
