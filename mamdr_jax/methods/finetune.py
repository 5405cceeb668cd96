"""Fine-tuning per domain, after any other method: `mamdr+finetune`, `alternate+finetune`, ..."""

import inspect
from collections.abc import Callable

from mamdr_jax import optimizers
from mamdr_jax.core import Loss, Method, Optimizer
from mamdr_jax.methods.arguments import takes_also
from mamdr_jax.methods.separate import separate


def finetune(
  base: Method,
  *,
  loss: Loss,
  inner: Optimizer,
  finetune_rate: float = 1.0,
  finetune_with: str = "",
  sparse: bool = True,
) -> Method:
  """`separate`, begun from what the best state of `base` serves each domain.

    θᵢ ← what `base` serves i;  then θᵢ ← θᵢ − α' ∇L(θᵢ, batch) over the minibatches of i.

  `fit` trains `base` to its end, then this. A domain keeps what it began with unless its own
  validation AUC rises above that.

  Args:
    base: the method to start from.
    loss: what to descend on.
    inner: α' -> the optimizer; it starts with a fresh state.
    finetune_rate: α' / α, the rate of fine-tuning as a multiple of that before.
    finetune_with: its optimizer, by name, such as sgd; by default that before.
    sparse: a step updates the table rows of its minibatch only; see `descend`.
  """
  inner = optimizers.named(finetune_with, ()) if finetune_with else inner
  rate = lambda alpha: inner(finetune_rate * alpha)
  return separate(loss=loss, inner=rate, base=base, sparse=sparse)._replace(rates=base.rates)


def finetuned(constructor: Callable[..., Method]) -> Callable[..., Method]:
  """The constructor of a method, followed by `finetune`: it takes the arguments of both."""
  theirs = inspect.signature(constructor).parameters

  @takes_also(constructor)
  def both(
    *,
    loss: Loss,
    inner: Optimizer,
    finetune_rate: float = 1.0,
    finetune_with: str = "",
    sparse: bool = True,
    **rest,
  ):
    common = {"loss": loss, "inner": inner, "sparse": sparse}
    base = constructor(**{n: x for n, x in common.items() if n in theirs}, **rest)
    return finetune(base, **common, finetune_rate=finetune_rate, finetune_with=finetune_with)

  return both
