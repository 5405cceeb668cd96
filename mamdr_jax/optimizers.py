"""The optimizers of optax that a config can name: those that take one row as they take a table."""

import functools
import inspect

import numpy as np
import optax

from mamdr_jax.core import Optimizer

USUAL = "adam, adamw, sgd, adagrad, rmsprop, lion, yogi"
# They have the form of an optimizer, and are none.
NONE = ("scale_by_learning_rate",)


def named(name: str, options: tuple = ()) -> Optimizer:
  """rate -> the optax optimizer of that name, with its options.

  Raises:
    ValueError: optax has no such optimizer, it takes no such option, or it is not elementwise: of a
      few rows of a table it would make other steps than of the whole.
  """
  constructor = getattr(optax, name, None) if name.isidentifier() else None
  parameters = inspect.signature(constructor).parameters if inspect.isfunction(constructor) else {}
  if next(iter(parameters), None) != "learning_rate" or name in NONE:
    raise ValueError(f"unknown optimizer {name!r}; choose one of optax's, e.g. {USUAL}")
  try:
    options = dict(options)
  except (TypeError, ValueError):
    raise ValueError(f"options={options!r}; expected pairs, e.g. (('momentum', 0.9),)") from None
  if unknown := sorted(map(str, set(options) - (set(parameters) - {"learning_rate"}))):
    raise ValueError(f"optax.{name} takes no option {unknown[0]!r}")
  try:
    kept = tuple(sorted(options.items()))
    hash(kept)
  except TypeError:
    raise ValueError(f"optax.{name}: options {options!r} are no plain values") from None
  _check(name, kept)
  return lambda rate: constructor(rate, **options)


@functools.cache
def _check(name: str, options: tuple) -> None:
  """Raises a ValueError unless two steps on some rows are those of the table, and go downhill."""
  told = dict(options)
  rng, rows = np.random.default_rng(0), np.array([3, 130])
  table = {"table": rng.normal(size=(160, 130)).astype(np.float32)}
  grads = [{"table": rng.normal(size=(160, 130)).astype(np.float32)} for _ in range(2)]
  cut = lambda tree: {"table": tree["table"][rows]}

  def steps(params, grads):
    tx, updates = getattr(optax, name)(0.1, **told), []
    state = tx.init(params)
    for gradient in grads:
      update, state = tx.update(gradient, state, params)
      updates.append(np.asarray(update["table"]))
    return np.stack(updates)

  try:
    whole, part = steps(table, grads), steps(cut(table), [cut(g) for g in grads])
  except Exception as error:  # whatever optax makes of it
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    raise ValueError(f"optax.{name} with options {told} cannot be used: {reason[:120]}") from None
  if not np.allclose(whole[:, rows], part, rtol=1e-4, atol=1e-7):
    raise ValueError(
      f"optax.{name} is not elementwise: of the rows of a minibatch it makes other steps than of "
      f"the table; choose e.g. {USUAL}"
    )
  if not (whole[0] * grads[0]["table"]).sum() < 0:
    raise ValueError(f"optax.{name} with options {told} goes up the loss; choose e.g. {USUAL}")
