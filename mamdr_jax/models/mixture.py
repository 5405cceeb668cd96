"""Experts, the gates that weigh them, and the levels that PLE has of both; see `layers.py`."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp

from mamdr_jax.core import Array
from mamdr_jax.models.layers import Dense, Dropout, Hidden, fan_in, parameter


class Experts(nn.Module):
  """[B, n] -> [B, E, sizes[-1]]: `Hidden`, E of them side by side."""

  num_experts: int
  sizes: Sequence[int]
  dropout: float
  num_domains: int | None = None

  @nn.compact
  def __call__(self, x: Array, train: bool, domain: Array | None = None) -> Array:
    own = self.num_domains, domain
    for i, size in enumerate(self.sizes):
      shape = (self.num_experts, x.shape[-1], size)
      kernel = parameter(self, f"kernel_{i}", fan_in, shape, *own)
      bias = parameter(self, f"bias_{i}", nn.initializers.zeros, (self.num_experts, size), *own)
      x = jnp.einsum("bn,enm->bem" if i == 0 else "ben,enm->bem", x, kernel) + bias
      x = Dropout(self.dropout)(nn.relu(x), train)
    return x


class Gate(nn.Module):
  """[B, n] and the outputs of experts [B, E, m] -> [B, m]: Σ_e gₑ yₑ, g = softmax(W h(x))."""

  sizes: Sequence[int]
  dropout: float
  num_domains: int | None = None

  @nn.compact
  def __call__(self, x: Array, outputs: Array, train: bool, domain: Array | None = None) -> Array:
    own = {"num_domains": self.num_domains}
    x = Hidden(self.sizes, self.dropout, **own)(x, train, domain)
    scores = Dense(outputs.shape[1], use_bias=False, **own)(x, domain)
    return jnp.einsum("be,bem->bm", nn.softmax(scores), outputs)


class Extraction(nn.Module):
  """An extraction level (Tang et al. 2020, §4): shared and own [B, n] -> shared and own [B, m].

  The own experts and the own gate are those of the minibatch's domain. Both gates read its own
  experts and the shared ones. At the last level the shared part is not computed.
  """

  num_domains: int
  num_shared: int
  num_specific: int
  expert: Sequence[int]
  gate: Sequence[int]
  dropout: float
  last: bool

  @nn.compact
  def __call__(self, shared: Array, own: Array, train: bool, domain: Array):
    experts = lambda num, name, of=None: Experts(num, self.expert, self.dropout, of, name=name)
    outputs = jnp.concatenate(
      [
        experts(self.num_specific, "specific", self.num_domains)(own, train, domain),
        experts(self.num_shared, "shared")(shared, train),
      ],
      axis=1,
    )
    if not self.last:
      shared = Gate(self.gate, self.dropout, name="shared_gate")(shared, outputs, train)
    gate = Gate(self.gate, self.dropout, self.num_domains, name="specific_gate")
    return shared, gate(own, outputs, train, domain)
