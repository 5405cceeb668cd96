"""M3oE: a star layer, then shared experts, the domain's own and one for the rest, weighed."""

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from mamdr_jax.core import Array, Batch
from mamdr_jax.models.layers import Dense, Dropout, Embed, Logit, StarDense, flat, parameter
from mamdr_jax.models.mixture import Gate


class Normed(nn.Module):
  """[B, n] -> [B, sizes[-1]]: dense layers, each followed by layer norm, ReLU and dropout."""

  sizes: Sequence[int]
  dropout: float
  num_domains: int | None = None

  @nn.compact
  def __call__(self, x: Array, train: bool, domain: Array | None = None) -> Array:
    own = self.num_domains, domain
    for i, size in enumerate(self.sizes):
      x = Dense(size, num_domains=self.num_domains)(x, domain)
      x = (x - x.mean(1, keepdims=True)) * jax.lax.rsqrt(x.var(1, keepdims=True) + 1e-5)
      scale = parameter(self, f"scale_{i}", nn.initializers.ones, (size,), *own)
      shift = parameter(self, f"shift_{i}", nn.initializers.zeros, (size,), *own)
      x = Dropout(self.dropout)(nn.relu(scale * x + shift), train)
    return x


class M3oE(nn.Module):
  """Multi-domain multi-task mixture of experts (Zhang et al. 2024). Batch of d -> logits [B].

  u = v₁ ⊕ … ⊕ v_F, x = f((W ⊙ W_d)ᵀ u + b + b_d) + f′(u)
  z = Σₑ g_dₑ(⊘x) yₑ(x) + α (β y_d(x) + (1 − β) ȳ(x)), logit = w_dᵀ t_d(z)

  f, f′, all y and t_d have layer norms (`Normed`), g_d is a linear softmax, ⊘ lets no gradient
  through, and α and β are sigmoids of one number each.

  Departures: ȳ is theirs the mean of the experts of all other domains; here it is one more expert,
  which all domains share, or every step would compute and train the experts of all domains. Of
  their experts a task there would be one, for all rows, and it is left out, as in
  Scenario-Wise-Rec. α and β are learned with the rest, and have no steps of their own besides.
  Sizes are those of the code that the authors released, on MovieLens; dropout is of this house.

  Args:
    star: widths of the star layer and of f and f′.
    num_experts: experts yₑ, which all domains share.
  """

  vocab: Mapping[str, int]
  embedding_size: int = 128
  star: Sequence[int] = (512, 256)
  num_experts: int = 4
  expert: Sequence[int] = (64,)
  tower: Sequence[int] = (64,)
  dropout: float = 0.5
  domain_feature: bool = True

  @nn.compact
  def __call__(self, batch: Batch, train: bool) -> Array:
    num_domains, d = self.vocab["domain"], batch.domain
    normed = lambda sizes, name, of=None: Normed(sizes, self.dropout, of, name=name)
    u = flat(Embed(self.vocab, self.embedding_size, self.domain_feature)(batch))
    first, second = self.star
    x = normed((second,), "after")(StarDense(first, num_domains)(u, d), train)
    x = x + normed((second,), "skip")(u, train)
    experts = [normed(self.expert, f"shared_{e}") for e in range(self.num_experts)]
    outputs = jnp.stack([expert(x, train) for expert in experts], axis=1)
    z = Gate((), self.dropout, num_domains)(jax.lax.stop_gradient(x), outputs, train, d)
    fused = lambda name: nn.sigmoid(self.param(name, nn.initializers.ones, (), jnp.float32))
    own = normed(self.expert, "specific", num_domains)(x, train, d)
    balance = fused("balance")
    own = balance * own + (1 - balance) * normed(self.expert, "rest")(x, train)
    z = normed(self.tower, "tower_of", num_domains)(z + fused("weight") * own, train, d)
    return Logit(num_domains)(z, d)
