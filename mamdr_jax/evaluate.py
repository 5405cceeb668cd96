"""What a state is worth: scores of a split, by the parameters that serve each domain.

In full precision (`core.full_precision`), whatever training has.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mamdr_jax import tree
from mamdr_jax.core import Array, Batch, DomainBatches, Method, Params, Tree, full_precision
from mamdr_jax.descent import lookup
from mamdr_jax.metrics import Tally, figures, tally
from mamdr_jax.objective import Objective
from mamdr_jax.view import Rows, every_id, read


class Serving(NamedTuple):
  """What serves each domain. Called with a domain it gives all of that."""

  objective: Objective
  method: Method
  state: Tree
  moments: dict | None  # of every domain, leaves [D, ...], for a model that needs them

  @full_precision
  def __call__(self, domain: Array) -> Params:
    params = self.method.params(self.state, domain)
    return self._with_moments(params, domain, domain)

  @full_precision
  def alone(self, domain: Array, rows: Rows | None = None) -> Params:
    """The same, of the tables of domains this domain's row alone, which is their row 0.

    Of other tables it has these `rows`, where they are given, else all.
    """
    tables = jax.eval_shape(lambda: self.method.params(self.state, 0)).get("tables", {})
    rows = every_id({"tables": tables}) | (rows or {})
    if "domain" in rows:
      rows["domain"] = jnp.reshape(domain, 1)
    return self._with_moments(self.method.params(self.state, domain, rows), domain, 0)

  def view(self, domain: Array, batch: Batch) -> tuple[Params, Batch]:
    """The table rows that a minibatch of a domain reads, and the minibatch numbered by them."""
    tables = jax.eval_shape(lambda: self.method.params(self.state, 0)).get("tables", {})
    rows, batch = read(tables, batch)
    return self.method.params(self.state, domain, rows), batch

  def predict(self, batch: Batch) -> Array:
    """Logits of a minibatch, [B]; it takes out of tables only the rows that are read."""
    params, viewed = self.view(batch.domain, batch)
    params = self._with_moments(params, batch.domain, viewed.domain)
    return self.objective.predict(params, viewed)

  def _with_moments(self, params, domain, place):
    if self.moments is None:
      return params
    return self.objective.keep_moments(params, place, tree.take(self.moments, domain))


def serving(objective: Objective, method: Method, state: Tree, train: DomainBatches) -> Serving:
  """What serves each domain, moments for normalisation taken from its training rows."""
  alone = Serving(objective, method, state, None)
  if objective.moments is None:
    return alone
  domains = jnp.arange(train.start.size)
  return alone._replace(moments=jax.lax.map(lambda d: moments_of(alone, train, d), domains))


@full_precision
def moments_of(alone: Serving, train: DomainBatches, domain: Array) -> dict:
  """Those of a domain's training rows: see `Objective`."""
  return alone.objective.moments(lambda batch: alone.view(domain, batch), train, domain)


@full_precision
def score(predict: Callable[[Batch], Array], data: DomainBatches) -> Array:
  """Logits of every row of a split, or of a part of it: [T, B]."""
  return jax.lax.map(lambda t: predict(lookup(data, t)), jnp.arange(data.batch.domain.size))


def tallied(
  objective: Objective, method: Method, state: Tree, train: DomainBatches, data: DomainBatches
) -> Tally:
  """The `tally` of a split, scored by what serves each domain."""
  return tally(score(serving(objective, method, state, train).predict, data), data)


def measure(
  objective: Objective, method: Method, state: Tree, train: DomainBatches, data: DomainBatches
) -> dict[str, Array]:
  """The `figures` of a split, scored by what serves each domain."""
  return figures(tallied(objective, method, state, train, data))


def by_name(measured: dict, domains: tuple[str, ...]) -> dict:
  """`figures` with the AUC of each domain under its name."""
  return measured | {"auc": dict(zip(domains, measured["auc"].tolist(), strict=True))}
