"""Given features are read, put in order and kept in little more memory than they take."""

import tracemalloc

import numpy as np
import pytest
from tiny_experiment import tiny

from mamdr_jax import assembly
from mamdr_jax.core import HERE
from mamdr_jax.data import features


def peak_of(call):
  """(what `call()` gives, bytes that it took at most)."""
  tracemalloc.start()
  try:
    return call(), tracemalloc.get_traced_memory()[1]
  finally:
    tracemalloc.stop()


def test_features_are_put_in_order_once(tmp_path, monkeypatch):
  table, ids = np.random.default_rng(0).random((4000, 200), np.float32), np.arange(4000)
  monkeypatch.setattr(features, "CHUNK", 100)
  align = lambda: features.align(tmp_path / "f.npy", ids[::-1], ids, table)
  aligned, peak = peak_of(align)
  np.testing.assert_array_equal(aligned, table[::-1])
  assert peak < 1.25 * table.nbytes
  table[321, 7] = np.inf
  with pytest.raises(ValueError, match=r"f.npy: the features of id 321 are not all finite"):
    align()


def test_features_in_text_take_no_object_per_id(tmp_path):
  path = tmp_path / "f.csv"
  path.write_text("id,feature\n" + "".join(f"{i},{i}.5 {-i}\n" for i in (7, 99_999, 200_000, 3)))
  wanted = np.random.default_rng(0).permutation(100_000)
  (ids, found), peak = peak_of(lambda: features.read_embedding(path, wanted, width=2))
  assert sorted(ids.tolist()) == [3, 7, 99_999]
  np.testing.assert_array_equal(found, np.stack([ids + 0.5, -ids], 1))
  assert peak < 60 * len(wanted)


def test_the_splits_of_an_experiment_share_their_features():
  made, training = assembly.assemble(tiny(**{"data.features": "frozen"}))
  data = assembly.packed(made, training)
  for field, table in made.dataset.frozen.items():
    np.testing.assert_array_equal(data.train.frozen[field], table)
    for split in (data.valid, data.test):
      assert split.frozen[field] is data.train.frozen[field]
  made = made._replace(method=made.method._replace(own=True))
  own = assembly.packed(made, training).train.own
  assert set(own) == set(data.train.batch.ids) - set(made.dataset.frozen) | {"domain", HERE}
