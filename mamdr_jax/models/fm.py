"""FM: a factorization machine."""

from collections.abc import Mapping

import flax.linen as nn

from mamdr_jax.core import Array, Batch
from mamdr_jax.models.layers import Embed, Linear, interactions


class FM(nn.Module):
  """Factorization machine of degree 2 (Rendle 2010, Eq. 1). Batch -> logits [B].

  logit = w₀ + Σ_f w_f[id] + Σ_{i<j} ⟨vᵢ, vⱼ⟩

  `deepfm` without its deep part; here, too, a given feature takes part like an embedding.
  """

  vocab: Mapping[str, int]
  embedding_size: int = 128
  domain_feature: bool = True

  @nn.compact
  def __call__(self, batch: Batch, train: bool) -> Array:
    vectors = Embed(self.vocab, self.embedding_size, self.domain_feature)(batch)
    return Linear(self.vocab, self.domain_feature)(batch) + interactions(vectors).sum(1)
