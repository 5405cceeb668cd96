"""What a state is worth: scores of a split, by the parameters that serve each domain.

In full precision (`core.full_precision`), whatever training has.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mamdr_jax.core import Array, Batch, DomainBatches, Method, Params, Tree, full_precision
from mamdr_jax.descent import minibatch
from mamdr_jax.metrics import summary
from mamdr_jax.objective import Objective
from mamdr_jax.view import read


class Serving(NamedTuple):
  """What serves each domain. Called with a domain it gives all of that."""

  objective: Objective
  method: Method
  state: Tree
  train: DomainBatches  # moments for normalisation are of its rows

  @full_precision
  def __call__(self, domain: Array) -> Params:
    params, moments = self.method.params(self.state, domain), self.moments(domain)
    return params if moments is None else self.objective.keep_moments(params, domain, moments)

  def moments(self, domain: Array) -> dict | None:
    """Those of a domain's training rows, for a model that needs them: see `Objective`."""
    if self.objective.moments is None:
      return None
    return self.objective.moments(lambda batch: self.view(domain, batch), self.train, domain)

  def view(self, domain: Array, batch: Batch) -> tuple[Params, Batch]:
    """The table rows that a minibatch of a domain reads, and the minibatch numbered by them."""
    tables = jax.eval_shape(lambda: self.method.params(self.state, 0)).get("tables", {})
    rows, batch = read(tables, batch)
    return self.method.params(self.state, domain, rows), batch

  def predictor(self, domain: Array) -> Callable[[Batch], Array]:
    """minibatch of the domain -> logits [B]; it takes out of tables only the rows that are read."""
    moments, keep = self.moments(domain), self.objective.keep_moments

    def predict(batch):
      params, batch = self.view(domain, batch)
      params = params if moments is None else keep(params, batch.domain, moments)
      return self.objective.predict(params, batch)

    return predict


@full_precision
def score(predictor: Callable[[Array], Callable[[Batch], Array]], data: DomainBatches) -> Array:
  """Logits of every row of a split, those of domain d by `predictor(d)`: [T, B]."""

  def score_domain(scores, domain):
    predict = predictor(domain)
    fill = lambda s, scores: scores.at[s].set(predict(minibatch(data, s)))
    start = data.start[domain]
    return jax.lax.fori_loop(start, start + data.count[domain], fill, scores), None

  domains = jnp.arange(data.start.size)
  return jax.lax.scan(score_domain, jnp.zeros(data.batch.label.shape), domains)[0]


def measure(
  objective: Objective, method: Method, state: Tree, train: DomainBatches, data: DomainBatches
) -> dict[str, Array]:
  """The `summary` of a split, scored by what serves each domain."""
  return summary(score(Serving(objective, method, state, train).predictor, data), data)


def by_name(measured: dict, domains: tuple[str, ...]) -> dict:
  """A `summary` whose AUC per domain goes by the names of the domains."""
  return measured | {"auc": dict(zip(domains, measured["auc"].tolist(), strict=True))}
