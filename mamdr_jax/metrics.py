"""Exact AUC per domain, log loss and RANK, on the device."""

import jax
import jax.numpy as jnp
import optax

from mamdr_jax.core import Array, DomainBatches


def grouped_auc(score: Array, label: Array, weight: Array, group: Array, num_groups: int) -> Array:
  """Area under the ROC curve of every group of rows: ties get half credit.

  Args:
    score, label, weight: [n] float; label in {0, 1}; rows of weight 0 do not count.
    group: [n] int32.
    num_groups: G.

  Returns:
    [G] float32; NaN where a group lacks positives or negatives, or has a score that is NaN.
  """
  group, score, label, weight = jax.lax.sort((group, score, label, weight), num_keys=2)
  positive, negative = weight * label, weight * (1.0 - label)
  sums = lambda x: jax.ops.segment_sum(x, group, num_groups, indices_are_sorted=True)
  num_positive, num_negative = sums(positive), sums(negative)

  # Negatives up to each row, counted from the start of its group, at both ends of its tie.
  index = jnp.arange(score.size)
  opens = (
    jnp.ones(score.size, bool).at[1:].set((score[1:] != score[:-1]) | (group[1:] != group[:-1]))
  )
  closes = jnp.ones(score.size, bool).at[:-1].set(opens[1:])
  first = jax.lax.cummax(jnp.where(opens, index, 0))
  last = jax.lax.cummin(jnp.where(closes, index, score.size), reverse=True)
  below_all = jnp.cumsum(negative)
  earlier_groups = jnp.cumsum(num_negative) - num_negative
  below = below_all[first] - negative[first] - earlier_groups[group]
  upto = below_all[last] - earlier_groups[group]
  # Dividing before summing keeps float32 terms at the scale of the result.
  won = positive * (below + upto) / (2.0 * num_negative[group])
  return sums(jnp.where(jnp.isnan(score) & (weight > 0), jnp.nan, won)) / num_positive


def domain_auc(score: Array, data: DomainBatches) -> Array:
  """AUC of every domain from the scores [T, B] of a split: [D]."""
  batch = data.batch
  domain = jnp.broadcast_to(batch.domain[:, None], score.shape)
  flat = (x.ravel() for x in (score, batch.label, batch.weight, domain))
  return grouped_auc(*flat, data.start.size)


def log_loss(score: Array, data: DomainBatches) -> Array:
  """Mean binary cross entropy over all rows, from logits [T, B]: [] nats."""
  weight = data.batch.weight
  losses = optax.sigmoid_binary_cross_entropy(score, data.batch.label)
  return (weight * losses).sum() / weight.sum()


def summary(score: Array, data: DomainBatches) -> dict[str, Array]:
  """`auc` [D], their plain mean `mean_auc`, size-weighted mean `weighted_auc`, and `log_loss`."""
  auc = domain_auc(score, data)
  size = jax.ops.segment_sum(data.batch.weight.sum(1), data.batch.domain, data.start.size)
  return {
    "auc": auc,
    "mean_auc": auc.mean(),
    "weighted_auc": (auc * size).sum() / size.sum(),
    "log_loss": log_loss(score, data),
  }


def rank(auc: Array) -> Array:
  """RANK (Luo et al. 2023, Table V): a method's rank within a domain, averaged over domains.

  Args:
    auc: [M, D], methods by domains.

  Returns:
    [M], 1 is best; tied methods share the mean of their ranks.
  """
  better = (auc[None] > auc[:, None]).sum(1)
  tied = (auc[None] == auc[:, None]).sum(1)
  return (better + (tied + 1) / 2).mean(1)
