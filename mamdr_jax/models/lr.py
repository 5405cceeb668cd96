"""LR: logistic regression on the ids and the given features."""

from collections.abc import Mapping

import flax.linen as nn

from mamdr_jax.core import Array, Batch
from mamdr_jax.models.layers import Linear


class LR(nn.Module):
  """Logistic regression (Richardson et al. 2007). Batch -> logits [B].

  logit = w₀ + Σ_f w_f[id] + Σ ⟨w, given feature⟩

  The linear part of `wdl`, alone. All weights start as 0. `l2` is of embeddings: it has none.
  """

  vocab: Mapping[str, int]
  domain_feature: bool = True

  @nn.compact
  def __call__(self, batch: Batch, train: bool) -> Array:
    return Linear(self.vocab, self.domain_feature)(batch)
