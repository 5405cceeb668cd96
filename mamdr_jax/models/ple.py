"""PLE: levels of shared and per-domain experts, then a tower for each domain."""

from collections.abc import Mapping, Sequence

import flax.linen as nn

from mamdr_jax.core import Array, Batch
from mamdr_jax.models.layers import Embed, Hidden, Logit, flat
from mamdr_jax.models.mixture import Extraction


class PLE(nn.Module):
  """Progressive layered extraction (Tang et al. 2020, §4.2), a domain being a task.

  Batch of domain d -> logits [B]: from s⁰ = x⁰ = v₁ ⊕ … ⊕ v_F, at level l

  y = (domain d's experts at xˡ⁻¹) ⊕ (shared experts at sˡ⁻¹)
  xˡ = Σₑ g_dₑ(xˡ⁻¹) yₑ, sˡ = Σₑ gₑ(sˡ⁻¹) yₑ, except at the last level
  logit = w_dᵀ t_d(xᴸ)

  Departure: the original's shared gates read the experts of all tasks. Here, where a row has one
  domain, they read the shared experts and that domain's own, or every step would compute the
  experts of all domains, cost in proportion to their number, and train experts of other domains.

  Sizes of Luo et al. 2023, §V-C, which does not give the number of levels: 2 is DeepCTR's
  default and the least that is progressive; one level is `cgc`.

  Args:
    num_levels: levels of experts.
  """

  vocab: Mapping[str, int]
  embedding_size: int = 128
  num_levels: int = 2
  num_shared: int = 2
  num_specific: int = 10
  expert: Sequence[int] = (64,)
  gate: Sequence[int] = (64,)
  tower: Sequence[int] = (256,)
  dropout: float = 0.5
  domain_feature: bool = True

  @nn.compact
  def __call__(self, batch: Batch, train: bool) -> Array:
    num_domains, d = self.vocab["domain"], batch.domain
    shared = x = flat(Embed(self.vocab, self.embedding_size, self.domain_feature)(batch))
    sizes = self.num_shared, self.num_specific, self.expert, self.gate, self.dropout
    for level in range(1, self.num_levels + 1):
      extract = Extraction(num_domains, *sizes, last=level == self.num_levels)
      shared, x = extract(shared, x, train, d)
    x = Hidden(self.tower, self.dropout, num_domains)(x, train, d)
    return Logit(num_domains)(x, d)
