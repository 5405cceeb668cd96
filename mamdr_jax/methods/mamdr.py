"""MAMDR: Domain Negotiation for the shared parameters, Domain Regularization for the rest."""

import optax

from mamdr_jax.core import Loss, Method, Optimizer
from mamdr_jax.methods.arguments import takes_also
from mamdr_jax.methods.domain_negotiation import domain_negotiation
from mamdr_jax.methods.domain_regularization import domain_regularization
from mamdr_jax.methods.one_state import one_state as whole


@takes_also(domain_regularization, but=("shared",))
def mamdr(
  *,
  loss: Loss,
  inner: Optimizer,
  outer: Optimizer = optax.sgd,
  carry: bool = True,
  round_steps: int | None = None,
  one_state: bool = False,
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
    one_state: one state of the inner optimizer goes through all descents of DN and DR, as in the
      authors' code; all rows of tables then have deltas and take every step, visits are whole, and
      the options of sparse steps, bounds and of what has a delta do not apply.
    sparse: a step updates the table rows of its minibatch only; see `descend`.
    regularization: what else `domain_regularization` takes, such as `k`.
  """
  if one_state:
    return in_one_state(loss, inner, outer, round_steps, **regularization)
  common = {"loss": loss, "inner": inner, "outer": outer, "sparse": sparse}
  negotiation = domain_negotiation(**common, carry=carry, round_steps=round_steps)
  return domain_regularization(**common, shared=negotiation, **regularization)


def in_one_state(loss: Loss, inner: Optimizer, outer: Optimizer, round_steps, **options) -> Method:
  """`one_state.one_state`; ValueError for an option that does not go with it."""
  taken = {"k": 3, "help_self": False, "specific_scale": 0.0}
  taken = {name: options.pop(name, usual) for name, usual in taken.items()}
  branches = {"tables", "net"}
  odd = [
    *(name for name in ("visit_steps", "specific_carry") if options.get(name)),
    *(["similarity"] if len(options.get("similarity", ())) else []),
    *(["specific_rate"] if options.get("specific_rate", 1.0) != 1 else []),
    *(["round_steps"] if round_steps else []),
    *(["specific"] if set(options.get("specific", branches)) != branches else []),
  ]
  if odd:
    raise ValueError(f"one_state=True: whole passes of all parameters leave {odd[0]} without use")
  return whole(loss=loss, inner=inner, outer=outer, **taken)
