"""M2M: experts, and attention and a tower whose weights are generated from the domain."""

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax.numpy as jnp

from mamdr_jax.core import Array, Batch
from mamdr_jax.models.layers import Dense, Logit, fan_in, told
from mamdr_jax.models.mixture import Experts


def leaky(x: Array) -> Array:
  return nn.leaky_relu(x, 0.1)


class MetaUnit(nn.Module):
  """[..., n] and what is known of the domain, s [1, m], -> [..., n]: layers φ(h W(s) + b(s)).

  W(s) is linear in s plus a constant matrix, b(s) linear plus a constant; φ is a leaky ReLU.
  """

  depth: int

  @nn.compact
  def __call__(self, h: Array, known: Array) -> Array:
    size = h.shape[-1]
    for layer in range(self.depth):
      generated = Dense(size * size, use_bias=False, name=f"kernel_{layer}")(known)
      kernel = self.param(f"constant_{layer}", fan_in, (size, size), jnp.float32)
      kernel = kernel + generated.reshape(size, size)
      h = leaky(h @ kernel + Dense(size, name=f"bias_{layer}")(known)[0])
    return h


class M2M(nn.Module):
  """Multi-scenario multi-task meta learning (Zhang et al. 2022). Batch of d -> logits [B].

  yₑ = hₑ(v₁ ⊕ … ⊕ v_F), s = φ(W v_d + b), t learned
  α = softmaxₑ ⟨u, meta(yₑ ⊕ t; s)⟩, r⁰ = Σₑ αₑ yₑ  (meta attention)
  rˡ = φ(meta_l(rˡ⁻¹; s) + rˡ⁻¹), logit = wᵀ rᴸ  (meta tower)

  with v_d the embedding of the domain, and φ a leaky ReLU. Theirs reads sequences by a transformer,
  which data here lack, and has a vector t of each task, here of the one. In s it has the advertiser
  beside the domain; here weights are generated once a minibatch and not for every row of it.
  Experts are as many as in Scenario-Wise-Rec.

  Args:
    num_experts: experts, which all domains share.
    depth: generated layers of a meta unit.
    tower_depth: residual layers of the tower, a meta unit each.
    domain_feature: whether v_d is an input of the experts; what generates weights sees it anyway.
  """

  vocab: Mapping[str, int]
  embedding_size: int = 128
  num_experts: int = 4
  expert: Sequence[int] = (64,)
  depth: int = 1
  tower_depth: int = 1
  dropout: float = 0.5
  domain_feature: bool = True

  @nn.compact
  def __call__(self, batch: Batch, train: bool) -> Array:
    x, v = told(self, batch)
    views = Experts(self.num_experts, self.expert, self.dropout)(x, train)  # [B, E, m]
    size = views.shape[-1]
    known = leaky(Dense(size, name="scenario")(v))
    task = self.param("task", nn.initializers.normal(size**-0.5), (size,), jnp.float32)
    pairs = jnp.concatenate([views, jnp.broadcast_to(task, views.shape)], axis=-1)
    scores = Dense(1, use_bias=False)(MetaUnit(self.depth, name="attention")(pairs, known))
    r = (nn.softmax(scores, axis=1) * views).sum(1)
    for layer in range(self.tower_depth):
      r = leaky(MetaUnit(self.depth, name=f"tower_{layer}")(r, known) + r)
    return Logit()(r)
