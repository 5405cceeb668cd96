"""Running totals by any associative operation, as a program whose size does not grow with them."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def running(join: Callable[[Any, Any], Any], xs: Any) -> Any:
  """x₁, x₁∘x₂, x₁∘x₂∘x₃, ... along the first axis of the leaves: [n, ...].

  `jax.lax.associative_scan` makes an operation of its own of each of some 2 log₂ n halvings, which
  takes XLA ten times as long to compile: here two loops of √n steps do it, each step for all blocks
  of √n entries.

  Args:
    join: a ∘ b of two trees, over any leading axes; zeros are to be its neutral element.
    xs: a tree of leaves [n, ...].

  >>> running(jnp.add, jnp.arange(5)).tolist()
  [0, 1, 3, 6, 10]
  """
  num_entries = jax.tree.leaves(xs)[0].shape[0]
  length = max(1, math.isqrt(num_entries))
  num_blocks = -(-num_entries // length)

  def blocks(leaf):  # [√n, blocks, ...]: step i is of entry i of every block
    filler = [(0, num_blocks * length - num_entries)] + [(0, 0)] * (leaf.ndim - 1)
    return jnp.pad(leaf, filler).reshape(num_blocks, length, *leaf.shape[1:]).swapaxes(0, 1)

  def step(before, x):
    total = join(before, x)
    return total, (before, total)

  nothing = lambda like: jax.tree.map(lambda leaf: jnp.zeros_like(leaf[0]), like)
  cut = jax.tree.map(blocks, xs)
  of_block, (_, within) = jax.lax.scan(step, nothing(cut), cut)
  _, (before, _) = jax.lax.scan(step, nothing(of_block), of_block)
  whole = join(jax.tree.map(lambda leaf: leaf[None], before), within)
  flat = lambda leaf: leaf.swapaxes(0, 1).reshape(-1, *leaf.shape[2:])[:num_entries]
  return jax.tree.map(flat, whole)
