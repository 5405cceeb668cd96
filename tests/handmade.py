"""A handmade data set, and a logistic model in JAX and, with its gradient by hand, in NumPy.

The logit of a row is (u + v)ᵀ w + b + c: u, v the vectors of user and item, c the bias of the
domain. NumPy parameters are a flat dict of dense float64 arrays: no pytree, no view, no padding
of tables.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mamdr_jax.core import Batch, DomainBatches, Hparams
from mamdr_jax.data import Dataset, pack
from mamdr_jax.objective import Objective
from mamdr_jax.own import places
from mamdr_jax.view import view

SIZES = (5, 8, 13, 21)  # rows of each domain
BATCH_SIZE = 8
NUM_ROWS = 12  # of the tables of users and items
WIDTH = 3
VOCAB = {"user": NUM_ROWS, "item": NUM_ROWS, "domain": 4}


def dataset(sizes=SIZES, seed=0, **changes) -> Dataset:
  """Random rows of every domain, all in the train split; both labels occur in each."""
  rng = np.random.default_rng(seed)
  num_rows = sum(sizes)
  domain = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
  user, item = rng.integers(NUM_ROWS, size=(2, num_rows), dtype=np.int32)
  label = np.where(rng.random(num_rows) < 0.7, item % 2, user % 2).astype(np.int8)
  first = np.cumsum(sizes) - sizes
  label[first], label[first + 1] = 0, 1
  made = Dataset(
    ids={"user": user, "item": item},
    dense={},
    label=label,
    domain=domain,
    split=np.zeros(num_rows, np.int8),
    domains=tuple(f"domain {d}" for d in range(len(sizes))),
    vocab={"user": np.arange(NUM_ROWS), "item": np.arange(NUM_ROWS)},
    frozen={},
    moments={},
    truth=None,
    notes=(),
  )
  return made._replace(**changes)


def assert_same(left: Dataset, right: Dataset) -> None:
  """Two data sets are equal, and of equal types."""
  for name, value in left._asdict().items():
    other = getattr(right, name)
    if isinstance(value, dict):
      assert value.keys() == other.keys()
      for field in value:
        np.testing.assert_array_equal(value[field], other[field])
        assert value[field].dtype == other[field].dtype
    elif isinstance(value, np.ndarray):
      np.testing.assert_array_equal(value, other)
      assert value.dtype == other.dtype
    else:
      assert value == other


def batches(sizes=SIZES, batch_size=BATCH_SIZE, seed=0, **changes) -> DomainBatches:
  """`dataset` as minibatches."""
  return pack(dataset(sizes, seed, **changes), "train", batch_size, seed)


def rates(alpha=0.5, beta=0.3, gamma=0.4) -> Hparams:
  return Hparams(*(jnp.asarray(rate, jnp.float32) for rate in (alpha, beta, gamma)))


# The model in JAX


def init(key, batch=None, num_domains=4):
  """Parameters; no table of domains if `num_domains` is 0."""
  del batch
  keys = iter(jax.random.split(key, 5))
  draw = lambda *shape: jax.random.normal(next(keys), shape)
  tables = {field: {"embedding": draw(NUM_ROWS, WIDTH)} for field in ("user", "item")}
  if num_domains:
    tables["domain"] = {"bias": draw(num_domains)}
  return {"tables": tables, "net": {"w": draw(WIDTH), "b": draw()}}


def predict(params, batch: Batch):
  tables, net = params["tables"], params["net"]
  vectors = sum(tables[field]["embedding"][batch.ids[field]] for field in ("user", "item"))
  bias = tables["domain"]["bias"][batch.domain] if "domain" in tables else 0.0
  return vectors @ net["w"] + net["b"] + bias


def loss(params, key, batch: Batch):
  del key
  losses = optax.sigmoid_binary_cross_entropy(predict(params, batch), batch.label)
  return (batch.weight * losses).sum() / batch.weight.sum()


def objective(num_domains=4) -> Objective:
  return Objective(lambda key, batch: init(key, batch, num_domains), loss, predict)


def double(params):
  return jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), params)


def of_domain(kept, own, domain):
  """All rows that a domain has in what is kept for every domain; 0 where it has none."""
  rows = {"user": jnp.arange(NUM_ROWS), "item": jnp.arange(NUM_ROWS), "domain": jnp.arange(4)}
  rows = {field: rows[field] for field in kept.get("tables", {})}
  return view(kept, places(own, domain, rows), domain)


# The same in NumPy


def flat(params) -> dict[str, np.ndarray]:
  """Parameters, or those of their branches that there are, as a flat dict of NumPy arrays."""
  tables, net = params.get("tables", {}), params.get("net", {})
  leaves = {f: leaf for f, leaves in tables.items() for leaf in leaves.values()} | net
  return {name: np.asarray(leaf, np.float64) for name, leaf in leaves.items()}


def gradient(theta, data: DomainBatches, index: int) -> dict[str, np.ndarray]:
  """The gradient of the loss on a minibatch, by hand, row by row."""
  batch = jax.tree.map(lambda x: np.asarray(x)[index], data.batch)
  grads = {name: np.zeros_like(value) for name, value in theta.items()}
  rows = zip(batch.ids["user"], batch.ids["item"], batch.label, batch.weight, strict=True)
  for user, item, y, weight in rows:
    vector = theta["user"][user] + theta["item"][item]
    logit = vector @ theta["w"] + theta["b"] + theta["domain"][batch.domain]
    residual = weight / batch.weight.sum() * (1 / (1 + np.exp(-logit)) - y)
    grads["user"][user] += residual * theta["w"]
    grads["item"][item] += residual * theta["w"]
    grads["w"] += residual * vector
    grads["b"] += residual
    grads["domain"][batch.domain] += residual
  return grads


def value(theta, data: DomainBatches, index: int) -> float:
  """The loss on a minibatch."""
  batch = jax.tree.map(lambda x: np.asarray(x)[index], data.batch)
  total = 0.0
  rows = zip(batch.ids["user"], batch.ids["item"], batch.label, batch.weight, strict=True)
  for user, item, y, weight in rows:
    vector = theta["user"][user] + theta["item"][item]
    logit = vector @ theta["w"] + theta["b"] + theta["domain"][batch.domain]
    total += weight * (np.log1p(np.exp(logit)) - y * logit)
  return total / batch.weight.sum()


def curvature(theta, data: DomainBatches, index: int, along) -> dict[str, np.ndarray]:
  """The Hessian of the loss on a minibatch times the direction `along`, by hand, row by row."""
  batch = jax.tree.map(lambda x: np.asarray(x)[index], data.batch)
  product = {name: np.zeros_like(leaf) for name, leaf in theta.items()}
  rows = zip(batch.ids["user"], batch.ids["item"], batch.label, batch.weight, strict=True)
  for user, item, y, weight in rows:
    vector = theta["user"][user] + theta["item"][item]
    moved = along["user"][user] + along["item"][item]
    logit = vector @ theta["w"] + theta["b"] + theta["domain"][batch.domain]
    tilt = moved @ theta["w"] + vector @ along["w"] + along["b"] + along["domain"][batch.domain]
    share, p = weight / batch.weight.sum(), 1 / (1 + np.exp(-logit))
    first, second = share * (p - y), share * p * (1 - p) * tilt
    product["user"][user] += second * theta["w"] + first * along["w"]
    product["item"][item] += second * theta["w"] + first * along["w"]
    product["w"] += second * vector + first * moved
    product["b"] += second
    product["domain"][batch.domain] += second
  return product


# Which minibatches were trained on


def tagged(data: DomainBatches) -> DomainBatches:
  """The same data, the number of the minibatch being a feature of its rows."""
  tag = jnp.broadcast_to(jnp.arange(data.batch.domain.size)[:, None], data.batch.label.shape)
  return data._replace(batch=data.batch._replace(dense={"tag": tag}))


def recorded(loss):
  """`loss`, and the list to which it adds the number of every minibatch it is taken on."""
  seen = []

  def recording(params, key, batch):
    note = lambda tag: seen.append(int(tag))
    jax.debug.callback(note, batch.dense["tag"][0], ordered=True)
    return loss(params, key, batch)

  return recording, seen


def assert_trees_close(left, right, **tolerance):
  assert jax.tree.structure(left) == jax.tree.structure(right)
  for x, y in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
    np.testing.assert_allclose(x, y, **tolerance)


def assert_trees_equal(left, right):
  assert jax.tree.structure(left) == jax.tree.structure(right)
  for x, y in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
    np.testing.assert_array_equal(x, y)


def timeless(value):
  """A result or its parts without what the clock said."""
  if isinstance(value, dict):
    return {k: timeless(v) for k, v in value.items() if k != "seconds"}
  return [timeless(v) for v in value] if isinstance(value, list) else value
