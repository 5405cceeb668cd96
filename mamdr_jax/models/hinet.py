"""HiNet: what all domains share, what is a domain's and what it attends to, then its own tower."""

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax.numpy as jnp

from mamdr_jax.core import Array, Batch
from mamdr_jax.models.layers import Dense, Hidden, Logit, told
from mamdr_jax.models.mixture import Experts, Extraction, Gate


class Integration(nn.Module):
  """Sub-experts integrated, [B, n] -> [B, m]: Σₑ gₑ(x) hₑ(x), g(x) = softmax(W x)."""

  num_experts: int
  sizes: Sequence[int]
  dropout: float
  num_domains: int | None = None

  @nn.compact
  def __call__(self, x: Array, train: bool, domain: Array | None = None) -> Array:
    experts = Experts(self.num_experts, self.sizes, self.dropout, self.num_domains)
    gate = Gate((), self.dropout, self.num_domains)
    return gate(x, experts(x, train, domain), train, domain)


class HiNet(nn.Module):
  """Hierarchical information extraction network (Zhou et al. 2023). Batch of d -> logits [B].

  x = v₁ ⊕ … ⊕ v_F, z = G(x) ⊕ S_d(x) ⊕ Σₖ aₖ(v_d) Aₖ(x)  (scenario layer)
  logit = w_dᵀ t_d(Σₑ g_dₑ(z) yₑ)  (task layer)

  G, S_d and Aₖ are `Integration`, a(v_d) = softmax(W q(v_d)), v_d is the embedding of the domain,
  and y are the outputs of domain d's experts and of the shared ones at z, as in `cgc`.

  Departure: theirs attends to the S of all other domains. Here Aₖ are sources that belong to no
  domain, or every step would compute the experts of all domains, cost in proportion to their
  number, and train those of other domains. Sizes are those of the code that the authors released,
  which has a task layer for each pair of domain and task; there are as many sources as others of
  its six domains.

  Args:
    num_subexperts: sub-experts of each of G, S_d, Aₖ.
    subexpert: widths of their layers.
    num_sources: how many Aₖ there are.
    attention: widths of the hidden layers of a.
    num_shared: experts of the task layer that all domains share.
    num_specific: experts of the task layer of each domain.
    domain_feature: whether v_d is a part of x; the attention sees it anyway.
  """

  vocab: Mapping[str, int]
  embedding_size: int = 128
  num_subexperts: int = 5
  subexpert: Sequence[int] = (128, 64)
  num_sources: int = 5
  attention: Sequence[int] = (128, 64)
  num_shared: int = 2
  num_specific: int = 2
  expert: Sequence[int] = (128, 64)
  tower: Sequence[int] = (128, 64)
  dropout: float = 0.5
  domain_feature: bool = True

  @nn.compact
  def __call__(self, batch: Batch, train: bool) -> Array:
    num_domains, d = self.vocab["domain"], batch.domain
    x, v = told(self, batch)
    sizes = self.num_subexperts, self.subexpert, self.dropout
    shared = Integration(*sizes, name="shared")(x, train)
    specific = Integration(*sizes, num_domains, name="specific")(x, train, d)
    names = [f"source_{k}" for k in range(self.num_sources)]
    sources = jnp.stack([Integration(*sizes, name=name)(x, train) for name in names], axis=1)
    asked = Hidden(self.attention, 0.0, name="asked")(v, train)
    weights = nn.softmax(Dense(self.num_sources, use_bias=False, name="attention_to")(asked))
    z = jnp.concatenate([shared, specific, (weights[:, :, None] * sources).sum(1)], axis=1)
    sizes = self.num_shared, self.num_specific, self.expert, (), self.dropout
    _, z = Extraction(num_domains, *sizes, last=True)(z, z, train, d)
    z = Hidden(self.tower, self.dropout, num_domains, name="tower_of")(z, train, d)
    return Logit(num_domains)(z, d)
