"""The measures of a run, and those of its stored model on rows of a file, against loops."""

import csv
import json
import shutil

import numpy as np
import pyarrow as pa
import pytest
from measured_run import NAMES, config, raw
from pyarrow import csv as arrow
from sklearn.metrics import log_loss, ndcg_score, roc_auc_score

from mamdr_jax import distribution, experiment, files, serve
from mamdr_jax.data import SPLITS
from mamdr_jax.serve import figures
from mamdr_jax.serve.all_items import drawn, over_all_items
from mamdr_jax.serve.evaluate import evaluate, of_some, read


@pytest.fixture(scope="module")
def model(measured):
  return serve.load(measured.model)


def by_hand(score, rows, domain):
  """name -> what the rows of a domain come to, user by user."""
  own = rows["domain"] == domain
  p, y, user = score[own], rows["label"][own], rows["user"][own]
  lists = [(p[user == u], y[user == u]) for u in np.unique(user)]
  both = [(s, z) for s, z in lists if 0 < z.sum() < z.size]
  some = [(s, z) for s, z in lists if z.any()]
  hit = lambda s, z: float(z[np.argsort(-s, kind="stable")[:2]].any())
  gain = lambda s, z: ndcg_score(z[None], s[None], k=3) if z.size > 1 else 1.0
  assert len(np.unique(p)) == p.size and both
  return {
    "gauc": np.average([roc_auc_score(z, s) for s, z in both], weights=[z.size for _, z in both]),
    "ndcg@3": np.mean([gain(*of) for of in some]),
    "hr@2": np.mean([hit(*of) for of in some]),
    "pcoc": p.mean() / y.mean(),
    "log_loss": log_loss(y, p),
  }


def test_measures_are_added_to_what_had_ended(measured, model):
  rows, after = measured.rows, json.loads((measured.workdir / files.RESULT).read_text())
  assert after == measured.after
  score, told = model.score(rows), after["runs"][0]["test"]["measures"]
  assert list(told) == ["gauc", "ndcg@3", "hr@2", "pcoc", "ece", "log_loss"]
  for name in ("D1", "D2", "D3"):
    for key, value in by_hand(score, rows, name).items():
      assert told[key]["by_domain"][name] == pytest.approx(value, rel=1e-6), key
  for one in told.values():
    assert one["mean"] == pytest.approx(np.mean(list(one["by_domain"].values())))
  lists = set(zip(rows["user"], rows["domain"], strict=True))
  assert told["gauc"]["users"] + told["gauc"]["left_out"] == len(lists)
  for split in ("valid", "test"):
    assert after["runs"][0][split].pop("measures")
  assert after["config"].pop("measures")
  assert after | {"config": after["config"] | {"measures": []}} == measured.before


def test_they_are_there_from_the_start_and_stay(measured, tmp_path, capsys):
  runs = measured.after["runs"]
  fresh = experiment.run(config(measures=NAMES), tmp_path / "run")["runs"]
  assert [[run[split] for split in ("valid", "test")] for run in fresh] == [
    [run[split] for split in ("valid", "test")] for run in runs
  ]
  assert experiment.run(config(measures=("gauc",)), tmp_path / "run")["runs"] == fresh
  assert "nothing was run" in capsys.readouterr().err
  assert "test_mean_ndcg@3" in (measured.workdir / files.CSV).read_text().splitlines()[0]


def test_they_are_added_to_all_runs_of_a_sweep(tmp_path):
  sweep, some = {"sweep.seed": (0, 1)}, ("gauc", "log_loss")
  before = experiment.run(config(**sweep), tmp_path / "run")["runs"]
  lines = (tmp_path / "run" / files.METRICS).read_bytes()
  experiment.run(config(**sweep, measures=some[:1]), tmp_path / "run")
  after = experiment.run(config(**sweep, measures=some), tmp_path / "run")["runs"]
  assert (tmp_path / "run" / files.METRICS).read_bytes() == lines  # nothing was trained
  fresh = experiment.run(config(**sweep, measures=some), tmp_path / "fresh")["runs"]
  for split in ("valid", "test"):
    assert [run[split] for run in after] == [run[split] for run in fresh]
  told = [run["test"]["measures"] for run in after]
  assert len(told) == 2 and told[0] != told[1] and all(list(x) == [*some] for x in told)
  for run in after:
    del run["valid"]["measures"], run["test"]["measures"]
  assert after == before


def test_without_the_best_states_none_can_be_added(measured, tmp_path):
  shutil.copytree(measured.workdir, tmp_path / "run")
  (tmp_path / "run" / "runs" / "0000.npz").unlink()
  with pytest.raises(ValueError, match=r"0000.npz is missing, without which the run cannot be mea"):
    experiment.run(config(measures=("ndcg@5",)), tmp_path / "run")


@pytest.mark.parametrize(
  ("measures", "said"),
  [
    (("ndcg",), r"measures: unknown measure 'ndcg'; choose some of gauc, ndcg@K"),
    (("hr@0",), r"unknown measure 'hr@0'"),
    (("auc",), r"unknown measure 'auc'"),
    ((3,), r"unknown measure 3"),
  ],
)
def test_what_is_no_measure_is_told(measures, said, tmp_path):
  with pytest.raises(ValueError, match=said):
    experiment.run(config(measures=measures), tmp_path / "run")


def test_a_file_of_rows_has_the_figures_of_the_run(measured, model):
  found = evaluate(read(model, measured.source), k=3)
  told = measured.after["runs"][0]["test"]
  assert found.domains == ["D1", "D2", "D3"]
  assert found.rows.sum() == measured.rows["label"].size
  auc = list(told["auc"].values())
  np.testing.assert_allclose(found.measures["auc"].value, auc, rtol=1e-6)
  for name in set(found.measures) & set(told["measures"]):
    expected = list(told["measures"][name]["by_domain"].values())
    np.testing.assert_allclose(found.measures[name].value, expected, rtol=1e-6)
  assert set(found.measures) - set(told["measures"]) == {"auc", "hr@3"}


def test_figures_are_written_as_text_and_files(measured, model, tmp_path, monkeypatch):
  found = of_some(evaluate(read(model, measured.source)))
  lines = figures.table_of(found).splitlines()
  assert " ".join(lines[0].split()) == (
    "| domain | rows | AUC | GAUC | NDCG@10 | HR@10 | PCOC | ECE | log loss |"
  )
  assert lines[-1].startswith("| mean over domains") and len(lines) == 6
  figures.write(found, tmp_path / "figures.csv")
  with (tmp_path / "figures.csv").open() as file:
    first = next(csv.DictReader(file))
  assert first["domain"] == "D1" and float(first["gauc"]) == found.measures["gauc"].value[0]
  users = found.measures["gauc"].users
  assert int(first["gauc users"]) == users.counted[0] and int(first["gauc left_out"]) > 0
  figures.write(found, tmp_path / "figures.json")
  told = json.loads((tmp_path / "figures.json").read_text())
  assert told["auc"]["by_domain"]["D2"] == found.measures["auc"].value[1]
  assert told["positives"] == dict(zip(found.domains, found.positives.tolist(), strict=True))
  with pytest.raises(ValueError, match=r"a.txt: expected a name that ends in .json or .csv"):
    figures.check(tmp_path / "a.txt")
  monkeypatch.setattr(distribution, "MOST_LISTED", 2)
  monkeypatch.setattr(distribution, "NUM_EXTREMES", 1)
  names = [line.split("|")[1].strip() for line in figures.table_of(found).splitlines()[2:]]
  assert names[0] == "lowest" and names[6] == "highest" and names[7] == "largest: D1"


def test_what_training_never_saw_counts_under_its_own_name(model, tmp_path):
  text = "user,item,domain,label\nx,1,D1,1\ny,1,D1,0\nx,2,new,1\nx,3,other,0\nx,4,new,0\n"
  (tmp_path / "rows.csv").write_text(text)
  with pytest.raises(ValueError, match=r"rows.csv, line 4: the model has no domain 'new'"):
    read(model, tmp_path / "rows.csv")
  found = of_some(evaluate(read(model, tmp_path / "rows.csv", "shared")))
  assert found.domains == ["D1", "new", "other"] and found.rows.tolist() == [2, 2, 1]
  assert found.measures["gauc"].users.counted.tolist() == [0, 1, 0]  # x and y are two users
  (tmp_path / "rows.csv").write_text(text.replace("y,1,D1,0", "y,1,D1,maybe"))
  with pytest.raises(ValueError, match=r"line 3: the label is 'maybe', expected 0 or 1"):
    read(model, tmp_path / "rows.csv", "shared")


def test_lists_over_all_items_are_those_of_a_loop(measured, model, tmp_path):
  """Every item of the domain but those that the user had, the user's positives among them."""
  data, test = measured.data, measured.data.split == SPLITS.index("test")
  rows = raw(data, np.arange(data.label.size))
  seen = {name: rows[name][~test] for name in ("domain", "user", "item")}
  arrow.write_csv(pa.table(seen), tmp_path / "seen.csv")
  labelled = read(model, measured.source)
  found = over_all_items(model, labelled, [tmp_path / "seen.csv"], num_users=1000, k=4)
  items_of = lambda own: set(rows["item"][own].tolist())
  for d, name in enumerate(data.domains):
    here, values = rows["domain"] == name, []
    for user in range(8):
      own = here & (rows["user"] == user)
      liked = items_of(own & test & (data.label > 0))
      items = sorted(items_of(here) - items_of(own & ~test) | liked)
      if liked:
        score = model.score(user=user, item=items, domain=name)
        label = np.array([item in liked for item in items], int)
        best = label[np.argsort(-score, kind="stable")[:4]].any()
        values.append((ndcg_score(label[None], score[None], k=4), float(best)))
    assert len(values) > 2
    of = [found[key].value[d] for key in ("ndcg@4/all", "hr@4/all")]
    np.testing.assert_allclose(of, np.mean(values, 0), rtol=1e-6)
    assert found["hr@4/all"].users.counted[d] == len(values)


def test_lists_are_drawn_evenly_over_domains_and_the_same_again():
  domain = np.repeat([0, 1, 3], [50, 3, 20])
  which = drawn(domain, 20, seed=0)
  assert np.bincount(domain[which]).tolist() in ([9, 3, 0, 8], [8, 3, 0, 9])
  assert which.tolist() == drawn(domain, 20, seed=0).tolist() != drawn(domain, 20, seed=1).tolist()
  assert drawn(domain, 1000, seed=0).tolist() == list(range(73))
