"""MLoRA: an MLP, to whose kernels each domain adds matrices of low rank."""

from collections.abc import Mapping, Sequence

import flax.linen as nn

from mamdr_jax.core import Array, Batch
from mamdr_jax.models.layers import Dense, Dropout, Embed, Logit, fan_in, flat, parameter


class AdaptedDense(nn.Module):
  """[B, n] -> [B, size]: x W + b + x A_d B_d + b_d, A_d [n, r], B_d [r, size].

  B_d and b_d start as 0, so domains start alike.
  """

  size: int
  rank: int
  num_domains: int

  @nn.compact
  def __call__(self, x: Array, domain: Array) -> Array:
    own = self.num_domains, domain
    zeros = nn.initializers.zeros
    down = parameter(self, "down", fan_in, (x.shape[-1], self.rank), *own)
    up = parameter(self, "up", zeros, (self.rank, self.size), *own)
    bias = parameter(self, "bias", zeros, (self.size,), *own)
    return Dense(self.size)(x) + (x @ down) @ up + bias


class MLoRA(nn.Module):
  """Multi-domain low-rank adaptive network (Yang et al. 2024). Batch of domain d -> logits [B].

  h⁰ = v₁ ⊕ … ⊕ v_F, hˡ = ReLU((W_l + A_ld B_ld)ᵀ hˡ⁻¹ + b_l + b_ld), logit = wᵀ hᴸ

  The rank of A B is `size` / α, 1 at least. Theirs goes onto any network; this one is on the MLP,
  whose output layer all domains share, as in the code that they released. Sizes and α are that
  code's, on Taobao-10. All is trained together, as it is there on the networks of DeepCTR; dropout
  is after the ReLU, as in the other models, where theirs is of h W + b alone.

  Args:
    reduction: α, the width of a layer over the rank of what a domain adds to it.
  """

  vocab: Mapping[str, int]
  embedding_size: int = 128
  hidden: Sequence[int] = (256, 128, 64)
  reduction: int = 16
  dropout: float = 0.5
  domain_feature: bool = True

  @nn.compact
  def __call__(self, batch: Batch, train: bool) -> Array:
    num_domains, d = self.vocab["domain"], batch.domain
    x = flat(Embed(self.vocab, self.embedding_size, self.domain_feature)(batch))
    for size in self.hidden:
      rank = max(size // self.reduction, 1)
      x = Dropout(self.dropout)(nn.relu(AdaptedDense(size, rank, num_domains)(x, d)), train)
    return Logit()(x)
