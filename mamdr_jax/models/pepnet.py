"""PEPNet: gates, which the domain and the ids of a row set, scale its inputs and hidden units."""

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from mamdr_jax.core import Array, Batch
from mamdr_jax.models.layers import Dense, Dropout, Logit, beside, told


class GateNU(nn.Module):
  """[B, n] -> [B, size], between 0 and γ: γ σ(W′ ReLU(W x + b) + b′), both layers of `size`."""

  size: int
  scale: float

  @nn.compact
  def __call__(self, x: Array) -> Array:
    x = nn.relu(Dense(self.size)(x))
    return self.scale * nn.sigmoid(Dense(self.size)(x))


class PEPNet(nn.Module):
  """Parameter and embedding personalized network (Chang et al. 2023). Batch of d -> logits [B].

  E = v₁ ⊕ … ⊕ v_F, O = gate(v_d ⊕ ⊘E) ⊙ E  (EPNet)
  h⁰ = O, hˡ = gate_l(E ⊕ ⊘O) ⊙ ReLU(W_l hˡ⁻¹ + b_l)  (PPNet)
  logit = wᵀ hᴸ

  where ⊘ lets no gradient through, gates are `GateNU`, and v_d is the embedding of the domain.

  Theirs has a tower a task; with one task there is one, and domains differ by EPNet. What sets the
  gates of PPNet is the ids of user, item and author there; here it is all fields, since which they
  are is not known. `hidden` is that of Luo et al. 2023, §V-C.

  Args:
    gate_scale: γ, what a gate gives at most; theirs is 2.
    domain_feature: whether v_d is a field of E; EPNet sees it anyway.
  """

  vocab: Mapping[str, int]
  embedding_size: int = 128
  hidden: Sequence[int] = (256, 128, 64)
  gate_scale: float = 2.0
  dropout: float = 0.5
  domain_feature: bool = True

  @nn.compact
  def __call__(self, batch: Batch, train: bool) -> Array:
    inputs, v = told(self, batch)
    seen = beside(jax.lax.stop_gradient(inputs), v)
    x = inputs * GateNU(inputs.shape[1], self.gate_scale, name="epnet")(seen)
    prior = jnp.concatenate([inputs, jax.lax.stop_gradient(x)], axis=1)
    for layer, size in enumerate(self.hidden):
      gate = GateNU(size, self.gate_scale, name=f"ppnet_{layer}")(prior)
      x = gate * Dropout(self.dropout)(nn.relu(Dense(size)(x)), train)
    return Logit()(x)
