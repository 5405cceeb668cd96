"""The MLP and the layers that models share."""

import dataclasses

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mamdr_jax.descent import minibatch
from mamdr_jax.models import MODELS
from mamdr_jax.models.layers import Dropout
from mamdr_jax.objective import objective

SMALL = {"embedding_size": 4, "hidden": (6, 5), "dropout": 0.5}  # what a model takes of this
SMALL |= {"num_subexperts": 2, "num_sources": 1, "star": (6, 5)}
FEATURES = np.random.default_rng(0).normal(size=(handmade.NUM_ROWS, 7)).astype(np.float32)


def construct(name, vocab, **options):
  fields = {field.name for field in dataclasses.fields(MODELS[name])}
  return MODELS[name](vocab, **{k: v for k, v in (SMALL | options).items() if k in fields})


def initial(made, batch):
  return jax.jit(made.init)(jax.random.key(0), batch)


def drawn(made, batch):
  """Parameters of any size, for which nothing is compiled."""
  rng = np.random.default_rng(0)
  shapes = jax.eval_shape(made.init, jax.random.key(0), batch)
  return jax.tree.map(lambda x: rng.normal(0.1, 0.5, x.shape).astype(np.float32), shapes)


def perturbed(params):
  """Parameters none of which is 0, as biases are at the start."""
  rng = np.random.default_rng(1)
  return jax.tree.map(lambda x: x + 0.3 * rng.normal(size=x.shape).astype(np.float32), params)


def test_every_parameter_of_the_mlp_gets_a_finite_gradient(train):
  made = objective(construct("mlp", handmade.VOCAB, dropout=0.0))
  batch = minibatch(train, 4)
  params = perturbed(initial(made, batch))
  grads = jax.jit(jax.grad(made.loss))(params, jax.random.key(2), batch)
  for path, grad in jax.tree_util.tree_leaves_with_path(grads):
    assert np.isfinite(grad).all() and np.any(grad != 0), jax.tree_util.keystr(path)


@pytest.mark.parametrize("name", [name for name in MODELS if hasattr(MODELS[name], "dropout")])
def test_dropout_acts_in_training_only(name, train):
  made = objective(construct(name, handmade.VOCAB))
  whole = objective(construct(name, handmade.VOCAB, dropout=0.0))
  batch = minibatch(train, 4)
  params = drawn(made, batch)

  @jax.jit
  def probe(params, keys):
    losses = jax.vmap(lambda key: made.loss(params, key, batch))(keys)
    return losses, made.predict(params, batch), whole.predict(params, batch)

  losses, *predicted = probe(params, jax.vmap(jax.random.key)(jnp.array([0, 0, 1])))
  assert losses[0] == losses[1] != losses[2]
  np.testing.assert_array_equal(*predicted)


def vectors(params, field):
  return np.asarray(params["tables"][field]["Embed_0"]["embedding"])


def dense(params, x):
  return x @ params["kernel"] + params.get("bias", 0.0)


@pytest.mark.parametrize("vocab", [("user", "item", "domain"), ("item", "user")])
def test_mlp_is_what_numpy_says(train, vocab):
  made = objective(construct("mlp", {field: handmade.VOCAB[field] for field in vocab}))
  batch = minibatch(train, 5)
  params = perturbed(initial(made, batch))
  net = jax.tree.map(np.asarray, params["net"])
  ids = batch.ids | {"domain": np.full(8, batch.domain)}
  x = np.concatenate([vectors(params, field)[ids[field]] for field in vocab], axis=1)
  for layer in ("Dense_0", "Dense_1"):
    x = np.maximum(dense(net["Hidden_0"][layer], x), 0.0)
  logits = dense(net["Logit_0"]["Dense_0"], x)[:, 0]
  np.testing.assert_allclose(made.predict(params, batch), logits, rtol=1e-5, atol=1e-6)

  entropy = np.logaddexp(0.0, logits) - np.asarray(batch.label) * logits
  weight = np.asarray(batch.weight)
  whole = objective(construct("mlp", {f: handmade.VOCAB[f] for f in vocab}, dropout=0.0), l2=0.5)
  penalty = sum((vectors(params, field) ** 2).sum() for field in vocab)
  expected = (weight * entropy).sum() / weight.sum() + 0.5 * penalty
  np.testing.assert_allclose(whole.loss(params, jax.random.key(0), batch), expected, rtol=1e-5)


def test_given_features_enter_as_they_are_or_projected():
  batch = minibatch(handmade.batches(frozen={"item": FEATURES}), 0)
  for size, projected in ((7, False), (4, True)):
    model = construct("mlp", {"user": handmade.NUM_ROWS}, embedding_size=size, hidden=())
    made = objective(model)
    params = perturbed(initial(made, batch))
    assert set(params["tables"]) == {"user"}
    assert ("project_item" in params["net"].get("Embed_0", {})) == projected
    feature = np.asarray(batch.dense["item"])
    if projected:
      feature = dense(params["net"]["Embed_0"]["project_item"], feature)
    user = vectors(params, "user")[batch.ids["user"]]
    logits = dense(params["net"]["Logit_0"]["Dense_0"], np.concatenate([user, feature], 1))[:, 0]
    np.testing.assert_allclose(made.predict(params, batch), logits, rtol=1e-5, atol=1e-6)


def test_given_features_keep_their_order_through_jit():
  """A pytree comes out of `jit` with its keys sorted, whatever their order was."""
  row = np.random.default_rng(1).normal(size=(sum(handmade.SIZES), 4)).astype(np.float32)
  batch = minibatch(handmade.batches(frozen={"item": FEATURES[:, :4]}, dense={"row": row}), 0)
  batch = batch._replace(dense=dict(reversed(sorted(batch.dense.items()))))
  made = objective(construct("mlp", {"user": handmade.NUM_ROWS}))
  params = perturbed(initial(made, batch))
  eager, jitted = made.predict(params, batch), jax.jit(made.predict)(params, batch)
  np.testing.assert_allclose(eager, jitted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.5, 0.9])
def test_dropout_keeps_its_rate_and_the_mean(rate):
  x = jnp.ones((1000, 100))
  out = np.asarray(Dropout(rate).apply({}, x, True, rngs={"dropout": jax.random.key(0)}))
  kept = round(256 * (1 - rate)) / 256  # rates are multiples of 1/256
  deviation = np.sqrt(kept * (1 - kept) / x.size)
  np.testing.assert_allclose((out != 0).mean(), kept, atol=5 * deviation + 1e-12)
  np.testing.assert_allclose(out[out != 0], 1 / kept, rtol=1e-6)
  np.testing.assert_allclose(out.mean(), 1.0, atol=5 * deviation / kept + 1e-6)
  np.testing.assert_array_equal(Dropout(rate).apply({}, x, False), x)
  # Units are dropped independently, whichever share a random word.
  for apart in (1, 2, 7, 8, 32):
    pairs = (out[:, apart:] != 0) & (out[:, :-apart] != 0)
    np.testing.assert_allclose(pairs.mean(), kept**2, atol=0.01)
