"""DCN v2: layers that multiply the input with maps of itself, beside a deep model."""

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax.numpy as jnp

from mamdr_jax.core import Array, Batch
from mamdr_jax.models.layers import Dense, Embed, Hidden, Logit, flat


class DCN(nn.Module):
  """Deep & cross network v2 (Wang et al. 2021, §3.2-3.4). Batch -> logits [B].

  x⁰ = v₁ ⊕ … ⊕ v_F, xˡ⁺¹ = x⁰ ⊙ (W_l xˡ + b_l) + xˡ  (their Eq. 1)
  logit = wᵀ [xᴸ ⊕ h(x⁰)]

  This is the parallel of their two structures, with whole matrices W_l, of no lower rank. `hidden`
  is that of Luo et al. 2023, §V-C, and two cross layers are DeepCTR's default.

  Args:
    num_cross: cross layers.
  """

  vocab: Mapping[str, int]
  embedding_size: int = 128
  num_cross: int = 2
  hidden: Sequence[int] = (256, 128, 64)
  dropout: float = 0.5
  domain_feature: bool = True

  @nn.compact
  def __call__(self, batch: Batch, train: bool) -> Array:
    x = crossed = flat(Embed(self.vocab, self.embedding_size, self.domain_feature)(batch))
    for layer in range(self.num_cross):
      crossed = x * Dense(x.shape[1], name=f"cross_{layer}")(crossed) + crossed
    deep = Hidden(self.hidden, self.dropout)(x, train)
    return Logit()(jnp.concatenate([crossed, deep], axis=1))
