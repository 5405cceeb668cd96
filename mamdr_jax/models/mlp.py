"""MLP: the embeddings of all fields, concatenated, through a stack of dense layers."""

from collections.abc import Mapping, Sequence

import flax.linen as nn

from mamdr_jax.core import Array, Batch
from mamdr_jax.models.layers import Embed, Hidden, Logit, flat


class MLP(nn.Module):
  """Luo et al. 2023, §V-B; sizes of §V-C. Batch -> logits [B]: wᵀ h(v₁ ⊕ … ⊕ v_F)."""

  vocab: Mapping[str, int]  # trainable field -> number of ids
  embedding_size: int = 128
  hidden: Sequence[int] = (256, 128, 64)
  dropout: float = 0.5
  domain_feature: bool = True

  @nn.compact
  def __call__(self, batch: Batch, train: bool) -> Array:
    x = flat(Embed(self.vocab, self.embedding_size, self.domain_feature)(batch))
    return Logit()(Hidden(self.hidden, self.dropout)(x, train))
