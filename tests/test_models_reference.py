"""Every model against NumPy, row by row and expert by expert, and what its gradient may touch.

A row has a user, an item, a category, and two given features, one of which has to be projected.
"""

from typing import NamedTuple

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from every_model_in_numpy import BY_VECTOR, MULTI_DOMAIN, SIZES, close, expected
from models_in_numpy import INDEX, MOMENTS, PLAIN_STAR, SIZE, VOCAB

from mamdr_jax.core import DomainBatches
from mamdr_jax.descent import descend, minibatch
from mamdr_jax.models import MODELS
from mamdr_jax.objective import objective


def rows(seed=0) -> DomainBatches:
  """4 domains as in `handmade`, with a further field and two given features."""
  rng = np.random.default_rng(seed + 10)
  num_rows = sum(handmade.SIZES)
  plain = handmade.dataset(seed=seed)
  category = rng.integers(3, size=num_rows, dtype=np.int32)
  dense = {"price": rng.normal(size=(num_rows, 2)), "image": rng.normal(size=(num_rows, SIZE))}
  return handmade.batches(
    seed=seed,
    ids=plain.ids | {"category": category},
    vocab=plain.vocab | {"category": np.arange(3)},
    dense={name: feature.astype(np.float32) for name, feature in dense.items()},
  )


def constructed(name, vocab=None, **options):
  usual = {"embedding_size": SIZE, "dropout": 0.0}  # what a model takes of this
  usual = {key: usual[key] for key in usual.keys() & MODELS[name].__dataclass_fields__}
  return MODELS[name](vocab or VOCAB, **usual | SIZES[name] | options)


class Case(NamedTuple):
  """A model with parameters none of which is 0, and what it makes of one minibatch."""

  name: str
  made: object
  params: dict
  batch: object
  logits: np.ndarray
  loss: float
  grads: dict


def case(name, data, **options) -> Case:
  made = objective(constructed(name, **options))
  batch = minibatch(data, INDEX)
  params = jax.jit(made.init)(jax.random.key(0), batch)
  rng = np.random.default_rng(3)
  params = jax.tree.map(lambda x: x + rng.normal(0.1, 0.4, x.shape).astype(np.float32), params)
  if "norm" in params["tables"].get("domain", {}):
    params["tables"]["domain"]["norm"]["count"] *= 0.0  # nothing is stored yet
  key = jax.random.key(0)
  probe = lambda p, b: (made.predict(p, b), *jax.value_and_grad(made.loss)(p, key, b))
  return Case(name, made, params, batch, *jax.jit(probe)(params, batch))


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


@pytest.mark.parametrize("name", MODELS)
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
  params = jax.jit(made.init)(jax.random.key(1), batch)
  assert ("domain" in params["tables"]) == (name in MULTI_DOMAIN)
  assert "Embed_0" not in params["tables"].get("domain", {})
  params = jax.tree.map(lambda x: 3 * x, params)
  logits = jax.jit(made.predict)(params, batch)
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


@pytest.mark.parametrize("options", [PLAIN_STAR, {"normalize": False}, {"auxiliary": False}])
def test_parts_of_star_can_be_switched_off(options, data):
  c = case("star", data, **options)
  close(c.logits, expected("star", c.params, c.batch, **options))
  assert ("norm" in c.params["net"]) == options.get("normalize", True)
  assert ("Hidden_0" in c.params["net"]) == options.get("auxiliary", True)


def test_star_serves_by_the_stored_moments_of_the_domain(cases, data):
  """One pass over the training rows fills the tables; then a minibatch's own do not matter."""
  c = cases("star")
  model = constructed("star")
  variables = {"table:" + field: leaves for field, leaves in c.params["tables"].items()}
  variables["params"] = c.params["net"]
  inputs = jax.jit(lambda batch: model.apply(variables, batch, method="inputs"))
  of_domain = {d: [] for d in range(4)}
  for t, d in enumerate(np.asarray(data.batch.domain)):
    batch = minibatch(data, t)
    of_domain[d].append(np.asarray(inputs(batch), np.float64)[np.asarray(batch.weight) > 0])
  seen = [np.concatenate(of_domain[d]) for d in range(4)]
  moments = [(x.mean(0), x.var(0)) for x in seen]
  stored = {
    "mean": np.stack([mean for mean, _ in moments]),
    "variance": np.stack([variance for _, variance in moments]),
    "count": np.array([len(x) for x in seen]),
  }
  assert stored["count"].tolist() == list(handmade.SIZES)
  moments_of = jax.jit(lambda d: c.made.moments(lambda batch: (c.params, batch), data, d))
  params = c.params
  for d in range(4):
    params = c.made.keep_moments(params, d, moments_of(d))
  for name, wanted in stored.items():
    np.testing.assert_allclose(
      params["tables"]["domain"]["norm"][name], wanted, rtol=1e-5, atol=1e-6
    )
  predict = jax.jit(c.made.predict)
  for t in (0, 3, 6):
    batch = minibatch(data, t)
    wanted = expected("star", params, batch, moments=moments[int(batch.domain)])
    close(predict(params, batch), wanted)
    own = np.abs(wanted - expected("star", params, batch)).max()
    assert (own > 1e-3) == (data.count[batch.domain] > 1)  # a domain of one minibatch is that
  # What was stored is for serving: in training the minibatch's own still count.
  close(c.made.loss(params, jax.random.key(0), c.batch), c.loss)


@pytest.mark.parametrize("name", ["mlp", "star"])
def test_a_model_that_does_not_normalise_needs_no_moments(name, data):
  c = case(name, data, **({"normalize": False} if name == "star" else {}))
  assert c.made.moments is None


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
