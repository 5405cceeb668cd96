"""Exact AUC per domain, log loss and RANK, on the device."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mamdr_jax.core import Array, DomainBatches
from mamdr_jax.scan import running


def grouped_auc(score: Array, label: Array, weight: Array, group: Array, num_groups: int) -> Array:
  """Area under the ROC curve of every group of rows: ties get half credit.

  For weights 0 and 1 it is exact but for the rounding of the result, up to 2³¹ rows; for other
  weights it is right to about 1e-7.

  Args:
    score, label, weight: [n] float; label in {0, 1}; rows of weight 0 do not count.
    group: [n] int32.
    num_groups: G.

  Returns:
    [G] float32; NaN where a group lacks positives or negatives, or has a score that is NaN.

  >>> score, label = jnp.array([0.1, 0.4, 0.4, 0.8]), jnp.array([0.0, 0.0, 1.0, 1.0])
  >>> grouped_auc(score, label, jnp.ones(4), jnp.zeros(4, int), 1).tolist()
  [0.875]
  """
  group, score, label, weight = jax.lax.sort((group, score, label, weight), num_keys=2)
  positive, negative = weight * label, weight * (1.0 - label)
  begins = jnp.ones(score.size, bool).at[1:].set(group[1:] != group[:-1])
  num_positive, num_negative = running_sum(positive, begins), running_sum(negative, begins)

  # Negatives up to each row, counted from the start of its group, at both ends of its tie.
  index = jnp.arange(score.size)
  opens = begins.at[1:].max(score[1:] != score[:-1])
  closes = jnp.ones(score.size, bool).at[:-1].set(opens[1:])
  first = jax.lax.cummax(jnp.where(opens, index, 0))
  last = jax.lax.cummin(jnp.where(closes, index, score.size), reverse=True)
  at = lambda sums, rows: tuple(x[rows] for x in sums)
  upto = at(num_negative, last)
  below = _add(at(num_negative, first), (-negative[first], jnp.zeros_like(negative)))
  won = tuple(positive * x for x in _add(below, upto))
  won = jnp.where(jnp.isnan(score) & (weight > 0), jnp.nan, won[0]), won[1]
  won = running_sum(won, begins)

  end = jnp.searchsorted(group, jnp.arange(num_groups), side="right") - 1  # of each group
  some = group[end] == jnp.arange(num_groups)
  won, num_positive, num_negative = (
    jnp.where(some, high[end] + low[end], 0.0) for high, low in (won, num_positive, num_negative)
  )
  return won / num_negative / num_positive / 2


def running_sum(x: Array | tuple[Array, Array], begins: Array) -> tuple[Array, Array]:
  """Sums from the last row that `begins` a group up to each row, in two floats: high + low.

  Two float32 hold 48 bits, so that counts are exact where one would stand still at 2²⁴; and sums
  that begin anew in every group do not lose in one what came before it.

  Args:
    x: [n] float32, or two of them that are to be added.
    begins: [n] bool.

  Returns:
    high, low: [n] float32.
  """

  def join(a, b):
    total = _add(a[0], b[0])
    return tuple(jnp.where(b[1], y, x) for x, y in zip(total, b[0], strict=True)), a[1] | b[1]

  x = x if isinstance(x, tuple) else (x, jnp.zeros_like(x))
  return running(join, (x, begins))[0]


def _add(a: tuple[Array, Array], b: tuple[Array, Array]) -> tuple[Array, Array]:
  """The sum of two numbers of two floats each, as two floats (Knuth's TwoSum, renormalised)."""
  high = a[0] + b[0]
  back = high - a[0]
  low = (a[0] - (high - back)) + (b[0] - back) + (a[1] + b[1])
  total = high + low
  return total, low - (total - high)


def domain_auc(score: Array, data: DomainBatches) -> Array:
  """AUC of every domain from the scores [T, B] of a split: [D]."""
  batch = data.batch
  domain = jnp.broadcast_to(batch.domain[:, None], score.shape)
  flat = (x.ravel() for x in (score, batch.label, batch.weight, domain))
  return grouped_auc(*flat, data.start.size)


def log_loss(score: Array, data: DomainBatches) -> Array:
  """Mean binary cross entropy over all rows, from logits [T, B]: [] nats."""
  return losses(score, data) / data.batch.weight.sum()


def losses(score: Array, data: DomainBatches) -> Array:
  """The sum over rows whose mean is the `log_loss`: []."""
  weight = data.batch.weight
  # Chosen, not weighed by the label: 0 · log σ(−∞) would be NaN where a logit is infinite.
  each = -jax.nn.log_sigmoid(jnp.where(data.batch.label > 0, score, -score))
  return jnp.where(weight > 0, weight * each, 0.0).sum()


class Tally(NamedTuple):
  """What is measured of some domains, all of whose rows are there; of others it is 0."""

  auc: Array  # [D] float32, NaN where a domain lacks a label
  rows: Array  # [D] float32
  both: Array  # [D] bool, whether there are rows of both labels; without, there is no AUC
  losses: Array  # [] float32, the sum over rows


def tally(score: Array, data: DomainBatches) -> Tally:
  """From the scores [T, B] of a split, or of a part of it that has all rows of its domains."""
  batch = data.batch
  count = lambda weight: jax.ops.segment_sum(weight.sum(1), batch.domain, data.start.size)
  rows, positives = count(batch.weight), count(batch.weight * batch.label)
  both = (positives > 0) & (positives < rows)
  return Tally(domain_auc(score, data), rows, both, losses(score, data))


def together(a: Tally, b: Tally) -> Tally:
  """Of the domains of both."""
  auc = jnp.where(b.rows > 0, b.auc, a.auc)
  return Tally(auc, a.rows + b.rows, a.both | b.both, a.losses + b.losses)


def summary(score: Array, data: DomainBatches) -> dict[str, Array]:
  """The `figures` of a split, from its scores [T, B]."""
  return figures(tally(score, data))


def figures(of: Tally) -> dict[str, Array]:
  """`auc` [D], their plain mean `mean_auc`, size-weighted mean `weighted_auc`, and `log_loss`.

  Means are over the domains that have both labels. The AUC of the others is NaN; so is a mean if a
  score of those is.
  """
  total = lambda x: jnp.where(of.both, x, 0.0).sum()
  return {
    "auc": of.auc,
    "mean_auc": total(of.auc) / of.both.sum(),
    "weighted_auc": total(of.auc * of.rows) / total(of.rows),
    "log_loss": of.losses / of.rows.sum(),
  }


def auc_of_each(of: Tally) -> Array:
  """What each domain is chosen by: its AUC, or where it has none the mean over others: [D]."""
  return jnp.where(of.both, of.auc, jnp.nanmean(of.auc))


def rank(auc: Array) -> Array:
  """RANK (Luo et al. 2023, Table V): a method's rank within a domain, averaged over domains.

  Args:
    auc: [M, D], methods by domains. NaN ranks last; a domain in which all have NaN does not count.

  Returns:
    [M], 1 is best; tied methods share the mean of their ranks.

  >>> rank(jnp.array([[0.8, 0.7], [0.6, 0.7], [0.5, 0.9]])).tolist()
  [1.75, 2.25, 2.0]
  """
  known = ~jnp.isnan(auc).all(0)
  known = known | ~known.any()
  auc = jnp.where(jnp.isnan(auc), -jnp.inf, auc)
  better = (auc[None] > auc[:, None]).sum(1)
  tied = (auc[None] == auc[:, None]).sum(1)
  return jnp.where(known, better + (tied + 1) / 2, 0.0).sum(1) / known.sum()
