"""What a workdir holds of very many domains: quantiles as text, and arrays beside it."""

import json
import os

import numpy as np
import pytest
from handmade import timeless
from test_damage import Killed, in_order
from tiny_experiment import assert_same_states, tiny

from mamdr_jax import distribution, experiment, files, report, results
from mamdr_jax.workdir import epochs

pytestmark = pytest.mark.usefixtures("compiled_once")
DOMAINS = ["D1", "D2", "D3"]


@pytest.fixture(autouse=True)
def three_are_many(monkeypatch):
  monkeypatch.setattr(distribution, "MOST_LISTED", 2)


def config(**changes):
  return tiny("alternate", **({"sweep.seed": (0, 1), "epochs": 2} | changes))


def run_listing(most, workdir):
  """(workdir, result) of the config, where more domains than `most` are many."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(distribution, "MOST_LISTED", most)
    return workdir, experiment.run(config(), workdir)


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
  """(workdir, result) with the three domains one by one."""
  return run_listing(3, tmp_path_factory.mktemp("listed") / "run")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
  """(workdir, result) with the three domains as many."""
  return run_listing(2, tmp_path_factory.mktemp("many") / "run")


def metrics(workdir):
  return [json.loads(line) for line in (workdir / files.METRICS).read_text().splitlines()]


def test_a_result_is_the_same_however_it_is_written(listed, whole):
  workdir, result = whole
  rows = result.pop("rows")
  assert rows == {"D1": 71, "D2": 53, "D3": 36}  # for the tables of the largest
  assert timeless(result) == timeless(listed[1])
  result["rows"] = rows
  assert results.read(workdir / files.RESULT) == result
  read = report.read(workdir)
  assert [run.pop("passes") for run in read["runs"]] == [12.0, 12.0]
  assert read == result


def test_text_has_quantiles_and_arrays_have_domains(whole):
  workdir, result = whole
  light = json.loads((workdir / files.RESULT).read_text())
  assert light["arrays"] == files.DOMAINS
  auc = result["runs"][1]["test"]["auc"]
  expected = np.quantile(list(auc.values()), [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1])
  told = light["runs"][1]["test"]["auc"]
  assert list(told) == ["lowest", "10 %", "25 %", "median", "75 %", "90 %", "highest"]
  np.testing.assert_allclose(list(told.values()), expected)
  arrays = files.read_arrays(workdir / files.DOMAINS)
  assert arrays["domains"].tolist() == DOMAINS
  assert arrays["runs/1/test/auc"].tolist() == list(auc.values())
  counts = {"domains", "rows", "tested/rows", "tested/positives"}
  assert set(arrays) == counts | {"ceiling/auc"} | {
    f"{of}/{split}/auc" for of in ("runs/0", "runs/1", "baselines") for split in ("valid", "test")
  }


def test_epochs_have_quantiles_and_a_row_of_the_run_s_array(listed, whole):
  workdir, _ = whole
  read = [epochs.read(workdir, run, 3) for run in (0, 1)]
  assert len(metrics(workdir)) == 4
  for line, known in zip(metrics(workdir), metrics(listed[0]), strict=True):
    told = line["valid"].pop("auc")
    (auc,) = known["valid"].pop("auc")
    np.testing.assert_array_equal(read[line["run"][0]][line["epoch"] - 1], np.float32(auc))
    assert (told["lowest"], told["median"], told["highest"]) == (
      [min(auc)], pytest.approx([np.median(auc)]), [max(auc)]
    )  # fmt: skip
    for each in (line, known):
      del each["crc"], each["seconds"]
    assert line == known


def assert_same(workdir, whole):
  assert in_order(workdir) == in_order(whole[0])
  assert_same_states(workdir, whole[0])
  names = {path.relative_to(workdir) for path in workdir.rglob("*")}
  assert names == {path.relative_to(whole[0]) for path in whole[0].rglob("*")}
  for name in ("runs/0000.auc", "runs/0001.auc", "result.domains.npz"):
    assert (workdir / name).read_bytes() == (whole[0] / name).read_bytes()


@pytest.mark.parametrize("after", range(0, 16, 2))
def test_a_kill_between_any_files_costs_nothing(after, whole, tmp_path, monkeypatch):
  calls = [0]

  def counted(do):
    def counting(*args):
      if calls[0] == after:
        raise Killed
      calls[0] += 1
      return do(*args)

    return counting

  with monkeypatch.context() as patch, pytest.raises(Killed):
    patch.setattr(os, "replace", counted(os.replace))
    patch.setattr(files, "append_line", counted(files.append_line))  # its rows are there already
    experiment.run(config(), tmp_path)
  assert timeless(experiment.run(config(), tmp_path)) == timeless(whole[1])
  assert_same(tmp_path, whole)


@pytest.mark.parametrize("damage", ["half", "flip", "gone"])
@pytest.mark.parametrize("name", ["runs/0000.auc", "runs/0000.domains.npz"])
def test_a_damaged_array_is_said_and_trained_again(
  name, damage, whole, tmp_path, monkeypatch, capsys
):
  append = files.append_line

  def appending(path, value):
    if value["run"] == [1]:
      raise Killed
    append(path, value)

  with monkeypatch.context() as patch, pytest.raises(Killed):
    patch.setattr(files, "append_line", appending)
    experiment.run(config(), tmp_path)
  path = tmp_path / name
  content = path.read_bytes()
  at = (content.find(b"\x93NUMPY") + 130) % len(content)  # within an array
  flipped = content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]
  path.unlink()
  if damage != "gone":
    path.write_bytes(flipped if damage == "flip" else content[: len(content) // 2])
  capsys.readouterr()
  assert timeless(experiment.run(config(), tmp_path)) == timeless(whole[1])
  assert "run 0 is trained again, since" in capsys.readouterr().err
  assert_same(tmp_path, whole)


def test_arrays_of_another_result_are_an_error(whole, tmp_path):
  path = tmp_path / files.RESULT
  results.write(path, whole[1])
  with pytest.raises(ValueError, match=r"result.domains.npz is missing, which result.json belongs"):
    results.beside(path).unlink()
    results.read(path)
  files.write_arrays(results.beside(path), {"domains": np.array(["a"]), "runs/7/valid": np.ones(1)})
  with pytest.raises(ValueError, match=r"and result.domains.npz are not of one result"):
    results.read(path)


def test_what_has_no_number_is_null_again(tmp_path):
  result = {"runs": [{"auc": {"a": 0.1, "b": float("nan"), "c": 1 / 3}}]}
  results.write(tmp_path / "x.json", result)
  assert results.read(tmp_path / "x.json") == files.plain(result)


def test_more_epochs_go_on_from_the_array(whole, tmp_path):
  longer = config(epochs=4)
  expected = experiment.run(longer, tmp_path / "whole")
  experiment.run(config(), tmp_path / "run")
  assert timeless(experiment.run(longer, tmp_path / "run")) == timeless(expected)
  assert_same(tmp_path / "run", (tmp_path / "whole", expected))
