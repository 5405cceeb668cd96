"""Rows of some shops, a model of them, and that model with two shops more."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from mamdr_jax import configure, experiment, serve

OLD_USERS = [f"u{i}" for i in range(20)]
SHORT = {"epochs": 2, "alpha": (0.03,), "gamma": (0.5,)}


def clicks(shops, num=90, seed=0, users=20) -> pa.Table:
  """Rows of some shops, which users like by the parity of user and item."""
  rng = np.random.default_rng(seed)
  shop = np.repeat(shops, num)
  user, item = rng.integers(users, size=shop.size), rng.integers(15, size=shop.size)
  return pa.table({
    "user": [f"u{x}" for x in user],
    "item": item,
    "domain": shop,
    "price": rng.gamma(2.0, 10.0, shop.size).round(2),
    "clicked": ((user + item + (rng.random(shop.size) < 0.2)) % 2).astype(int),
    "split": np.array(["train", "train", "valid", "test"])[np.arange(shop.size) % 4],
  })  # fmt: skip


def opened(folder: Path) -> Path:
  """A folder with rows of old shops, of two new ones that know more users, and a model."""
  for name, table in {
    "old": clicks(["books", "music", "games"]),
    "new": clicks(["garden"], seed=1, users=30),
    "more": clicks(["kitchen"], seed=2, users=30),
  }.items():
    csv.write_csv(table, folder / f"{name}.csv")
  train(folder, "mlp", "mamdr")
  return folder


def train(folder, model, method):
  """Leaves the model of a run on the old shops in `folder`."""
  config = configure.make("table", model, method)
  config.data.update(path=str(folder / "old.csv"), label="clicked", split="split")
  config.data.dense = ("price",)
  config.model.update(embedding_size=4, hidden=(6,))
  config.update(batch_size=32, epochs=1, alpha=0.03)
  if "k" in config.method:
    config.method.k = 1
  experiment.run(config, folder / model)
  shutil.move(folder / model / "model", folder / f"{model}.model")


def grown(folder: Path) -> tuple[Path, list[dict]]:
  """The model with one domain that was helped, and one that was not; and what was told."""
  first, second = folder / "first", folder / "second"
  told = [
    serve.load(folder / "mlp.model").add(folder / "new.csv", first, folder / "old.csv", **SHORT),
    serve.load(first).add(folder / "more.csv", second, **SHORT),
  ]
  return second, told
