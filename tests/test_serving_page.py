"""The commands of docs/serving.md run as they stand."""

import sys

import numpy as np
from pyarrow import csv
from test_readme import example, launch, others, served

from mamdr_jax.serve import load

TINY = (
  *("--config.data.preset=", "--config.data.sizes=(120,90,60)", "--config.data.features=ids"),
  *("--config.model.embedding_size=4", "--config.model.hidden=(8,)", "--config.method.k=1"),
  *("--config.batch_size=16", "--config.epochs=1"),
)


PARTS = "store", "score", "recommend", "own", "export", "add"
OLD = [f"{i},{i + 2},D{1 + i % 2},{i // 2 % 2},train" for i in range(8)]


def test_the_page_of_serving(tmp_path, monkeypatch, capsys):
  monkeypatch.chdir(tmp_path)
  launch(example("serving run"), *TINY)
  (tmp_path / "rows.csv").write_text(example("serving rows"))
  (tmp_path / "users.csv").write_text(example("serving users"))
  (tmp_path / "new.csv").write_text(example("serving new"))
  (tmp_path / "old.csv").write_text("\n".join(["user,item,domain,label,split", *OLD]) + "\n")
  for command in "".join(example(f"serving {name}") for name in PARTS).splitlines():
    served(command)
  found = csv.read_csv("scores.csv").to_pylist()
  assert [row["note"] for row in found][:2] == ["any column", "is carried"]
  assert [row["unknown"] for row in found] == ["", "", "", "user", "domain"]
  assert sorted(row["rank"] for row in found[:2]) == [1, 2]
  best = csv.read_csv("best.csv").to_pylist()
  assert [(row["user"], row["domain"], row["rank"]) for row in best] == [
    (user, domain, rank) for user, domain in ((17, "D1"), (3, "D2")) for rank in (1, 2, 3)
  ]
  assert not {(row["user"], row["item"]) for row in best} & {(17, 4), (17, 9), (3, 9), (3, 4)}
  names = {}
  exec(example("serving python"), names)
  scores = names["model"].score(user=[17, 17, 3], item=[4, 9, 9], domain=["D1", "D1", "D2"])
  np.testing.assert_array_equal(scores, [row["probability"] for row in found[:3]])
  assert "('D1', 'D2', 'D3')" in capsys.readouterr().out
  grown = load("grown_model")
  assert grown.domains == ("D1", "D2", "D3", "D99")
  old = {"user": [17, 17, 3], "item": [4, 9, 9], "domain": ["D1", "D1", "D2"]}
  np.testing.assert_array_equal(grown.score(old), scores)
  launch(example("serving warm"), *TINY)
  assert (tmp_path / "runs/later/model").is_dir()
  monkeypatch.setattr(sys, "path", list(sys.path))
  exec(example("serving outside"), names)
  del sys.modules["score"]
  outside = names["Exported"]().score({"user": ["17", "17"], "item": ["4", "9"]})
  np.testing.assert_array_equal(outside, scores[:2])
  (tmp_path / "rates.csv").write_text(example("serving rates"))
  (tmp_path / "labelled.csv").write_text(example("serving labelled"))
  served(example("serving evaluate"))
  assert "| mean over domains | 5 in all |" in capsys.readouterr().out
  found = {row["domain"]: row for row in csv.read_csv("figures.csv").to_pylist()}
  assert [found[name]["gauc users"] for name in ("D1", "D2")] == [1, 1]
  others(example("serving rows written"))
  served(example("serving all items"))
  assert "NDCG@10/all" in capsys.readouterr().out
