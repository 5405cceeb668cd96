"""Scores of another system: of the same rows, with the same figures, in the same tables."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pytest
from made_results import read_all
from pyarrow import csv

from mamdr_jax import again, external, files, report, serve
from mamdr_jax.external import __main__ as command


@pytest.fixture(scope="module")
def tested(measured, tmp_path_factory):
  """The test rows as they are written for other systems."""
  out = tmp_path_factory.mktemp("rows")
  counts = external.write_rows(measured.workdir, out)
  assert counts == {"train": 160, "valid": 54, "test": 56}
  return csv.read_csv(out / "test.csv")


def scored(path, table, score, **more):
  """A file of scores of such rows."""
  for name, column in {"score": score, **more}.items():
    table = table.append_column(name, pa.array(column))
  csv.write_csv(table, path)
  return path


def test_scores_of_the_stored_model_have_the_figures_of_the_run(measured, tested, tmp_path):
  score = serve.load(measured.model).score(tested)
  order = np.random.default_rng(0).permutation(score.size)
  path = scored(tmp_path / "scores.csv", tested.take(order), score[order])
  bare = scored(tmp_path / "bare.csv", tested.drop_columns("label"), score)
  own = measured.after["runs"][0]
  for name, source in {"lightgbm": path, "other": bare}.items():
    result = external.import_scores(source, measured.workdir, name, tmp_path / name)
    (run,) = result["runs"]
    assert (run["checked"], run["seed"]) == ("rows", own["seed"])
    for key in ("auc", "mean_auc", "weighted_auc"):
      assert run["test"][key] == own["test"][key]
    assert run["test"]["log_loss"] == pytest.approx(own["test"]["log_loss"], rel=1e-6)
    for key, measure in own["test"]["measures"].items():
      assert run["test"]["measures"][key]["mean"] == pytest.approx(measure["mean"], rel=1e-6)
  found = read_all(measured.workdir, tmp_path / "lightgbm")
  cells = report.cells_of(found)
  assert report.average_ranks(cells).tolist() == [1.5, 1.5]
  assert report.paired(*cells)[2:6:2] == (0.0, 0)
  written = report.write_report([measured.workdir, tmp_path / "lightgbm"], tmp_path / "out")
  text = written[0].read_text()
  assert "Alternate − lightgbm" in text and "What has the model `external`" in text


def test_scores_that_are_no_probabilities_have_no_log_loss(measured, tested, tmp_path):
  raw = 10 * serve.load(measured.model).score(tested) - 5
  path = scored(tmp_path / "scores.csv", tested, raw)
  (run,) = external.import_scores(path, measured.workdir, "raw", tmp_path / "raw")["runs"]
  assert run["test"]["auc"] == measured.after["runs"][0]["test"]["auc"]
  assert run["test"]["log_loss"] is None
  assert list(run["test"]["measures"]) == ["gauc", "ndcg@3", "hr@2"]


def test_runs_are_told_by_their_seeds(measured, tested, tmp_path):
  twice = pa.concat_tables([tested, tested])
  size = tested.num_rows
  score = np.concatenate([np.zeros(size), tested["label"].to_numpy()])
  path = scored(tmp_path / "scores.csv", twice, score, run=np.repeat([3, 0], size))
  runs = external.import_scores(path, measured.workdir, "two", tmp_path / "two")["runs"]
  assert [(run["seed"], run["test"]["mean_auc"]) for run in runs] == [(0, 1.0), (3, 0.5)]
  short = scored(tmp_path / "scores.csv", twice[:-1], score[:-1], run=np.repeat([3, 0], size)[:-1])
  with pytest.raises(
    ValueError, match=r"lacks 1 test rows of .* in run 0, one of them domain 'D3'"
  ):
    external.import_scores(short, measured.workdir, "two", tmp_path / "two")


def edited(tested, how):
  """Lines of a file of scores of 0.5, changed."""
  lines = ["domain,user,item,label,score"]
  lines += [",".join(map(str, row.values())) + ",0.5" for row in tested.to_pylist()]
  how(lines)
  return "\n".join(lines) + "\n"


def cell(line, column, text):
  def change(lines):
    cells = lines[line - 1].split(",")
    cells[column] = text
    lines[line - 1] = ",".join(cells)

  return change


@pytest.mark.parametrize(
  ("how", "said"),
  [
    (lambda lines: lines.pop(), r"lacks 1 test rows of .*run, one of them domain 'D3', user '\d+'"),
    (lambda lines: lines.append(lines[4]), r"line 58: one row more than .* has of this one"),
    (cell(3, 0, "D9"), r"line 3: .* has no domain 'D9'"),
    (cell(4, 2, "999"), r"line 4: the data of .* have no item '999'"),
    (cell(5, 4, "nan"), r"line 5: the score is 'nan', expected a finite number"),
    (cell(5, 4, ""), r"line 5: the score is '', expected a finite number"),
    (cell(6, 3, "2"), r"line 6: the label is '2', expected 0 or 1"),
    (cell(1, 4, "points"), r"has no column 'score', only domain, user, item, label, points"),
  ],
)
def test_other_rows_are_never_compared(how, said, measured, tested, tmp_path):
  (tmp_path / "scores.csv").write_text(edited(tested, how))
  with pytest.raises(ValueError, match=said):
    external.import_scores(tmp_path / "scores.csv", measured.workdir, "x", tmp_path / "x")
  assert not (tmp_path / "x").exists()


def test_rows_with_another_label_are_other_rows(measured, tested, tmp_path):
  wrong = cell(2, 3, str(1 - tested["label"][0].as_py()))
  (tmp_path / "scores.csv").write_text(edited(tested, wrong))
  with pytest.raises(ValueError, match=r"line 2: no test row of .* is this one"):
    external.import_scores(tmp_path / "scores.csv", measured.workdir, "x", tmp_path / "x")


def test_where_data_are_not_at_hand_counts_are_compared_and_that_is_said(
  measured, tested, tmp_path, capsys
):
  path = scored(tmp_path / "scores.csv", tested, np.zeros(56))
  there = json.loads((measured.workdir / files.RESULT).read_text())
  there["config"]["data"]["cache"] = "elsewhere"
  shutil.copytree(measured.workdir, tmp_path / "like")
  files.write_json(tmp_path / "like" / files.RESULT, there)
  result = external.import_scores(path, tmp_path / "like", "x", tmp_path / "x")
  assert result["runs"][0]["checked"] == "counts"
  assert "whether of the same rows was not looked at" in capsys.readouterr().err
  noted = report.compose(read_all(tmp_path / "x"))
  assert "- x on synthetic: its scores are of as many rows and positives in each domain" in noted
  fewer = scored(tmp_path / "fewer.csv", tested[1:], np.zeros(55))
  with pytest.raises(ValueError, match=r"domain 'D1' has 24 rows and \d positives, and the test s"):
    external.import_scores(fewer, tmp_path / "like", "x", tmp_path / "x")
  del there["tested"]
  files.write_json(tmp_path / "like" / files.RESULT, there)
  result = external.import_scores(path, tmp_path / "like", "x", tmp_path / "x")
  assert result["runs"][0]["checked"] == "nothing"
  assert "could not be looked at" in capsys.readouterr().err
  bare = scored(tmp_path / "bare.csv", tested.drop_columns("label"), np.zeros(56))
  with pytest.raises(ValueError, match=r"bare.csv has no column 'label', and the data of .* are"):
    external.import_scores(bare, tmp_path / "like", "x", tmp_path / "x")


def test_data_that_have_changed_since_are_refused(measured, tmp_path, monkeypatch):
  other = again.data_of(measured.workdir)
  monkeypatch.setattr(again, "data_of", lambda *_: other._replace(label=1 - other.label))
  with pytest.raises(ValueError, match=r"its data are not those that it was trained on"):
    external.write_rows(measured.workdir, tmp_path / "rows")


def test_what_cannot_be_asked_is_told(measured, tested, tmp_path):
  path = scored(tmp_path / "scores.csv", tested, np.zeros(56))
  for name in ("mamdr", "alternate+finetune", "fish", " "):
    with pytest.raises(ValueError, match=r"expected one that no method here has"):
      external.import_scores(path, measured.workdir, name, tmp_path / "x")
  with pytest.raises(ValueError, match=r"holds something else than scores"):
    external.import_scores(path, measured.workdir, "x", measured.workdir)
  external.import_scores(path, measured.workdir, "x", tmp_path / "x")
  external.import_scores(path, measured.workdir, "y", tmp_path / "x")  # in place of the one before
  with pytest.raises(ValueError, match=r"has the scores of another system"):
    external.import_scores(path, tmp_path / "x", "z", tmp_path / "z")
  for words, options, said in (
    (["rows"], {}, "give a command, one of rows, import, and what it takes"),
    (["import", "a"], {"like": "b", "name": "c", "out": None}, "import: --out is lacking"),
    (["rows", str(tmp_path)], {"out": "x"}, "holds no experiment"),
  ):
    with pytest.raises(SystemExit, match=said):
      command.main(words, options, False)
