"""A method that is made of two takes the arguments of both, each described once."""

import inspect
from collections.abc import Callable, Sequence

from mamdr_jax.core import Method


def takes_also(
  other: Callable[..., Method], but: Sequence[str] = ()
) -> Callable[[Callable[..., Method]], Callable[..., Method]]:
  """Decorates a constructor with `**rest`, which it passes on: what it names itself comes first.

  The signature and annotations that `configure` reads are of both, and so are the docstrings, see
  `docstrings`.

  Args:
    other: the constructor that `rest` goes to.
    but: arguments of `other` that are not to be given.
  """

  def widened(constructor):
    kept = lambda p: p.kind is p.KEYWORD_ONLY and p.name not in but
    parameters = {}
    for each in (constructor, other):
      for p in filter(kept, inspect.signature(each).parameters.values()):
        parameters.setdefault(p.name, p)
    constructor.__signature__ = inspect.Signature(list(parameters.values()))
    constructor.__annotations__ = {name: p.annotation for name, p in parameters.items()}
    constructor.also = other
    return constructor

  return widened


def docstrings(constructor: Callable) -> list[str]:
  """Its docstring, and those of the constructors that it `takes_also` the arguments of."""
  also = getattr(constructor, "also", None)
  return [constructor.__doc__ or ""] + (docstrings(also) if also else [])
