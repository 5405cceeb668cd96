"""Alternate training: one domain after the other, in a shuffled order every epoch."""

from typing import NamedTuple

from mamdr_jax import rounds
from mamdr_jax.core import Loss, Method, Optimizer, Params, Tree
from mamdr_jax.descent import of_loss
from mamdr_jax.schedule import full_pass
from mamdr_jax.view import one_for_all, params_alone


class AlternateState(NamedTuple):
  params: Params
  inner: Tree  # optimizer state


def alternate(*, loss: Loss, inner: Optimizer, sparse: bool = True) -> Method:
  """θ ← θ − α ∇L(θ, batch) over a whole pass of every domain (Luo et al. 2023, §V-B).

  Args:
    loss: what to descend on.
    inner: α -> the optimizer; its state lives through all epochs.
    sparse: a step updates the table rows of its minibatch only; see `descent.step`.
  """
  return stepping(of_loss(loss), full_pass, inner, sparse)


def stepping(gradient, schedule, inner: Optimizer, sparse: bool) -> Method:
  """Steps of `inner` along `schedule`, whose state lives through all epochs: `rounds.stepwise`."""

  def init(key, params, train):
    del key, train
    return AlternateState(params, inner(0.0).init(params))

  stage = rounds.stepwise(
    schedule, lambda hparams: gradient, lambda hparams: inner(hparams.alpha), sparse=sparse
  )
  return rounds.method(init, (stage,), one_for_all, served=params_alone)
