"""Files of rows to files of scores, and what is said of those that are broken."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet
from test_serve import assert_auc

from mamdr_jax import configure, experiment, files, serve, stored
from mamdr_jax.data import streams
from mamdr_jax.serve import score
from mamdr_jax.workdir import model as on_disk

ROOT = Path(__file__).resolve().parents[1]
HEADER = ["note", "customer", "product", "shop", "device", "price", "clicked", "split"]


def rows(num=240, seed=0) -> dict[str, list]:
  """Rows of three shops, with a column that no model reads."""
  rng = np.random.default_rng(seed)
  user, item, device = (rng.integers(size, size=num) for size in (20, 15, 3))
  return {
    "note": [f'said "{i:03d}", twice' for i in range(num)],
    "customer": [f"c{i}" for i in user],
    "product": item.tolist(),
    "shop": [("books", "music", "games")[i % 3] for i in range(num)],
    "device": [("phone", "laptop", "till")[i] for i in device],
    "price": np.round(rng.gamma(2.0, 10.0, num), 2).tolist(),
    "clicked": rng.integers(2, size=num).tolist(),
    "split": [("train", "valid", "test")[i // 3 % 3] for i in range(num)],
  }


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  """A model whose data and workdir are gone, its test rows shuffled, and the run's result."""
  folder = tmp_path_factory.mktemp("clicks")
  csv.write_csv(pa.table(rows()), folder / "clicks.csv")
  config = configure.make("table", "mlp", "mamdr")
  config.data.update(path=str(folder / "clicks.csv"), user="customer", item="product")
  config.data.update(domain="shop", label="clicked", split="split")
  config.data.update(categorical=("device",), dense=("price",))
  config.model.update(embedding_size=4, hidden=(6,))
  config.method.k = 1
  config.update(batch_size=16, epochs=1)
  result = experiment.run(config, folder / "run")
  shutil.move(folder / "run" / files.MODEL, folder / "model")
  shutil.rmtree(folder / "run")
  (folder / "clicks.csv").unlink()
  table = pa.table(rows())
  table = table.filter(pa.compute.equal(table["split"], "test"))
  shuffled = table.take(np.random.default_rng(1).permutation(table.num_rows))
  csv.write_csv(shuffled, folder / "test.csv")
  return folder, shuffled, result


@pytest.fixture(scope="module")
def model(trained):
  return serve.load(trained[0] / "model")


@pytest.fixture
def damaged(trained, tmp_path):
  """A copy of the model, to be damaged."""
  shutil.copytree(trained[0] / "model", tmp_path / "model")
  return tmp_path / "model"


def test_another_process_scores_without_data_as_the_run_did(trained, tmp_path):
  folder, shuffled, result = trained
  done = subprocess.run(
    [sys.executable, "-m", "mamdr_jax.serve", "score", folder / "model", folder / "test.csv"]
    + ["--out=scores.csv", "--rank"],
    cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  told = f"scores.csv: {shuffled.num_rows} rows, 0 of them with what training never saw"
  assert told in done.stdout
  found = csv.read_csv(tmp_path / "scores.csv")
  assert found.column_names == [*HEADER, "probability", "unknown", "rank"]
  for name in HEADER:
    assert found[name].equals(shuffled[name]), name
  told = {"domain": found["shop"], "label": found["clicked"]}
  assert_auc(found["probability"].to_numpy(), told, result["runs"][0]["test"]["auc"])
  for row in found.to_pylist():
    same = [x for x in found.to_pylist() if all(x[k] == row[k] for k in ("shop", "customer"))]
    assert row["rank"] == 1 + sum(x["probability"] > row["probability"] for x in same)


def test_files_of_any_kind_and_blocks_of_any_size_give_the_same(
  trained, model, tmp_path, monkeypatch
):
  folder, shuffled, _ = trained
  expected = model.score(shuffled)
  parquet.write_table(shuffled, tmp_path / "test.parquet")
  (tmp_path / "test.csv.gz").write_bytes(gzip.compress((folder / "test.csv").read_bytes()))
  monkeypatch.setattr(streams, "ROWS", 16)
  monkeypatch.setattr(streams, "BLOCK", 1024)
  kinds = ("csv.gz", "parquet", "csv")
  for kind, other in zip(kinds, (*kinds[1:], kinds[0]), strict=True):
    source = tmp_path / f"test.{kind}" if kind != "csv" else folder / "test.csv"
    out = tmp_path / f"scores.{other}"
    for rank in (False, True):
      assert score.score_file(model, source, out, rank=rank) == (shuffled.num_rows, 0)
      read = parquet.read_table if other == "parquet" else csv.read_csv
      np.testing.assert_array_equal(read(out)["probability"], expected)
  assert (tmp_path / "scores.csv.gz").read_bytes()[:2] == b"\x1f\x8b"


def write(path: Path, *changes: tuple[int, str, object]) -> Path:
  """Ten rows with some cells changed: (line, column, cell)."""
  table = {name: column[:10] for name, column in rows().items()}
  lines = [",".join(table)]
  for i in range(10):
    cells = {name: str(column[i]) for name, column in table.items()} | {"note": "none"}
    cells |= {name: cell for line, name, cell in changes if line == i + 2}
    lines.append(",".join(cells.values()))
  path.write_text("\n".join(lines) + "\n")
  return path


def test_what_training_never_saw_is_marked_and_counted(model, tmp_path):
  changes = (3, "customer", "nobody"), (3, "device", ""), (5, "product", "1.5"), (6, "shop", "toys")
  source, out = write(tmp_path / "rows.csv", *changes), tmp_path / "scores.csv"
  assert score.score_file(model, source, out, unknown_domain="shared") == (10, 3)
  marks = csv.read_csv(out)["unknown"].to_pylist()
  assert marks == ["", "user+device", "", "item", "domain", "", "", "", "", ""]


@pytest.mark.parametrize(
  ("change", "said"),
  [
    ((4, "shop", "book"), "line 4: the model has no domain 'book'; did you mean 'books'"),
    ((7, "price", "dear"), "line 7: the price is 'dear', expected a number"),
    ((7, "price", "nan"), "line 7: the price is 'nan', expected a number"),
    ((7, "price", "1e39"), "line 7: the price is '1e39', expected a number that float32 holds"),
    ((9, "price", "1,2"), "line 9: expected 8 cells, found 9"),
  ],
)
def test_a_row_that_cannot_be_is_named_and_nothing_is_left(
  change, said, model, tmp_path, monkeypatch
):
  monkeypatch.setattr(streams, "ROWS", 3)
  monkeypatch.setattr(streams, "BLOCK", 128)
  source = write(tmp_path / "rows.csv", change)
  with pytest.raises(ValueError, match=f"rows.csv, {said}"):
    score.score_file(model, source, tmp_path / "scores.csv")
  assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(
  ("text", "said"),
  [
    ("customer,product\n1,2\n", "rows.csv has no column 'device'"),
    ("customer,product,shop,device,price,rank\n", "rows.csv has no rows"),
    ("customer,probability\n1,2\n", "rows.csv has a column 'probability', which is to be added"),
    ("customer,customer\n1,2\n", "rows.csv has two columns 'customer'"),
    ("", "rows.csv is empty"),
  ],
)
def test_a_file_that_cannot_be_scored_is_told(text, said, model, tmp_path):
  (tmp_path / "rows.csv").write_text(text)
  with pytest.raises(ValueError, match=said):
    score.score_file(model, tmp_path / "rows.csv", tmp_path / "scores.csv")
  assert len(list(tmp_path.iterdir())) == 1


def test_scores_are_there_once_all_are_written(model, tmp_path, monkeypatch):
  """So a process that is killed leaves no file that looks whole."""
  source, out, seen = write(tmp_path / "rows.csv"), tmp_path / "scores.csv", []
  predict = lambda rows: seen.append(out.exists()) or np.zeros(rows.domain.size, np.float32)
  monkeypatch.setattr(model, "predict", predict)
  monkeypatch.setattr(streams, "BLOCK", 128)
  monkeypatch.setattr(streams, "ROWS", 3)
  score.score_file(model, source, out)
  assert len(seen) > 2 and not any(seen) and out.exists()


def test_a_model_that_is_none_or_of_another_format_is_told(damaged):
  with pytest.raises(ValueError, match=r"is no model: it has no model.json"):
    serve.load(damaged.parent)
  about = damaged / on_disk.ABOUT
  told = files.opened(about.read_text())
  about.write_text(files.sealed(told | {"format": 2}))
  with pytest.raises(ValueError, match=r"model.json is of format 2, and this version reads 1"):
    serve.load(damaged)
  about.write_text(files.sealed(told | {"fields": []}))
  with pytest.raises(ValueError, match=r"model.json: expected 'fields', as a run writes it"):
    serve.load(damaged)
  about.write_text(files.sealed(told | {"arrays": {"state/x": {"file": "../x.npy"}}}))
  with pytest.raises(ValueError, match=r"model.json: expected what 'state/x' is, as a run writes"):
    serve.load(damaged)
  whole = dict.fromkeys(("bytes", "crc"), 1) | {"shape": [], "dtype": "<f4"}
  one = next(iter(told["arrays"]))
  arrays = told["arrays"] | {one: whole | {"file": "../0000.npy"}}
  about.write_text(files.sealed(told | {"arrays": arrays}))
  with pytest.raises(ValueError, match=r"expected the name of an .npy file, found '../0000.npy'"):
    serve.load(damaged)
  about.write_text(json.dumps(told))
  with pytest.raises(ValueError, match=r"model.json was cut short or altered"):
    serve.load(damaged)


# What is first read when a model is loaded, when it scores, when it recommends.
PARTS = {
  "shared": lambda name: not name.startswith(("state/specific", "lists/")),
  "kept": lambda name: name.startswith("state/specific"),
  "lists": lambda name: name.startswith("lists/"),
}


def use(folder: Path) -> None:
  """Has a model read all that it has."""
  model, row = serve.load(folder), {"user": "c1", "device": "phone", "price": 1.0}
  model.recommend(**row, domain=list(model.domains), items="domain", seen="training")


@pytest.mark.parametrize("part", PARTS)
def test_a_file_that_is_cut_short_or_altered_is_told_before_it_serves(part, damaged):
  told = on_disk.about(damaged)["arrays"]
  paths = [damaged / each["file"] for name, each in told.items() if PARTS[part](name)]
  for path in paths:
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match=rf"{path.name} has .* bytes, expected .* cut short"):
      serve.load(damaged)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    for look in (use, stored.check):
      with pytest.raises(ValueError, match=rf"{path.name} was altered: its checksum is another"):
        look(damaged)
    path.unlink()
    with pytest.raises(ValueError, match=rf"{path.name} is missing"):
      serve.load(damaged)
    path.write_bytes(whole)
  assert paths and stored.check(damaged) is None


def test_ids_that_are_altered_are_told(damaged):
  ids = damaged / files.IDS
  ids.write_bytes(ids.read_bytes()[::-1])
  with pytest.raises(ValueError, match=r"ids.npz was altered"):
    serve.load(damaged)
