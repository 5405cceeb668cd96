"""Arithmetic on pytrees of arrays.

>>> params, step = {"w": jnp.ones(2), "b": jnp.zeros(())}, {"w": jnp.array([1.0, 2.0])}
>>> moved = add(params, scale(step, 0.5))
>>> moved["w"].tolist(), float(dot(moved, moved)), size(moved)
([1.5, 2.0], 6.25, 3)
"""

import jax
import jax.numpy as jnp
from jax import tree


def branches(a, names):
  """The branches of a nested dict that dotted names lead to, and nothing else.

  Raises:
    ValueError: there is no such branch.

  >>> branches({"net": {"w": 1, "b": {"c": 2}}, "tables": {}}, ("net.b", "tables"))
  {'net': {'b': {'c': 2}}, 'tables': {}}
  """
  kept = {}
  for name in names:
    of, there = kept, a
    *above, last = name.split(".")
    for part in above:
      of, there = of.setdefault(part, {}), there.get(part, {})
    if last not in there and above:
      raise ValueError(f"no branch {name!r}: {'.'.join(above)} has {', '.join(there) or 'nothing'}")
    of[last] = there.get(last, {})
  return kept


def within(a, like):
  """Of a nested dict the branches that `like` has too.

  >>> within({"net": {"w": 1, "b": 2}, "tables": {}}, {"net": {"b": 0}})
  {'net': {'b': 2}}
  """
  if not isinstance(a, dict):
    return a
  return {name: within(branch, like[name]) for name, branch in a.items() if name in like}


def zeros_like(a):
  """0, shaped like `a`."""
  return tree.map(jnp.zeros_like, a)


def add(a, b):
  """a + b. Where the nested dict `b` lacks a branch of `a`, that of `a` stands."""
  if isinstance(a, dict):
    return {name: add(a[name], b[name]) if name in b else a[name] for name in a}
  return tree.map(jnp.add, a, b)


def sub(a, b):
  """a - b."""
  return tree.map(jnp.subtract, a, b)


def scale(a, factor):
  """factor · a."""
  return tree.map(lambda x: factor * x, a)


def dot(a, b):
  """⟨a, b⟩, over all leaves together: []."""
  return sum(map(jnp.vdot, tree.leaves(a), tree.leaves(b)))


def cosine(a, b):
  """⟨a, b⟩ / (‖a‖ ‖b‖), 0 where one of them is 0: []."""
  length = jnp.sqrt(dot(a, a) * dot(b, b))
  return dot(a, b) / jnp.where(length > 0, length, 1)


def where(condition, a, b):
  """`a` where `condition` holds, else `b`: a scalar, or [D] for leaves [D, ...]."""
  wide = lambda x: condition.reshape(condition.shape + (1,) * (x.ndim - condition.ndim))
  return tree.map(lambda x, y: jnp.where(wide(x), x, y), a, b)


def take(a, index):
  """Entry `index` along the leading axis of every leaf: [D, ...] -> [...]."""
  return tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, index, keepdims=False), a)


def tile(a, num):
  """`num` copies along a new leading axis: [...] -> [num, ...]."""
  return tree.map(lambda x: jnp.tile(x[None], (num,) + (1,) * x.ndim), a)


def size(a):
  """Number of scalars in all leaves."""
  return sum(x.size for x in tree.leaves(a))


def num_bytes(a):
  """Memory that all leaves take."""
  return sum(x.size * x.dtype.itemsize for x in tree.leaves(a))


def noise(key, a, scale):
  """Normal noise of standard deviation `scale`, shaped like `a`."""
  leaves, structure = tree.flatten(a)
  keys = jax.random.split(key, len(leaves))
  drawn = [
    scale * jax.random.normal(k, x.shape, x.dtype) for k, x in zip(keys, leaves, strict=True)
  ]
  return tree.unflatten(structure, drawn)


def copy(a):
  """The same values in buffers of their own, so that one of the two can be donated."""
  return tree.map(jnp.copy, a)
