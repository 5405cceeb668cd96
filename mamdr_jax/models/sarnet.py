"""SAR-Net: inputs that each domain scales and shifts, before shared experts and its own."""

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax.numpy as jnp

from mamdr_jax.core import Array, Batch
from mamdr_jax.models.layers import Embed, Hidden, Logit, flat, parameter
from mamdr_jax.models.mixture import Experts, Gate


class Transform(nn.Module):
  """[B, n] -> [B, n]: β_d ⊙ x + γ_d. They start as 1 and 0, so domains start alike."""

  num_domains: int

  @nn.compact
  def __call__(self, x: Array, domain: Array) -> Array:
    own = lambda name, init: parameter(self, name, init, x.shape[-1:], self.num_domains, domain)
    return own("scale", nn.initializers.ones) * x + own("shift", nn.initializers.zeros)


class SARNet(nn.Module):
  """Scenario-aware ranking network (Shen et al. 2021). Batch of domain d -> logits [B].

  x = β_d ⊙ (v₁ ⊕ … ⊕ v_F) + γ_d  (scenario-specific transform)
  logit = wᵀ t(Σₑ gₑ(x) yₑ), y the outputs of domain d's experts and of the shared ones at x,
  g(x) = softmax(W x)

  Theirs has more for what data here lack: attention over a user's behaviours in all domains, and
  of every expert a part that sees how exposure was promoted by hand. Where two implementations
  differ and what is done here says docs/departures.md. Sizes are those of Scenario-Wise-Rec.

  Args:
    tower: widths of the layers over what the experts give, which all domains share.
  """

  vocab: Mapping[str, int]
  embedding_size: int = 128
  num_shared: int = 8
  num_specific: int = 2
  expert: Sequence[int] = (16,)
  tower: Sequence[int] = (32, 32)
  dropout: float = 0.5
  domain_feature: bool = True

  @nn.compact
  def __call__(self, batch: Batch, train: bool) -> Array:
    num_domains, d = self.vocab["domain"], batch.domain
    x = flat(Embed(self.vocab, self.embedding_size, self.domain_feature)(batch))
    x = Transform(num_domains)(x, d)
    own = Experts(self.num_specific, self.expert, self.dropout, num_domains, name="specific")
    shared = Experts(self.num_shared, self.expert, self.dropout, name="shared")
    outputs = jnp.concatenate([own(x, train, d), shared(x, train)], axis=1)
    x = Gate((), self.dropout)(x, outputs, train)
    return Logit()(Hidden(self.tower, self.dropout)(x, train))
