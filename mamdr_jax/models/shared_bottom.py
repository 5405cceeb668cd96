"""Shared-Bottom: one bottom for all domains, a tower for each."""

from collections.abc import Mapping, Sequence

import flax.linen as nn

from mamdr_jax.core import Array, Batch
from mamdr_jax.models.layers import Embed, Hidden, Logit, flat


class SharedBottom(nn.Module):
  """Caruana 1997, a domain being a task. Batch of domain d -> logits [B].

  logit = w_dᵀ t_d(h(v₁ ⊕ … ⊕ v_F)), h shared, t_d and w_d of domain d

  Sizes of Luo et al. 2023, §V-C.

  Args:
    bottom: widths of the layers that all domains share.
  """

  vocab: Mapping[str, int]
  embedding_size: int = 128
  bottom: Sequence[int] = (512, 256, 128)
  tower: Sequence[int] = (64,)
  dropout: float = 0.5
  domain_feature: bool = True

  @nn.compact
  def __call__(self, batch: Batch, train: bool) -> Array:
    num_domains, d = self.vocab["domain"], batch.domain
    x = flat(Embed(self.vocab, self.embedding_size, self.domain_feature)(batch))
    x = Hidden(self.bottom, self.dropout)(x, train)
    x = Hidden(self.tower, self.dropout, num_domains)(x, train, d)
    return Logit(num_domains)(x, d)
