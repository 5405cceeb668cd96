"""A view has the rows that were asked for, and merging puts them back where they were."""

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mamdr_jax.core import Batch
from mamdr_jax.view import merge, touched, view

TABLES = {
  "user": {
    "embedding": np.arange(36, dtype=np.float32).reshape(12, 3),
    "bias": np.arange(12, dtype=np.float32),
  },
  "item": {"embedding": np.arange(6, dtype=np.float32).reshape(3, 2)},
  "domain": {"bias": np.arange(7, 11, dtype=np.float32)},
}
TABLES = jax.tree.map(jnp.asarray, TABLES)
PARAMS = {"tables": TABLES, "net": {"w": jnp.asarray(np.ones(3, np.float32))}}
# User 4 and both items repeat; there are fewer items than rows in the batch.
BATCH = Batch(
  ids={"user": jnp.array([4, 11, 4, 0, 4]), "item": jnp.array([2, 0, 0, 2, 2])},
  dense={},
  label=jnp.zeros(5),
  weight=jnp.ones(5),
  domain=jnp.int32(2),
)


def test_touched_rows_are_the_distinct_ones_and_filler():
  rows, batch = touched(TABLES, BATCH)
  np.testing.assert_array_equal(rows["user"], [0, 4, 11, 12, 12])
  np.testing.assert_array_equal(rows["item"], [0, 2, 3])
  np.testing.assert_array_equal(rows["domain"], [2, 4])
  assert batch.domain == 0
  for field in ("user", "item"):
    np.testing.assert_array_equal(rows[field][batch.ids[field]], BATCH.ids[field])


def test_renumbered_rows_read_the_same_in_the_view():
  rows, batch = touched(TABLES, BATCH)
  part = view(PARAMS, rows)["tables"]
  for field in ("user", "item"):
    for name, table in TABLES[field].items():
      np.testing.assert_array_equal(part[field][name][batch.ids[field]], table[BATCH.ids[field]])
  np.testing.assert_array_equal(part["domain"]["bias"], [9.0, 0.0])
  np.testing.assert_array_equal(part["user"]["bias"][3:], [0.0, 0.0])


def test_rows_of_several_batches_are_touched_together():
  several = jax.tree.map(lambda *leaves: np.stack(leaves), BATCH, BATCH._replace(
    ids={"user": np.array([1, 1, 4, 4, 1]), "item": np.array([0, 0, 0, 0, 2])},
    domain=np.int32(0),
  ))  # fmt: skip
  rows, batch = jax.jit(touched)(TABLES, several)
  np.testing.assert_array_equal(rows["user"], [0, 1, 4, 11] + 6 * [12])
  np.testing.assert_array_equal(rows["item"], [0, 2, 3])
  np.testing.assert_array_equal(rows["domain"], [0, 2])
  np.testing.assert_array_equal(batch.domain, [1, 0])
  for field in ("user", "item"):
    np.testing.assert_array_equal(rows[field][batch.ids[field]], several.ids[field])


def test_a_view_of_one_entry_takes_rows_of_tables_and_the_entry_of_all_else():
  rows, _ = touched(TABLES, BATCH)
  net = jax.tree.map(lambda x: jnp.stack([x, x + 1, x + 2]), PARAMS["net"])
  kept = {"tables": TABLES, "net": net}
  entry = jax.tree.map(lambda x: x[1], net)
  part = view(kept, rows, 1)
  handmade.assert_trees_equal(part, {"tables": view(kept, rows)["tables"], "net": entry})
  handmade.assert_trees_equal(view(kept, None, 1), {"tables": TABLES, "net": entry})
  changed = jax.tree.map(lambda x: -x, part)
  merged = merge(kept, changed, rows, 1)
  handmade.assert_trees_equal(merged["tables"], merge(kept, changed, rows)["tables"])
  for index in range(3):
    before, after = (jax.tree.map(lambda x, i=index: x[i], x["net"]) for x in (kept, merged))
    handmade.assert_trees_equal(after, changed["net"] if index == 1 else before)


@pytest.mark.parametrize("only", ["tables", "others"])
def test_merging_only_a_part_leaves_the_rest(only):
  rows, _ = touched(TABLES, BATCH)
  changed = jax.tree.map(lambda x: x + 1, view(PARAMS, rows))
  whole, merged = merge(PARAMS, changed, rows), merge(PARAMS, changed, rows, only=only)
  moved, stays = ("tables", "net") if only == "tables" else ("net", "tables")
  handmade.assert_trees_equal(merged[moved], whole[moved])
  handmade.assert_trees_equal(merged[stays], PARAMS[stays])


def test_only_fields_with_a_table_are_renumbered():
  rows, batch = touched({"user": TABLES["user"]}, BATCH)
  assert set(rows) == {"user"} and batch.domain == 2
  np.testing.assert_array_equal(batch.ids["item"], BATCH.ids["item"])


def test_merging_an_unchanged_view_changes_nothing():
  rows, _ = touched(TABLES, BATCH)
  handmade.assert_trees_equal(merge(PARAMS, view(PARAMS, rows), rows), PARAMS)


def test_merging_a_changed_view_changes_its_rows_and_the_net():
  rows, _ = touched(TABLES, BATCH)
  part = jax.tree.map(lambda x: x + 1000.0, view(PARAMS, rows))
  merged = merge(PARAMS, part, rows)
  changed = {"user": [0, 4, 11], "item": [0, 2], "domain": [2]}
  for field, where in changed.items():
    for name, table in TABLES[field].items():
      expected = np.array(table)
      expected[where] += 1000.0
      np.testing.assert_array_equal(merged["tables"][field][name], expected)
  np.testing.assert_array_equal(merged["net"]["w"], PARAMS["net"]["w"] + 1000.0)


@pytest.mark.parametrize("optimizer", [optax.sgd, optax.adam, optax.adagrad, optax.rmsprop])
def test_optimizer_states_are_viewed_like_parameters(optimizer):
  rows, _ = touched(TABLES, BATCH)
  tx = optimizer(0.1)
  part = view(tx.init(PARAMS), rows)
  of_part = tx.init(view(PARAMS, rows))
  assert jax.tree.structure(part) == jax.tree.structure(of_part)
  for x, y in zip(jax.tree.leaves(part), jax.tree.leaves(of_part), strict=True):
    assert (x.shape, x.dtype) == (y.shape, y.dtype)
  state = jax.tree.map(
    lambda x: x + jnp.arange(x.size, dtype=x.dtype).reshape(x.shape), tx.init(PARAMS)
  )
  handmade.assert_trees_equal(merge(state, view(state, rows), rows), state)


def test_a_tree_without_tables_is_its_own_view():
  rows, _ = touched(TABLES, BATCH)
  tree = {"net": PARAMS["net"]}
  handmade.assert_trees_equal(view(tree, rows), tree)
  assert view(None, rows) is None
