"""Every model against NumPy, row by row and expert by expert, and what its gradient may touch."""

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from model_cases import BY_VECTOR, MULTI_DOMAIN, case, close, constructed, drawn, expected, rows
from models_in_numpy import MOMENTS, VOCAB, get

from mamdr_jax.core import DomainBatches
from mamdr_jax.descent import descend, minibatch
from mamdr_jax.models import MODELS
from mamdr_jax.objective import objective

SHARED = ("lr", "fm", "dcn", "adaptdhm")  # their tables are those that others have, too


@pytest.fixture(scope="module")
def data() -> DomainBatches:
  return rows()


@pytest.fixture(scope="module")
def cases(data):
  """name -> its case, made when it is first asked for."""
  made = {}
  return lambda name: made[name] if name in made else made.setdefault(name, case(name, data))


@pytest.mark.parametrize("name", MODELS)
def test_predictions_and_loss_are_what_numpy_says(name, cases):
  """Without dropout a loss in training is that of the predictions, and so says NumPy of STAR."""
  c = cases(name)
  logits = expected(name, c.params, c.batch)
  close(c.logits, logits)
  real = np.asarray(c.batch.weight) > 0
  entropy = np.logaddexp(0.0, logits) - np.asarray(c.batch.label) * logits
  close(c.loss, entropy[real].mean())
  assert np.std(logits[real]) > 0.05  # not a constant on which anything agrees


@pytest.mark.parametrize("name", MODELS)
def test_gradient_is_finite_and_moves_what_the_minibatch_reads(name, cases):
  """All of the net, and of each table the rows read: of the domain's tables, its row alone."""
  c = cases(name)
  real = np.asarray(c.batch.weight) > 0
  for path, grad in jax.tree_util.tree_leaves_with_path(c.grads["net"]):
    assert np.isfinite(grad).all() and np.any(grad != 0), jax.tree_util.keystr(path)
  read = {field: np.unique(np.asarray(ids)[real]) for field, ids in c.batch.ids.items()}
  read["domain"] = [c.batch.domain]
  for path, grad in jax.tree_util.tree_leaves_with_path(c.grads["tables"]):
    where = jax.tree_util.keystr(path)
    assert np.isfinite(grad).all()
    moved = np.flatnonzero(np.any(np.asarray(grad).reshape(grad.shape[0], -1) != 0, axis=1))
    is_moment = path[1].key == "norm" and path[2].key in MOMENTS if len(path) > 2 else False
    np.testing.assert_array_equal(moved, [] if is_moment else read[path[0].key], err_msg=where)


@pytest.mark.parametrize("name", MODELS)
def test_tables_have_a_row_for_every_id(name, cases):
  c = cases(name)
  for field, leaves in c.params["tables"].items():
    assert {leaf.shape[0] for leaf in jax.tree.leaves(leaves)} == {VOCAB[field]}
  few = len(jax.tree.leaves(c.params["tables"]["domain"])) <= 2  # a vector, and a weight
  assert few == (name not in MULTI_DOMAIN - BY_VECTOR)


@pytest.mark.parametrize("name", [name for name in MODELS if name not in SHARED])
def test_a_view_changes_nothing(name, cases, data):
  c = cases(name)
  tx = optax.sgd(0.05)
  order = jnp.array([4, 0, 2, 6, 1])

  def both(params, data):
    run = lambda sparse: descend(
      jax.random.key(1), params, tx.init(params), data, order,
      loss=c.made.loss, tx=tx, sparse=sparse,
    )  # fmt: skip
    (viewed, _, loss), (whole, _, same) = run(True), run(False)
    return (viewed, loss), (whole, same)

  viewed, whole = jax.jit(both)(c.params, data)
  handmade.assert_trees_close(viewed, whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_the_domain_id_can_be_left_out(name, data):
  made = objective(constructed(name, domain_feature=False))
  batch = minibatch(data, 3)
  params = drawn(made, batch)
  logits = jax.jit(made.predict)(params, batch)
  assert ("domain" in params["tables"]) == (name in MULTI_DOMAIN)
  assert "Embed_0" not in params["tables"].get("domain", {})
  close(logits, expected(name, params, batch, domain=False))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("trainable", [("user",), ("user", "category", "item"), ()])
def test_any_number_of_fields(name, trainable, data):
  """Shapes alone, nothing is computed; given features there are from none to three."""
  vocab = {field: VOCAB[field] for field in trainable} | {"domain": 4}
  for given in ({}, {"image": 3}, {"item": 7, "image": 3, "price": 1}):
    if not trainable and not given:
      continue
    batch = minibatch(data, 0)
    dense = {field: np.zeros((8, width), np.float32) for field, width in given.items()}
    batch = batch._replace(ids={field: batch.ids[field] for field in trainable}, dense=dense)
    made = objective(constructed(name, vocab))
    params = jax.eval_shape(made.init, jax.random.key(0), batch)
    assert set(params["tables"]) == {*trainable, "domain"}
    logits = jax.eval_shape(made.predict, params, batch)
    assert logits.shape == (8,) and logits.dtype == np.float32


STARTS = {
  "star": {"StarDense_0/kernel": 1, "StarDense_0/bias": 0},
  "m3oe": {"StarDense_0/kernel": 1, "StarDense_0/bias": 0},
  "sarnet": {"Transform_0/scale": 1, "Transform_0/shift": 0},
  "mlora": {"AdaptedDense_0/up": 0, "AdaptedDense_0/bias": 0},
}


@pytest.mark.parametrize("name", STARTS)
def test_domains_start_alike(name, cases):
  c = cases(name)
  noise = drawn(c.made, c.batch)
  for path, value in STARTS[name].items():
    start = get(c.params, path, slice(None)) - get(noise, path, slice(None))
    np.testing.assert_allclose(start, value, atol=1e-6)


def test_centres_of_clusters_have_the_gradient_of_soft_routing(cases):
  """Along one direction, by differences of what NumPy says; forward each row has one cluster."""
  c = cases("adaptdhm")
  real = np.asarray(c.batch.weight) > 0
  centers = np.asarray(c.params["net"]["centers"], np.float64)
  way = np.random.default_rng(0).normal(size=centers.shape)
  moved = lambda step: c.params | {"net": c.params["net"] | {"centers": centers + step * way}}
  up, down = (expected("adaptdhm", moved(step), c.batch, soft=True) for step in (1e-5, -1e-5))
  rate = (1 / (1 + np.exp(-c.logits)) - c.batch.label) * (up - down) / 2e-5
  told = (np.asarray(c.grads["net"]["centers"]) * way).sum()
  np.testing.assert_allclose(told, rate[real].mean(), rtol=1e-3)
  assert np.abs(c.logits - expected("adaptdhm", c.params, c.batch, soft=True)).max() > 0.1


def test_initial_kernels_do_not_count_domains_or_experts_as_fan():
  """Standard deviation 1/√n for kernels [..., n, m], and domains whose kernels differ."""
  model = MODELS["ple"]({"user": 5, "domain": 30}, embedding_size=50, expert=(20,), num_levels=1)
  made = objective(model)
  batch = minibatch(handmade.batches(), 0)
  batch = batch._replace(ids={"user": batch.ids["user"] % 5})
  params = jax.jit(made.init)(jax.random.key(0), batch)
  own = np.asarray(params["tables"]["domain"]["Extraction_0"]["specific"]["kernel_0"])
  shared = np.asarray(params["net"]["Extraction_0"]["shared"]["kernel_0"])
  assert own.shape == (30, 10, 100, 20) and shared.shape == (2, 100, 20)
  np.testing.assert_allclose([own.std(), shared.std()], 0.1, rtol=0.05)
  assert np.unique(own[:, :, 0, 0]).size == 300
