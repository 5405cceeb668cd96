"""The scores of a domain as a function that JAX alone can call, and the arrays that it takes.

It is StableHLO, with any number of rows and tables of any length. Products of matrices round in a
way that depends on their sizes; so it takes the rows in minibatches as a stored model does, and
gives the same scores on the same machine, unless it is to be quick with few rows.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from mamdr_jax.core import Array, Batch, DomainBatches, Params, Tree, full_precision
from mamdr_jax.descent import lookup
from mamdr_jax.evaluate import Serving
from mamdr_jax.objective import Objective
from mamdr_jax.serve.predict import Predictor
from mamdr_jax.stored import Stored
from mamdr_jax.view import field_of, read, view
from mamdr_jax.workdir import trees

PLATFORMS = ("cpu", "cuda", "tpu")


def merged(predict: Predictor, domain: int) -> tuple[dict[str, Array], Tree]:
  """What serves a domain, and given features: name -> array, and the tree that they are leaves of.

  Of the tables of domains there is this domain's row alone. Of a domain that was added, tables
  have the ids that it alone has, too, after the mean.
  """
  stored, which, size = predict.stored, np.array([domain], np.int32), predict.stored.about["fields"]
  rows = {
    field: np.arange(len(raw))
    for field, raw in stored.vocab.items()
    if field not in stored.given and len(raw) > size[field]
  }
  of = lambda state, moments, domain: Serving(
    stored.objective, stored.method, state, moments
  ).alone(domain, rows)
  params = jax.jit(of)(predict.state(which), stored.moments, which[0])
  tree = {"params": params, "given": stored.given}
  leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
  return {trees.name_of(where): leaf for where, leaf in leaves}, structure


def exported_of(
  stored: Stored, arrays: dict[str, Array], structure: Tree, size: int | None
) -> export.Exported:
  """The function, for all platforms and any sizes."""
  fields = sorted(stored.vocab)
  symbols = export.symbolic_shape(", ".join(["n", *(f"rows{i}" for i in range(len(fields)))]))
  num, of_field = symbols[0], dict(zip(fields, symbols[1:], strict=True))
  int32, float32 = jnp.int32, jnp.float32

  def shape(where, leaf):
    in_given = where[0].key == "given"
    field = where[1].key if in_given else field_of(where)
    size = (of_field[field], *leaf.shape[1:]) if field in of_field else leaf.shape
    return jax.ShapeDtypeStruct(size, leaf.dtype)

  tree = jax.tree.unflatten(structure, list(arrays.values()))
  shapes = jax.tree.leaves(jax.tree_util.tree_map_with_path(shape, tree))
  ids = {field: jax.ShapeDtypeStruct((num,), int32) for field in fields}
  dense = {
    name: jax.ShapeDtypeStruct((num, width), float32)
    for name, width in stored.about["dense"].items()
  }
  function = scoring(stored, list(arrays), structure, size)
  named = dict(zip(arrays, shapes, strict=True))
  return export.export(jax.jit(function), platforms=PLATFORMS)(named, ids, dense)


def scoring(
  stored: Stored, names: list[str], structure: Tree, size: int | None
) -> Callable[..., dict[str, Array]]:
  """(arrays by name, ids, dense) -> logit and probability, in minibatches of `size` if given."""

  @full_precision
  def score(arrays: dict[str, Array], ids: dict[str, Array], dense: dict[str, Array]):
    tree = jax.tree.unflatten(structure, [arrays[name] for name in names])
    predict = lambda ids, dense: logits(stored.objective, tree["params"], tree["given"], ids, dense)
    num = next(iter(ids.values())).shape[0]
    if size is None:
      logit = predict(ids, dense)
    else:
      count = (num + size - 1) // size

      def one(t, found):
        at = jnp.minimum(t * size + jnp.arange(size), num - 1)
        return found.at[t].set(predict(*jax.tree.map(lambda x: x[at], (ids, dense))))

      found = jax.lax.fori_loop(0, count, one, jnp.zeros((count, size)))
      logit = found.reshape(-1)[jnp.arange(num)]
    return {"logit": logit, "probability": jax.nn.sigmoid(logit)}

  return score


def logits(objective: Objective, params: Params, given: Tree, ids: Tree, dense: Tree) -> Array:
  """As `Serving.predict`, by parameters that are one domain's."""
  label = jnp.zeros(next(iter(ids.values())).shape)
  batch = Batch(ids, dense, label, jnp.ones_like(label), jnp.int32(0))
  one = DomainBatches(jax.tree.map(lambda x: x[None], batch), (), (), given, {})
  rows, batch = read(params.get("tables", {}), lookup(one, 0))
  return objective.predict(view(params, rows), batch)
