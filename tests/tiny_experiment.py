"""The config of a tiny experiment, and what two workdirs are compared by."""

import json

import handmade

from mamdr_jax import configure, files


def tiny(method="mamdr", **changes):
  config = configure.make("synthetic", "mlp", method)
  config.data.update(sizes=(120, 90, 60), num_users=30, num_items=20, feature_size=8)
  config.model.update(embedding_size=8, hidden=(8,))
  config.update(batch_size=16, epochs=3)
  if "k" in config.method:
    config.method.k = 1
  config.update_from_flattened_dict(changes)
  return config


def lines(workdir):
  text = (workdir / files.METRICS).read_text()
  return [{k: v for k, v in json.loads(line).items() if k != "crc"} for line in text.splitlines()]


def assert_same_states(workdir, other):
  """The best states of all runs are equal bit by bit."""
  names = sorted(path.name for path in (workdir / files.RUNS).glob("????.npz"))
  assert names and names == sorted(p.name for p in (other / files.RUNS).glob("????.npz"))
  for name in names:
    both = (files.read_arrays(folder / files.RUNS / name) for folder in (workdir, other))
    handmade.assert_trees_equal(*both)
