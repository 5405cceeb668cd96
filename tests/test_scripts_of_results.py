"""The scripts of results/ run, at a tiny size, and print what they say."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import optax
import pandas as pd
import pytest
from made_results import ROOT, a_result, a_run, save
from scripts import numbers
from tiny_experiment import tiny

from mamdr_jax import experiment, files
from mamdr_jax.assembly import read_data
from mamdr_jax.data.amazon import AMAZON
from mamdr_jax.measures import BY_DOMAIN, MEAN, MEASURES
from results.settings import ONE_IN


@pytest.fixture
def few(monkeypatch):
  """Three small domains in place of the data sets, models of a few numbers, short runs."""
  module = importlib.import_module("results.new_domain")
  config = tiny("alternate", **{"data.features": "ids"})
  monkeypatch.setattr(module, "MODEL", {"embedding_size": 4, "hidden": (4,)})
  monkeypatch.setattr(module, "TRAINING", {"batch_size": 16, "epochs": 2, "alpha": 0.05})
  monkeypatch.setitem(module.SETS, "synthetic", lambda path: read_data(config))
  return {"BASE": "alternate", "SEEDS": (0,), "ALPHA": (0.05,)}


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_more_data_tells_what_each_way_is_worth_on_first_rows_and_later_ones(tables, few, tmp_path):
  ways = importlib.import_module("results.more_data").WAYS
  ways = dict(list(ways.items())[:2])
  (rows,) = tables("results.more_data", str(tmp_path), WAYS=ways, **few)
  assert [row[0] for row in rows[1:]] == list(ways)
  first, later = ([float(row[i].split()[0]) for row in rows[1:]] for i in (1, 2))
  assert min(first + later) > 0.2 and max(first + later) < 1 and len({*first}) > 1
  some, rest = numbers(rows, "training rows")
  assert 0.4 < rest / some < 1 and numbers(rows, "best epoch").min() >= 1


@pytest.mark.slow
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


def test_map_names_who_is_best_in_every_cell(tables, tmp_path):
  auc = {"rows=100": (0.6, 0.7, 0.65), "rows=400": (0.7, 0.701, 0.6), "rows=1600": (0.8, 0.7, 0.5)}
  for x, values in auc.items():
    for method, value in zip(("alternate", "mamdr", "separate"), values, strict=True):
      run = a_run((value,) * 2, valid=(value + 0.1,) * 2)
      save(tmp_path / "study" / x / "conflict=0.5" / method / "0", a_result([run], method))
  (rows,) = tables("results.map", tmp_path / "study", tmp_path / "out")
  assert [row[:2] for row in rows[1:]] == [[x.partition("=")[2], "0.5"] for x in auc]
  assert [row[-2:] for row in rows[1:]] == [
    ["MAMDR", "+0.1000"], ["MAMDR, Alternate", "+0.0010"], ["Alternate", "+0.0000"],
  ]  # fmt: skip
  assert rows[2][2:5] == ["0.7000", "0.7010", "0.6000"]
  assert (tmp_path / "out/map.png").stat().st_size > 1000
  with pytest.raises(ValueError, match="no cell with alternate and others has ended"):
    importlib.import_module("results.map").cells_of(tmp_path / "out")


def test_which_tells_the_gain_of_every_way_with_a_common_epoch_and_one_a_domain(tables, tmp_path):
  study, tested = tmp_path / "study", {"rows": {"A": 30, "B": 90}}
  simple = a_run((0.55, 0.65))
  ways = {"alternate": 0.0, "mamdr": 0.05, "domain_negotiation": 0.02, "separate": -0.1}
  for method, gain in ways.items():
    for r in (1, 2, 3):
      auc = np.array([0.7, 0.6]) + gain + 0.001 * r
      more = {"stopped": r > 1, "seconds": 10.0 * r, "seed": r}
      run = a_run(auc.tolist(), **more)
      run["test"][MEASURES] = {
        "gauc": {MEAN: 0.6 + gain, BY_DOMAIN: {"A": 0.5 + gain, "B": 0.7 + gain}}
      }
      data = {"name": "amazon", "domains": "6", "split_seed": r}
      result = a_result([run], method=method, data=data)
      result |= {"tested": tested, "rates": ["alpha"]}
      folder = save(study / method / str(r), result | {"baselines": simple})
      lines = [json.loads(line) for line in (folder / files.METRICS).read_text().splitlines()]
      (folder / files.METRICS).unlink()
      for epoch, line in enumerate(lines):  # A is best after the first epoch, B after the second
        valid = [[0.9, 0.5], [0.8, 0.7], [0.7, 0.6]][epoch]
        line |= {"valid": {"auc": [valid]}, "test": {"auc": [(auc + 0.01 * epoch).tolist()]}}
        files.append_line(folder / files.METRICS, line)
  csv = tmp_path / "six_domains.csv"
  importlib.import_module("results.which").main("keep", csv, [study])
  gains, rows = tables("results.which", "tell", tmp_path / "out", [csv])
  assert gains == [
    ["way to train", "six domains", "mean", "least"], ["Alternate", *["+0.0000"] * 3],
    ["Separate", *["-0.1000"] * 3], ["DN", *["+0.0200"] * 3], ["MAMDR", *["**+0.0500**"] * 3],
  ]  # fmt: skip
  found = {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[1:]}
  assert found["Alternate"]["test AUC"].startswith("0.6520 ± ")
  assert found["Alternate"]["weighted"].startswith("0.6270 ± ")  # 30 and 90 rows
  assert found["MAMDR"]["an epoch a domain"].startswith("**0.7070 ± ")
  assert found["MAMDR"]["GAUC"].startswith("**0.6500 ± ")
  assert found["MAMDR"]["over alternate"] == "+0.0500" and float(found["MAMDR"]["p"]) < 0.01
  assert found["Separate"]["RANK"] == "4.00 ± 0.00"
  assert found["Separate"]["over alternate"] == "-0.1000"
  assert found["Separate"]["rates α, β, γ"] == "0.01, –, –"
  assert found["item popularity"]["test AUC"].startswith("0.6000")
  assert {found[name]["capped"] for name in ("Alternate", "MAMDR")} == {"1 of 3"}
  assert (tmp_path / "out/gains.png").stat().st_size > 1000
  told = (tmp_path / "out/which.md").read_text()
  assert re.search(r"MAMDR less DN: \+0\.0300, p = .*, above it in 2 of 2 domains\.", told)
  with pytest.raises(ValueError, match="no replicate has ended"):
    importlib.import_module("results.which").kept(tmp_path / "out")


def test_settings_share_users_or_items(tables, tmp_path):
  rng, amazon = np.random.default_rng(0), tmp_path / "amazon"
  amazon.mkdir()
  for category in dict.fromkeys((*AMAZON["13"], "Digital_Music", "Prime_Pantry")):
    pairs = [f"u{user},{category}{item}" for user, item in rng.integers(40, size=(200, 2))]
    (amazon / f"{category}.csv").write_text("\n".join(["user,item", *pairs]) + "\n")
  ratings = [f"{u},{i},{i % 3},{r}" for u, i, r in rng.integers(1, 6, size=(4000, 3))]
  epinions = tmp_path / "ratings.csv"
  epinions.write_text("\n".join(["user,item,category,rating", *ratings]) + "\n")
  out = tmp_path / "out"
  sizes = {"SMALLEST": 1, "CORE": 100, "ONE_IN": dict.fromkeys(ONE_IN, 1)}
  (rows,) = tables("results.settings", amazon, epinions, out, **sizes)
  found = {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[1:]}
  shares = lambda name: [found[name][f"{of} in several, %"] for of in ("users", "items")]
  assert found["amazon_13_quarter"]["domains"] == "13"
  assert found["amazon_6_few"]["domains"] == "6"
  for name in ("amazon_6_few", "amazon_13_cores", "amazon_13_quarter", "epinions_categories"):
    assert shares(name) == ["100", "0"]
  for name in ("epinions_groups", "music_groups", "pantry_at_random"):
    users, items = shares(name)
    assert users == "0" and float(items) > 50
  assert {path.name for path in out.iterdir()} == {f"{name}.csv.gz" for name in found}
  settings = importlib.import_module("results.settings")
  with pytest.raises(FileNotFoundError, match=r"Digital_Music\.csv"):
    settings.category(out, "Digital_Music")


def test_the_densest_core_has_users_and_items_of_k_rows(monkeypatch):
  settings = importlib.import_module("results.settings")
  square = [(user, item) for user in "abc" for item in "xyz"]  # a 3-core
  tail = [("a", "p"), ("d", "p"), ("d", "q"), ("e", "q")]  # a and p, d, q are a chain to e
  rows = pd.DataFrame([*square, *tail], columns=["user", "item"])
  for least, left in ((13, 13), (9, 9), (14, 13)):
    monkeypatch.setattr(settings, "CORE", least)
    assert (
      settings.densest(rows)[["user", "item"]].apply(tuple, axis=1).tolist()
      == ([*square, *tail][:left])
    )


def test_defaults_are_told_beside_a_search(tables, monkeypatch, tmp_path):
  rng = np.random.default_rng(0)
  lines = [f"u{u},i{i},d{d},{y}" for u, i, d, y in zip(*rng.integers([[20], [15], [3], [2]],
           size=(4, 300)), strict=True)]  # fmt: skip
  path = tmp_path / "clicks.csv"
  path.write_text("\n".join(["user,item,shop,clicked", *lines]) + "\n")
  module = importlib.import_module("results.defaults")
  data = module.given(["domain=shop", "label=clicked", "split_at=(0.5, 0.8)"])
  assert data == {"domain": "shop", "label": "clicked", "split_at": (0.5, 0.8)}
  made = module.shipped.get_config

  def short(arg):
    config = made(arg)
    config.model.update(embedding_size=4, hidden=(4,))
    config.epochs = 2
    return config

  monkeypatch.setattr(module.shipped, "get_config", short)
  sizes = {"TRIALS": 2, "METHODS": {"domain_negotiation": (module.ALPHA, module.BETA)}}
  (rows,) = tables("results.defaults", tmp_path / "out", {"path": str(path)} | data, **sizes)
  assert [row[:2] for row in rows[1:]] == [["DN", "default"], ["DN", "search"]]
  assert numbers(rows, "runs").tolist() == [4, 2]  # two α and two β, and as many trials
  assert (numbers(rows, "test AUC") < 1).all()
