"""MAMDR: Domain Negotiation for the shared parameters, Domain Regularization for the rest."""

from collections.abc import Sequence

import optax

from mamdr_jax.core import Loss, Method, Optimizer
from mamdr_jax.methods.domain_negotiation import domain_negotiation
from mamdr_jax.methods.domain_regularization import domain_regularization


def mamdr(
  *,
  loss: Loss,
  inner: Optimizer,
  outer: Optimizer = optax.sgd,
  carry: bool = True,
  round_steps: int | None = None,
  k: int = 3,
  visit_steps: int | None = None,
  help_self: bool = False,
  specific: Sequence[str] = ("tables", "net"),
  specific_inner: Optimizer | None = None,
  specific_scale: float = 0.0,
  specific_carry: bool = False,
  sparse: bool = True,
) -> Method:
  """Luo et al. 2023, Alg. 3: an epoch is DN on θ_S, then DR for every domain.

  `domain_negotiation` and `domain_regularization` say more of their arguments.

  Args:
    loss: what to descend on.
    inner: α -> the inner optimizer of the shared parameters, and by default of the deltas.
    outer: β or γ -> the outer optimizer, of the shared parameters and of the deltas.
    carry: DN's inner optimizer state lives on into the next epoch.
    round_steps: an outer step of DN follows every so many minibatches of each domain; by default it
      follows one whole pass.
    k: how many helpers a target has.
    visit_steps: at most so many minibatches of a helper, and of the target; by default all.
    help_self: the target is one more helper of itself, after the others.
    specific: the branches of the parameters that have deltas.
    specific_inner: α -> the inner optimizer of the deltas.
    specific_scale: standard deviation of the normal noise that deltas start from.
    specific_carry: the deltas' inner optimizer state lives on from visit to visit.
    sparse: a step updates the table rows of its minibatch only; see `descend`.
  """
  return domain_regularization(
    loss=loss,
    inner=inner,
    outer=outer,
    shared=domain_negotiation(
      loss=loss, inner=inner, outer=outer, carry=carry, round_steps=round_steps, sparse=sparse
    ),
    k=k,
    visit_steps=visit_steps,
    help_self=help_self,
    specific=specific,
    specific_inner=specific_inner,
    specific_scale=specific_scale,
    specific_carry=specific_carry,
    sparse=sparse,
  )
