"""A model becomes a loss to descend on and predictions to rank by."""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from mamdr_jax.core import Array, Batch, DomainBatches, Key, Loss, Params, Tree
from mamdr_jax.descent import minibatch
from mamdr_jax.models.layers import TABLE


class Objective(NamedTuple):
  """What methods and evaluation need of a model."""

  init: Callable[[Key, Batch], Params]
  loss: Loss
  predict: Callable[[Params, Batch], Array]  # logits [B]
  # Of a model that normalises rows by moments of their domain, else None:
  # (minibatch -> params, minibatch; training split, domain) -> the moments of that domain
  moments: Callable[[Callable, DomainBatches, Array], dict] | None = None
  # (params, domain, moments) -> the params with them
  keep_moments: Callable[[Params, Array, dict], Params] | None = None
  # What `loss` adds to the likelihood of the labels, [] of what it is given; None if nothing.
  penalty: Callable[[Params], Array] | None = None


def objective(model: nn.Module, l2: float = 0.0) -> Objective:
  """Binary cross entropy of `model`, a flax module called as `model(batch, train) -> [B]`.

  Args:
    model: see `mamdr_jax.models`, also for one that `needs_moments`.
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
    return mean + penalty(params) if l2 else mean

  def penalty(params):
    return l2 * embedding_norm(params["tables"])

  def predict(params, batch):
    return model.apply(variables(params), batch, train=False)

  def moments_of(view, train, domain):
    def inputs(batch):
      params, batch = view(batch)
      return model.apply(variables(params), batch, method="inputs")

    return moments(inputs, train, domain)

  made = Objective(init, loss, predict, penalty=penalty if l2 else None)
  if getattr(model, "needs_moments", False):
    made = made._replace(moments=moments_of, keep_moments=model.keep_moments)
  return made


def moments(inputs: Callable[[Batch], Array], data: DomainBatches, domain: Array) -> dict:
  """Moments of `inputs`, [B, n], over the rows of a domain by their weight, in one pass.

  Returns:
    mean: [n]. variance: [n], biased, as a minibatch's is. count: [], the sum of the weights.
  """

  def add(s, total):
    batch = minibatch(data, s)
    x, weight = inputs(batch), batch.weight[:, None]
    count = weight.sum()
    mean = (weight * x).sum(0) / count
    # Moments about the means are merged, since squares less a square would lose digits.
    variance = (weight * (x - mean) ** 2).sum(0) / count
    share = count / (total["count"] + count)
    shift = mean - total["mean"]
    merged = total["variance"] + share * (variance - total["variance"])
    return {
      "mean": total["mean"] + share * shift,
      "variance": merged + share * (1 - share) * shift**2,
      "count": total["count"] + count,
    }

  start = data.start[domain]
  width = jax.eval_shape(inputs, minibatch(data, 0)).shape[-1]
  zero = {"mean": jnp.zeros(width), "variance": jnp.zeros(width), "count": jnp.zeros(())}
  return jax.lax.fori_loop(start, start + data.count[domain], add, zero)


def embedding_norm(tables: Tree) -> Array:
  """Σ e² over the embeddings of all fields; what else a table holds is left out: []."""
  leaves = jax.tree_util.tree_leaves_with_path(tables)
  return sum((leaf**2).sum() for path, leaf in leaves if path[-1].key == "embedding")
