"""How much the domains conflict while a model trains, and what a pass of DN does about it."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from mamdr_jax import tree
from mamdr_jax.core import Batch, DomainBatches, Loss, full_precision
from mamdr_jax.descent import gather, narrowed
from mamdr_jax.distribution import MOST_LISTED
from mamdr_jax.theory.conflict import (
  conflict_share,
  cosines,
  domain_gradients,
  gram,
  narrow,
  pair_mean,
)
from mamdr_jax.theory.innergrad import dn_gradient, inner_grad
from mamdr_jax.view import touched


def held(data: DomainBatches, most: int = MOST_LISTED) -> Batch:
  """The first minibatch of every domain, frozen features looked up: leaves [D, ...].

  Of more than `most` domains there are so many, drawn evenly and always the same: memory grows with
  the square of their number, and a pair of them is any pair.
  """
  num_domains, which = data.start.size, slice(None)
  if num_domains > most:
    which = np.sort(np.random.default_rng(0).choice(num_domains, most, replace=False))
  return gather(data, data.start[which])


def conflict_probe(loss: Loss, batches: Batch, *, alpha: float = 1e-3) -> Callable:
  """A function (key, params) -> how much the domains conflict at `params`, a dict of scalars.

  Over pairs i < j, the mean `inner_product` ⟨gᵢ, gⱼ⟩, the mean `cosine`, and the `conflict_share`
  of products below 0. And `alignment`, the cosine of −(Θ̃ − Θ)/α − Σ gᵢ with −InnerGrad, where
  Θ̃ is the end of a DN pass of SGD over `batches` in a shuffled order: near 1, such a pass does
  raise the products. What one order has of its own keeps it below 1, however small α.

  Args:
    loss: what is trained on; as in `descend` it sees the table rows of its minibatch only.
    batches: leaves [D, ...], e.g. those that `held` picks. The cost is that of the rows they read.
    alpha: inner learning rate of the pass, α.

  Raises:
    ValueError: there are fewer than two domains.
  """
  conflict = _conflict(loss, batches.domain.size, alpha)
  return lambda key, params: conflict(key, *narrow(params, batches))


def serving_probe(loss: Loss, batches: Batch, *, alpha: float = 1e-3) -> Callable:
  """A function (key, serve) -> as `conflict_probe`, at the mean over the domains of `batches`.

  `serve(domain, rows=None)` gives what serves a domain, as `Method.params` does; no more of it is
  asked for than the rows that `batches` read.
  """
  conflict = _conflict(loss, batches.domain.size, alpha)

  def probe(key, serve):
    tables = jax.eval_shape(lambda: serve(jnp.int32(0))).get("tables", {})
    rows, read = touched(tables, batches)
    more = lambda total, domain: (tree.add(total, serve(domain, rows)), None)
    domains = batches.domain
    total, _ = jax.lax.scan(more, serve(domains[0], rows), domains[1:])
    return conflict(key, jax.tree.map(lambda x: x / domains.size, total), read)

  return probe


def _conflict(loss: Loss, num_domains: int, alpha: float) -> Callable:
  """A function (key, part, read) of what `narrow` gives."""
  if num_domains < 2:
    raise ValueError(f"conflict is between domains; expected 2 or more, got {num_domains}")
  viewed = narrowed(loss)

  def loss(params, key, batch):
    return viewed(params, jax.random.clone(key), batch)  # every term is meant to have the same one

  @full_precision
  def conflict(key, part, read):
    loss_key, order_key = jax.random.split(key)
    gradients = domain_gradients(loss, part, loss_key, read)
    products = gram(gradients)
    order = jax.random.permutation(order_key, num_domains)
    passed = dn_gradient(loss, part, loss_key, read, order, alpha)
    second = tree.sub(passed, jax.tree.map(lambda leaf: leaf.sum(0), gradients))
    return {
      "inner_product": pair_mean(products),
      "cosine": pair_mean(cosines(products)),
      "conflict_share": conflict_share(products),
      "alignment": -tree.cosine(second, inner_grad(loss, part, loss_key, read)),
    }

  return conflict
