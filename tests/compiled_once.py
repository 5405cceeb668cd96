"""Epochs of methods, and walks along minibatches, of the handmade model; each is compiled once."""

from functools import cache

import handmade
import jax
import numpy as np
import optax

from mamdr_jax.descent import descend
from mamdr_jax.methods import METHODS

KEY, INIT = jax.random.key(3), jax.random.key(4)
RATE = 0.1


@cache
def compiled(name, **options):
  """A method with plain gradient descent inside, its functions jitted."""
  method = METHODS[name](loss=handmade.loss, inner=optax.sgd, **options)
  return method._replace(init=jax.jit(method.init), epoch=jax.jit(method.epoch))


def trained(name, params, data, key=KEY, hparams=None, **options):
  """The state of a method after one epoch."""
  method = compiled(name, **options)
  state = method.init(INIT, params, data)
  return method.epoch(key, state, data, hparams or handmade.rates())[0]


@cache
def walker(optimizer, sparse):
  tx = optimizer(RATE)

  def walk(params, data, order, length):
    return descend(
      KEY, params, tx.init(params), data, order,
      loss=handmade.loss, tx=tx, sparse=sparse, length=length,
    )[:2]  # fmt: skip

  return jax.jit(walk)


def walk(params, data, order, optimizer, *, sparse=True):
  """Parameters and optimizer state after `descend` along `order`."""
  padded = np.zeros(data.batch.domain.size, int)
  padded[: len(order)] = order
  return walker(optimizer, sparse)(params, data, padded, len(order))
