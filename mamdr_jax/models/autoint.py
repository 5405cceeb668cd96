"""AutoInt: fields attend to one another."""

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax.numpy as jnp

from mamdr_jax.core import Array, Batch
from mamdr_jax.models.layers import Embed, Hidden, Logit, flat


class Interact(nn.Module):
  """Multi-head self-attention over fields, [B, F, n] -> [B, F, H k].

  Per head: aᵢⱼ = softmaxⱼ ⟨W_Q eᵢ, W_K eⱼ⟩, e'ᵢ = Σⱼ aᵢⱼ W_V eⱼ; then ReLU(e'ᵢ + W_res eᵢ).
  """

  num_heads: int
  head_size: int

  @nn.compact
  def __call__(self, vectors: Array) -> Array:
    size = self.num_heads * self.head_size
    project = lambda name: nn.Dense(size, use_bias=False, name=name)(vectors)
    heads = lambda x: x.reshape(*x.shape[:2], self.num_heads, self.head_size)
    query, key, value = (heads(project(name)) for name in ("query", "key", "value"))
    weights = nn.softmax(jnp.einsum("bfhk,bghk->bhfg", query, key))
    attended = jnp.einsum("bhfg,bghk->bfhk", weights, value)
    return nn.relu(attended.reshape(*vectors.shape[:2], size) + project("residual"))


class AutoInt(nn.Module):
  """Song et al. 2019. Batch -> logits [B].

  logit = wᵀ [e₁ ⊕ … ⊕ e_F ⊕ h(v₁ ⊕ … ⊕ v_F)], e after `num_layers` of `Interact`

  This is their AutoInt+, with the dense branch h, because it is what DeepCTR builds, which Luo
  et al. 2023 used: 4 heads and `hidden` are from their §V-C, 3 layers and heads of 8 DeepCTR's
  defaults. As in both, scores are not scaled by 1/√k. Departure from DeepCTR: no linear part.
  Without layers in `hidden` it is close to the plain AutoInt: h is then the identity.
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
