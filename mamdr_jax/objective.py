"""A model becomes a loss to descend on and predictions to rank by."""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import optax

from mamdr_jax.core import Array, Batch, Key, Loss, Params, Tree
from mamdr_jax.models.layers import TABLE


class Objective(NamedTuple):
  """What methods and evaluation need of a model."""

  init: Callable[[Key, Batch], Params]
  loss: Loss
  predict: Callable[[Params, Batch], Array]  # logits [B]


def objective(model: nn.Module, l2: float = 0.0) -> Objective:
  """Binary cross entropy of `model`, a flax module called as `model(batch, train) -> [B]`.

  Args:
    model: see `mamdr_jax.models`.
    l2: adds l2 · Σ e² over the embedding rows that the minibatch reads (all rows, where
      the descent is not sparse).
  """

  def variables(params):
    tables = {TABLE + field: leaves for field, leaves in params["tables"].items()}
    return {"params": params["net"], **tables}

  def init(key, batch):
    made = model.init({"params": key}, batch, train=False)
    names = [name for name in made if name.startswith(TABLE)]
    tables = {name.removeprefix(TABLE): made[name] for name in names}
    return {"tables": tables, "net": made.get("params", {})}

  def loss(params, key, batch):
    logits = model.apply(variables(params), batch, train=True, rngs={"dropout": key})
    losses = optax.sigmoid_binary_cross_entropy(logits, batch.label)
    mean = (batch.weight * losses).sum() / batch.weight.sum()
    return mean + l2 * embedding_norm(params["tables"]) if l2 else mean

  def predict(params, batch):
    return model.apply(variables(params), batch, train=False)

  return Objective(init, loss, predict)


def embedding_norm(tables: Tree) -> Array:
  """Σ e² over the embeddings of all fields; what else a table holds is left out: []."""
  leaves = jax.tree_util.tree_leaves_with_path(tables)
  return sum((leaf**2).sum() for path, leaf in leaves if path[-1].key == "embedding")
