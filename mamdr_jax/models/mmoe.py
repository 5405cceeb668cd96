"""MMOE: experts for all domains, a gate over them and a tower for each domain."""

from collections.abc import Mapping, Sequence

import flax.linen as nn

from mamdr_jax.core import Array, Batch
from mamdr_jax.models.layers import Embed, Hidden, Logit, flat
from mamdr_jax.models.mixture import Experts, Gate


class MMOE(nn.Module):
  """Multi-gate mixture of experts (Ma et al. 2018), a domain being a task.

  Batch of domain d -> logits [B]:

  logit = w_dᵀ t_d(Σₑ g_dₑ(x) hₑ(x)), g_d(x) = softmax(W_d q_d(x)), x = v₁ ⊕ … ⊕ v_F

  Sizes of Luo et al. 2023, §V-C. Their gates have a hidden layer q_d; the original ones do not
  (`gate=()`).

  Args:
    num_experts: experts, which all domains share.
  """

  vocab: Mapping[str, int]
  embedding_size: int = 128
  num_experts: int = 2
  expert: Sequence[int] = (512, 256, 128)
  gate: Sequence[int] = (64,)
  tower: Sequence[int] = (64,)
  dropout: float = 0.5
  domain_feature: bool = True

  @nn.compact
  def __call__(self, batch: Batch, train: bool) -> Array:
    num_domains, d = self.vocab["domain"], batch.domain
    x = flat(Embed(self.vocab, self.embedding_size, self.domain_feature)(batch))
    outputs = Experts(self.num_experts, self.expert, self.dropout)(x, train)
    x = Gate(self.gate, self.dropout, num_domains)(x, outputs, train, d)
    x = Hidden(self.tower, self.dropout, num_domains)(x, train, d)
    return Logit(num_domains)(x, d)
