"""DeepFM: a factorization machine and a deep model over the same embeddings."""

from collections.abc import Mapping, Sequence

import flax.linen as nn

from mamdr_jax.core import Array, Batch
from mamdr_jax.models.layers import Embed, Hidden, Linear, Logit, flat, interactions


class DeepFM(nn.Module):
  """Guo et al. 2017. Batch -> logits [B].

  logit = w₀ + Σ_f w_f[id] + Σ_{i<j} ⟨vᵢ, vⱼ⟩ + wᵀ h(v₁ ⊕ … ⊕ v_F)

  Sizes of Luo et al. 2023, §V-C. A given feature takes part in the products like an embedding.
  """

  vocab: Mapping[str, int]
  embedding_size: int = 128
  hidden: Sequence[int] = (256, 128, 64)
  dropout: float = 0.5
  domain_feature: bool = True

  @nn.compact
  def __call__(self, batch: Batch, train: bool) -> Array:
    vectors = Embed(self.vocab, self.embedding_size, self.domain_feature)(batch)
    machine = Linear(self.vocab, self.domain_feature)(batch) + interactions(vectors).sum(1)
    return machine + Logit()(Hidden(self.hidden, self.dropout)(flat(vectors), train))
