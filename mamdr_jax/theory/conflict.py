"""How the gradients of domains stand to each other (Luo et al. 2023, §III-B).

Everywhere `batches` is a `Batch` with leaves [D, ...], one minibatch of every domain, and gᵢ the
gradient of the loss of domain i on its minibatch, all at the same parameters and with the same key.

Gradients of D domains take D times the memory of the parameters. With long tables, hand in what
`narrow` gives: the rows that are read, and minibatches that are numbered by them.
"""

import jax
import jax.numpy as jnp

from mamdr_jax.core import Array, Batch, Key, Loss, Params, Tree, full_precision
from mamdr_jax.view import touched, view


def narrow(params: Params, batches: Batch) -> tuple[Params, Batch]:
  """`params` cut down to the table rows that `batches` read, and `batches` renumbered into them.

  Gradients at the view are the same but for the rows left out, where they are 0. A loss that sums
  over all rows it is given, as with `l2`, is to be wrapped in `descent.narrowed`.
  """
  rows, batches = touched(params.get("tables", {}), batches)
  return view(params, rows), batches


@full_precision
def domain_gradients(loss: Loss, params: Params, key: Key, batches: Batch) -> Params:
  """gᵢ of every domain: leaves [D, ...]."""
  return jax.vmap(jax.grad(loss), (None, None, 0))(params, key, batches)


@full_precision
def leaf_grams(gradients: Tree) -> Tree:
  """Of each leaf [D, ...] alone the inner products, [D, D]; their sum is the `gram`."""

  def products(leaf):
    flat = leaf.reshape(leaf.shape[0], -1)
    return flat @ flat.T

  return jax.tree.map(products, gradients)


def gram(gradients: Tree) -> Array:
  """⟨gᵢ, gⱼ⟩, all parameters together: leaves [D, ...] -> [D, D]."""
  return sum(jax.tree.leaves(leaf_grams(gradients)))


def cosines(gram: Array) -> Array:
  """⟨gᵢ, gⱼ⟩ / (‖gᵢ‖ ‖gⱼ‖), 0 for a gradient that is 0: [D, D] -> [D, D]."""
  length = jnp.sqrt(jnp.diagonal(gram))
  inverse = jnp.where(length > 0, 1 / jnp.where(length > 0, length, 1), 0)
  return inverse[:, None] * gram * inverse


def pair_mean(matrix: Array) -> Array:
  """The mean over pairs i < j of a symmetric matrix: [D, D] -> []."""
  return matrix[jnp.triu_indices(matrix.shape[0], 1)].mean()


def conflict_share(gram: Array) -> Array:
  """The share of pairs i < j in conflict, ⟨gᵢ, gⱼ⟩ < 0: [D, D] -> []."""
  return pair_mean((gram < 0).astype(gram.dtype))
