"""WDL: a linear model of the ids beside a deep one of their embeddings."""

from collections.abc import Mapping, Sequence

import flax.linen as nn

from mamdr_jax.core import Array, Batch
from mamdr_jax.models.layers import Embed, Hidden, Linear, Logit, flat


class WDL(nn.Module):
  """Wide & Deep (Cheng et al. 2016). Batch -> logits [B].

  logit = w₀ + Σ_f w_f[id] + wᵀ h(v₁ ⊕ … ⊕ v_F)

  Sizes of Luo et al. 2023, §V-C. Departures: the wide part has no hand-picked cross products,
  and one optimizer trains both parts, as in DeepCTR.
  """

  vocab: Mapping[str, int]
  embedding_size: int = 128
  hidden: Sequence[int] = (256, 128, 64)
  dropout: float = 0.5
  domain_feature: bool = True

  @nn.compact
  def __call__(self, batch: Batch, train: bool) -> Array:
    x = flat(Embed(self.vocab, self.embedding_size, self.domain_feature)(batch))
    deep = Logit()(Hidden(self.hidden, self.dropout)(x, train))
    return Linear(self.vocab, self.domain_feature)(batch) + deep
