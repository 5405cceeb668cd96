"""AutoInt: fields attend to one another."""

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax.numpy as jnp

from mamdr_jax.core import Array, Batch
from mamdr_jax.models.layers import Embed, Hidden, Logit, fan_in, flat


class Interact(nn.Module):
  """Multi-head self-attention over fields, [B, F, n] -> [B, F, H k].

  Per head: aᵢⱼ = softmaxⱼ ⟨W_Q eᵢ, W_K eⱼ⟩, e'ᵢ = Σⱼ aᵢⱼ W_V eⱼ; then ReLU(e'ᵢ + W_res eᵢ).
  """

  num_heads: int
  head_size: int

  @nn.compact
  def __call__(self, vectors: Array) -> Array:
    num_rows, num_fields, width = vectors.shape
    shape = width, self.num_heads * self.head_size
    names = "query", "key", "value", "residual"
    kernel = jnp.concatenate([self.param(name, fan_in, shape) for name in names], axis=1)
    projected = (vectors.reshape(-1, width) @ kernel).reshape(num_rows, num_fields, -1)
    query, key, value, residual = jnp.split(projected, 4, axis=-1)
    # Sums over a head are one product with [H k, H]: XLA is slow at B H products of F x k.
    head = jnp.repeat(jnp.eye(self.num_heads), self.head_size, axis=0)
    weights = nn.softmax((query[:, :, None] * key[:, None]) @ head, axis=2)  # [B, F, F, H]
    return nn.relu(((weights @ head.T) * value[:, None]).sum(2) + residual)


class AutoInt(nn.Module):
  """Song et al. 2019. Batch -> logits [B].

  logit = wᵀ [e₁ ⊕ … ⊕ e_F ⊕ h(v₁ ⊕ … ⊕ v_F)], e after `num_layers` of `Interact`

  This is their AutoInt+, with the dense branch h, because it is what DeepCTR builds, which Luo
  et al. 2023 used: 4 heads and `hidden` are from their §V-C, 3 layers and heads of 8 DeepCTR's
  defaults. As in both, scores are not scaled by 1/√k. Departure from DeepCTR: no linear part.
  Without layers in `hidden` it is close to the plain AutoInt: h is then the identity.

  Args:
    num_layers: layers of self-attention.
    num_heads: heads of a layer.
    head_size: width of a head.
  """

  vocab: Mapping[str, int]
  embedding_size: int = 128
  num_layers: int = 3
  num_heads: int = 4
  head_size: int = 8
  hidden: Sequence[int] = (256, 128, 64)
  dropout: float = 0.5
  domain_feature: bool = True

  @nn.compact
  def __call__(self, batch: Batch, train: bool) -> Array:
    vectors = Embed(self.vocab, self.embedding_size, self.domain_feature)(batch)
    deep = Hidden(self.hidden, self.dropout)(flat(vectors), train)
    for _ in range(self.num_layers):
      vectors = Interact(self.num_heads, self.head_size)(vectors)
    return Logit()(jnp.concatenate([flat(vectors), deep], axis=1))
