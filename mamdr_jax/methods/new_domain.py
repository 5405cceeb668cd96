"""A new domain beside trained ones: Domain Regularization for it alone, all else at rest."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mamdr_jax.core import DomainBatches, Loss, Method, Optimizer, Own, Params
from mamdr_jax.methods.deltas import Deltas
from mamdr_jax.methods.domain_regularization import paired, regularized
from mamdr_jax.view import one_for_all

TARGET = 0  # the new domain's number; the others are its helpers


class Fixed(NamedTuple):
  params: Params


def fixed() -> Method:
  """Parameters that do not move."""
  nothing = {"loss": jnp.float32(0), "passes": jnp.float32(0)}
  return Method(
    lambda key, params, train: Fixed(params),
    lambda key, state, data, hparams: (state, nothing),
    one_for_all,
    rates=(),
  )


def new_domain(
  *,
  loss: Loss,
  inner: Optimizer,
  outer: Optimizer = optax.sgd,
  k: int = 3,
  visit_steps: int = 8,
  specific: tuple[str, ...] = ("tables", "net"),
) -> Method:
  """Luo et al. 2023, Alg. 2 for one target, the domain 0; others are looked at and nothing more.

  `init` takes θ_S, which stays; `train.own` has to be that of `alone`.

  Args:
    loss: what to descend on.
    inner: α -> the inner optimizer.
    outer: γ -> the outer optimizer.
    k: how many of the others help, drawn anew every epoch.
    visit_steps: at most so many minibatches of a visit, the helper's and the target's.
    specific: the branches of the parameters that have a delta.
  """
  deltas = Deltas(
    loss, inner, outer, fixed(), tuple(specific), visit_steps, False, 0.0, False, True
  )

  def pairs(key, num_domains):
    return jnp.full(k, TARGET), 1 + jax.random.permutation(key, num_domains - 1)[:k]

  def rest(key, params, train):
    if not 1 <= k < train.start.size:
      raise ValueError(f"k={k} helpers: expected 1 to {train.start.size - 1}")
    return deltas.rest(key, params, train)

  return regularized(deltas, paired(pairs, visit_steps, num_targets=1), rest)


def alone(train: DomainBatches) -> DomainBatches:
  """The split as `new_domain` wants it: the rows of tables that the new domain has, no other's."""
  first = {field: np.asarray(of.first[:2]) for field, of in train.own.items()}
  own = {field: Own(of.ids[: first[field][1]], first[field]) for field, of in train.own.items()}
  return train._replace(own=jax.tree.map(jnp.asarray, own))
