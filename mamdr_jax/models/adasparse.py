"""AdaSparse: an MLP whose units each domain weighs, and drops if they weigh little."""

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax.numpy as jnp

from mamdr_jax.core import Array, Batch
from mamdr_jax.models.layers import Dense, Dropout, Logit, beside, told


class Pruner(nn.Module):
  """[B, n] and v_d [1, m] -> [B, n]: h ⊙ π, where π = u if u > ε, else 0, u = β σ(W (h ⊕ v_d))."""

  scale: float
  threshold: float

  @nn.compact
  def __call__(self, h: Array, v: Array) -> Array:
    weight = self.scale * nn.sigmoid(Dense(h.shape[1], use_bias=False)(beside(h, v)))
    return jnp.where(weight > self.threshold, weight, 0.0) * h


class AdaSparse(nn.Module):
  """Adaptively sparse structures (Yang et al. 2022), the fusion of its three. Batch -> logits [B].

  h⁰ = π⁰(x, v_d) ⊙ x, hˡ = πˡ(aˡ, v_d) ⊙ aˡ, aˡ = ReLU(W_l hˡ⁻¹ + b_l), logit = wᵀ hᴸ

  x = v₁ ⊕ … ⊕ v_F, v_d the embedding of the domain, π as in `Pruner`: units that weigh more than ε
  are scaled, others dropped. What differs from theirs, and between two implementations, says
  docs/departures.md. `hidden` is that of Luo et al. 2023, §V-C.

  Args:
    prune_scale: β, what a unit weighs at most.
    threshold: ε, at or below which a unit is dropped.
    domain_feature: whether v_d is a part of x; pruners see it anyway.
  """

  vocab: Mapping[str, int]
  embedding_size: int = 128
  hidden: Sequence[int] = (256, 128, 64)
  prune_scale: float = 2.0
  threshold: float = 0.25
  dropout: float = 0.5
  domain_feature: bool = True

  @nn.compact
  def __call__(self, batch: Batch, train: bool) -> Array:
    x, v = told(self, batch)
    prune = lambda h: Pruner(self.prune_scale, self.threshold)(h, v)
    x = prune(x)
    for size in self.hidden:
      x = Dropout(self.dropout)(prune(nn.relu(Dense(size)(x))), train)
    return Logit()(x)
