"""MAMDR: Domain Negotiation for the shared parameters, Domain Regularization for the rest."""

import optax

from mamdr_jax.core import Loss, Method, Optimizer
from mamdr_jax.methods.arguments import takes_also
from mamdr_jax.methods.domain_negotiation import domain_negotiation
from mamdr_jax.methods.domain_regularization import domain_regularization


@takes_also(domain_regularization, but=("shared",))
def mamdr(
  *,
  loss: Loss,
  inner: Optimizer,
  outer: Optimizer = optax.sgd,
  carry: bool = True,
  round_steps: int | None = None,
  sparse: bool = True,
  **regularization,
) -> Method:
  """Luo et al. 2023, Alg. 3: an epoch is DN on θ_S, then DR for every domain.

  `domain_negotiation` says more of its arguments.

  Args:
    loss: what to descend on.
    inner: α -> the inner optimizer of the shared parameters, and by default of the deltas.
    outer: β or γ -> the outer optimizer, of the shared parameters and of the deltas.
    carry: DN's inner optimizer state lives on into the next epoch.
    round_steps: an outer step of DN follows every so many minibatches of each domain; by default it
      follows one whole pass.
    sparse: a step updates the table rows of its minibatch only; see `descend`.
    regularization: what else `domain_regularization` takes, such as `k`.
  """
  common = {"loss": loss, "inner": inner, "outer": outer, "sparse": sparse}
  negotiation = domain_negotiation(**common, carry=carry, round_steps=round_steps)
  return domain_regularization(**common, shared=negotiation, **regularization)
