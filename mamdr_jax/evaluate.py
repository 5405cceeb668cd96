"""What a state is worth: scores of a split, by the parameters that serve each domain.

In full precision (`core.full_precision`), whatever training has.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from mamdr_jax.core import Array, Batch, DomainBatches, Method, Params, Tree, full_precision
from mamdr_jax.descent import minibatch
from mamdr_jax.metrics import summary
from mamdr_jax.objective import Objective


def serving(
  objective: Objective, method: Method, state: Tree, train: DomainBatches
) -> Callable[[Array], Params]:
  """domain -> the parameters that serve it, moments for normalisation taken from `train`."""

  @full_precision
  def serve(domain):
    return objective.settle(method.params(state, domain), train, domain)

  return serve


@full_precision
def score(
  serve: Callable[[Array], Params],
  data: DomainBatches,
  predict: Callable[[Params, Batch], Array],
) -> Array:
  """Logits of every row of a split, those of domain d by the parameters `serve(d)`: [T, B]."""

  def score_domain(scores, domain):
    params = serve(domain)
    fill = lambda s, scores: scores.at[s].set(predict(params, minibatch(data, s)))
    start = data.start[domain]
    return jax.lax.fori_loop(start, start + data.count[domain], fill, scores), None

  domains = jnp.arange(data.start.size)
  return jax.lax.scan(score_domain, jnp.zeros(data.batch.label.shape), domains)[0]


def measure(
  objective: Objective, method: Method, state: Tree, train: DomainBatches, data: DomainBatches
) -> dict[str, Array]:
  """The `summary` of a split, scored by what serves each domain."""
  return summary(score(serving(objective, method, state, train), data, objective.predict), data)


def by_name(measured: dict, domains: tuple[str, ...]) -> dict:
  """A `summary` whose AUC per domain goes by the names of the domains."""
  return measured | {"auc": dict(zip(domains, measured["auc"].tolist(), strict=True))}
