"""How much the domains conflict while a model trains, and what a pass of DN does about it."""

from collections.abc import Callable

import jax

from mamdr_jax import tree
from mamdr_jax.core import Batch, DomainBatches, Loss, full_precision
from mamdr_jax.descent import gather, narrowed
from mamdr_jax.theory.conflict import (
  conflict_share,
  cosines,
  domain_gradients,
  gram,
  narrow,
  pair_mean,
)
from mamdr_jax.theory.innergrad import dn_gradient, inner_grad


def held(data: DomainBatches) -> Batch:
  """The first minibatch of every domain, frozen features looked up: leaves [D, ...]."""
  return gather(data, data.start)


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
  num_domains = batches.domain.size
  if num_domains < 2:
    raise ValueError(f"conflict is between domains; expected 2 or more, got {num_domains}")
  viewed = narrowed(loss)

  def loss(params, key, batch):
    return viewed(params, jax.random.clone(key), batch)  # every term is meant to have the same one

  @full_precision
  def probe(key, params):
    loss_key, order_key = jax.random.split(key)
    part, read = narrow(params, batches)
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

  return probe
