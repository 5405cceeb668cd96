"""NeurFM: the pairwise products of all fields, pooled, through dense layers."""

from collections.abc import Mapping, Sequence

import flax.linen as nn

from mamdr_jax.core import Array, Batch
from mamdr_jax.models.layers import Embed, Hidden, Linear, Logit, interactions


class NeurFM(nn.Module):
  """Neural factorization machine (He & Chua 2017). Batch -> logits [B].

  logit = w₀ + Σ_f w_f[id] + wᵀ h(½ [(Σ_f v_f)² − Σ_f v_f²])

  Sizes of Luo et al. 2023, §V-C. Departure: the pooled vector is neither batch normalised nor
  dropped out; dropout follows each dense layer, as in DeepCTR.
  """

  vocab: Mapping[str, int]
  embedding_size: int = 128
  hidden: Sequence[int] = (256, 128, 64)
  dropout: float = 0.5
  domain_feature: bool = True

  @nn.compact
  def __call__(self, batch: Batch, train: bool) -> Array:
    x = interactions(Embed(self.vocab, self.embedding_size, self.domain_feature)(batch))
    deep = Logit()(Hidden(self.hidden, self.dropout)(x, train))
    return Linear(self.vocab, self.domain_feature)(batch) + deep
