"""Cases against one of them, and how alike domains are: the scripts and their tables."""

import json

import numpy as np
import pytest
from made_results import a_result, a_run, save

from mamdr_jax import configure, experiment


def test_cases_are_told_by_what_they_gain_on_validation(tables, tmp_path):
  gains = {"one": {"mamdr": 0, "k_1": 0.01, "k_5": -0.03}, "two": {"mamdr": 0, "k_1": 0.03}}
  for study, of in gains.items():
    for case, gain in of.items():
      runs = [
        a_run(
          (0.6 + gain / 2,),
          valid=(0.7 + gain + 0.01 * seed * (case != "mamdr"),),
          seed=seed,
          seconds=2.0,
        )
        for seed in (1, 0)
      ]
      save(tmp_path / study / case, a_result(runs, method="mamdr"))
  studies = {name: tmp_path / name for name in gains}
  (rows,) = tables("results.cases", tmp_path / "out", "mamdr", studies)
  assert [row[0] for row in rows[1:]] == ["k_1", "mamdr", "k_5"]
  assert rows[1][1:] == [
    "+0.0150 ± 0.0071", "+0.0350 ± 0.0071", "+0.0250",
    "+0.0050 ± 0.0000", "+0.0150 ± 0.0000", "+0.0100",
  ]  # fmt: skip
  assert rows[3][1:4] == ["-0.0250 ± 0.0071", "", "-0.0250"]
  told = (tmp_path / "out/cases.md").read_text()
  assert "mamdr on one: 0.7000 (valid) and 0.6000 (test)." in told
  again = {name: tmp_path / "out" / f"{name}.csv" for name in gains}
  assert tables("results.cases", tmp_path / "again", "mamdr", again) == [rows]
  with pytest.raises(ValueError, match="the case other has not ended; there are k_1, mamdr"):
    tables("results.cases", tmp_path / "out", "other", {"two": again["two"]})


def test_similarity_of_domains_with_the_same_tastes(tables, tmp_path):
  """Of three domains whose rows are those of one but for labels, two agree and one is opposed."""
  rng = np.random.default_rng(0)
  user, item = rng.integers(12, size=(2, 300))
  label = (item < 6).astype(int)
  lines = ["user,item,domain,label"]
  for name, labels in {"a": label, "b": label, "c": 1 - label}.items():
    lines += [f"{u},{i},{name},{y}" for u, i, y in zip(user, item, labels, strict=True)]
  (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
  made = configure.make("table", "mlp", "alternate")
  made.data.update(path=str(tmp_path / "rows.csv"), label="label")
  made.model.update(embedding_size=4, hidden=(4,))
  made.update(batch_size=16, epochs=1, alpha=1e-3)
  experiment.run(made, tmp_path / "run")
  (rows,) = tables("results.similarity", tmp_path / "run", tmp_path / "like.json")
  found = np.array(json.loads((tmp_path / "like.json").read_text()))
  assert rows[0] == ["domain", "a", "b", "c"] and float(rows[1][1]) == 1
  np.testing.assert_allclose(np.diag(found), 1, atol=1e-3)
  np.testing.assert_allclose(found, found.T, atol=1e-3)
  assert found[0, 1] > 0.2 > -0.2 > found[0, 2]
