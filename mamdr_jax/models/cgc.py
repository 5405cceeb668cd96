"""CGC: shared experts, and experts, a gate and a tower for each domain."""

from collections.abc import Mapping, Sequence

import flax.linen as nn

from mamdr_jax.core import Array, Batch
from mamdr_jax.models.layers import Embed, Hidden, Logit, flat
from mamdr_jax.models.mixture import Extraction


class CGC(nn.Module):
  """Customized gate control (Tang et al. 2020, §4.1), a domain being a task.

  Batch of domain d -> logits [B]:

  logit = w_dᵀ t_d(Σₑ g_dₑ(x) yₑ), y the outputs of domain d's experts and of the shared ones at
  x = v₁ ⊕ … ⊕ v_F, g_d(x) = softmax(W_d q_d(x))

  Sizes of Luo et al. 2023, §V-C, for what they call PLE: the configurations that they released
  have one level and so are this model. Their gates have a hidden layer q_d; the original ones do
  not (`gate=()`).
  """

  vocab: Mapping[str, int]
  embedding_size: int = 128
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
    x = flat(Embed(self.vocab, self.embedding_size, self.domain_feature)(batch))
    sizes = self.num_shared, self.num_specific, self.expert, self.gate, self.dropout
    _, x = Extraction(num_domains, *sizes, last=True)(x, x, train, d)
    x = Hidden(self.tower, self.dropout, num_domains)(x, train, d)
    return Logit(num_domains)(x, d)
