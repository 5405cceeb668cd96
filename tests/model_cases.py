"""Every model with parameters none of which is 0, and what NumPy says of it.

The paper's models are in `models_in_numpy.py`, others in `later_in_numpy.py`. A row has a user, an
item, a category, and two given features, one of which has to be projected.
"""

from typing import NamedTuple

import handmade
import jax
import jax.numpy as jnp
import later_in_numpy as later
import models_in_numpy as papers
import numpy as np
from models_in_numpy import INDEX, SIZE, VOCAB

from mamdr_jax.core import DomainBatches
from mamdr_jax.descent import minibatch
from mamdr_jax.models import MODELS
from mamdr_jax.objective import objective

SIZES = papers.SIZES | later.SIZES
REFERENCE = papers.REFERENCE | later.REFERENCE
BY_VECTOR = later.BY_VECTOR
# Those that keep something of a domain whether it is a feature or not.
MULTI_DOMAIN = papers.MULTI_DOMAIN | later.MULTI_DOMAIN | BY_VECTOR


def expected(name, params, batch, **options):
  to_numpy = lambda x: np.asarray(x, np.float64 if x.dtype == np.float32 else None)
  return REFERENCE[name](*jax.tree.map(to_numpy, (params, batch)), **options)


def close(actual, wanted):
  """To 1e-5 of the largest."""
  np.testing.assert_allclose(actual, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


def rows(seed=0) -> DomainBatches:
  """4 domains as in `handmade`, with a further field and two given features."""
  rng = np.random.default_rng(seed + 10)
  num_rows = sum(handmade.SIZES)
  plain = handmade.dataset(seed=seed)
  category = rng.integers(3, size=num_rows, dtype=np.int32)
  dense = {"price": rng.normal(size=(num_rows, 2)), "image": rng.normal(size=(num_rows, SIZE))}
  return handmade.batches(
    seed=seed,
    ids=plain.ids | {"category": category},
    vocab=plain.vocab | {"category": np.arange(3)},
    dense={name: feature.astype(np.float32) for name, feature in dense.items()},
  )


def constructed(name, vocab=None, **options):
  usual = {"embedding_size": SIZE, "dropout": 0.0}  # what a model takes of this
  usual = {key: usual[key] for key in usual.keys() & MODELS[name].__dataclass_fields__}
  return MODELS[name](vocab or VOCAB, **usual | SIZES[name] | options)


def drawn(made, batch) -> dict:
  """Parameters of any size, in NumPy, so that nothing is compiled."""
  rng = np.random.default_rng(3)
  draw = lambda x: rng.normal(0.1, 0.4, x.shape).astype(np.float32)
  params = jax.tree.map(draw, jax.eval_shape(made.init, jax.random.key(0), batch))
  if "norm" in params["tables"].get("domain", {}):
    params["tables"]["domain"]["norm"]["count"] *= 0.0  # nothing is stored yet
  return params


class Case(NamedTuple):
  """A model with parameters none of which is 0, and what it makes of one minibatch."""

  name: str
  made: object
  params: dict
  batch: object
  logits: np.ndarray
  loss: float
  grads: dict


def case(name, data, **options) -> Case:
  """Its parameters, drawn and moved, and all else are the outcome of one program."""
  made, key = objective(constructed(name, **options)), jax.random.key(0)
  batch = minibatch(data, INDEX)
  noise = drawn(made, batch)

  @jax.jit
  def probe(noise, batch):
    params = jax.tree.map(jnp.add, made.init(key, batch), noise)
    return (
      params,
      batch,
      made.predict(params, batch),
      *jax.value_and_grad(made.loss)(params, key, batch),
    )

  return Case(name, made, *probe(noise, batch))
