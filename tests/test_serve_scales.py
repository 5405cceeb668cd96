"""Served models of numbers on other scales than their own, and of ids that are rare."""

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv
from shops import clicks
from test_serve import assert_auc, moved

from mamdr_jax import configure
from mamdr_jax.data.rules import RARE


def config_of(path, **data):
  config = configure.make("table", "mlp", "alternate")
  config.data.update(path=str(path), label="clicked", split="split", dense=("price",), **data)
  config.model.update(embedding_size=4, hidden=(6,))
  config.update(batch_size=32, epochs=2, alpha=0.03)
  return config


@pytest.mark.parametrize("data", [{"scale": "log"}, {"scale": "quantile", "rare": 4}])
def test_raw_rows_have_the_auc_of_the_run(data, tmp_path):
  table = clicks(["books", "music"], num=200, users=60)
  csv.write_csv(table, tmp_path / "t.csv")
  model, result = moved(config_of(tmp_path / "t.csv", **data), tmp_path)
  tested = table.filter(pa.compute.equal(table["split"], "test"))
  rows = {name: np.array(tested[name].to_pylist()) for name in tested.column_names}
  asked = {name: rows[name] for name in ("user", "item", "domain", "price")}
  probability = model.score(asked)
  assert_auc(probability, rows | {"label": rows["clicked"]}, result["runs"][0]["test"]["auc"])
  with pytest.raises(ValueError, match=r"scale.*not exported"):
    model.export("books", tmp_path / "out")
  if "rare" not in data:
    return
  known = model.stored.vocab["user"]
  assert RARE in known and len(known) < 60
  nobody = asked | {"user": np.array(["nobody"] * len(rows["user"]))}
  rare = asked | {"user": np.array([RARE] * len(rows["user"]))}
  np.testing.assert_array_equal(model.score(nobody), model.score(rare))
