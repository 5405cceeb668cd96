"""STAR: a shared network, and one for each domain that scales its weights."""

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from mamdr_jax.core import Array, Batch, Params
from mamdr_jax.models.layers import Dropout, Embed, Hidden, Logit, StarDense, flat, table


class PartitionedNorm(nn.Module):
  """[B, n] -> [B, n]: γ γ_d (x − μ) / √(σ² + ε) + β + β_d, domain d having its own γ_d, β_d.

  In training μ and σ² are the minibatch's, whose rows are all of domain d; padding has no part.
  For serving they are what the tables `mean` and `variance` hold for d, if `count` says that it
  was computed from any rows; else the minibatch's again. Gradient does not reach those tables:
  `Objective.settle` fills them with the moments of the training rows, for the parameters that
  serve d, so that no running mean is carried along.
  """

  num_domains: int
  epsilon: float

  @nn.compact
  def __call__(self, x: Array, weight: Array, domain: Array, train: bool) -> Array:
    ones, zeros = nn.initializers.ones, nn.initializers.zeros
    own = lambda name, init, shape=x.shape[-1:]: table(
      self, "domain", name, init, self.num_domains, shape
    )[domain]
    scale = self.param("scale", ones, x.shape[-1:]) * own("scale", ones)
    shift = self.param("shift", zeros, x.shape[-1:]) + own("shift", zeros)
    stored = own("mean", zeros), own("variance", ones), own("count", zeros, ())
    share = (weight / weight.sum())[:, None]
    mean = (share * x).sum(0)
    variance = (share * (x - mean) ** 2).sum(0)
    if not train:
      stored_mean, stored_variance, count = jax.lax.stop_gradient(stored)
      mean = jnp.where(count > 0.5, stored_mean, mean)
      variance = jnp.where(count > 0.5, stored_variance, variance)
    return scale * (x - mean) * jax.lax.rsqrt(variance + self.epsilon) + shift


class STAR(nn.Module):
  """Star topology adaptive recommender (Sheng et al. 2021). Batch of domain d -> logits [B].

  z = PN_d(v₁ ⊕ … ⊕ v_F) ⊕ v_d, v_d the embedding of the domain
  logit = star_d(z) + a(z), star_d: ReLU layers and an output of weights W ⊙ W_d, biases b + b_d

  where a, the auxiliary network, has one hidden layer and is shared, v_d telling it the domain.
  Sizes of Luo et al. 2023, §V-C; the auxiliary one is from the configurations that they released.

  Departures: v_d joins after the normalisation, since over a minibatch of one domain it is
  constant and would come out as 0. Instead of running means, moments for serving are tables (see
  `PartitionedNorm`). W_d starts as 1; the released code draws W and W_d alike, so that products
  start an order of magnitude too small. Released as default was `normalize=False,
  auxiliary=False, dropout=0` (in the configurations shipped for STAR: `normalize=True`), with an
  output layer that all domains share.

  Args:
    normalize: whether to normalise with moments of the domain (`PartitionedNorm`).
    epsilon: of the normalisation, added to variances; embeddings start with one of 1e-4.
    auxiliary: whether there is the auxiliary network.
    auxiliary_hidden: widths of its layers.
    domain_feature: whether v_d is an input of the star; the auxiliary network sees it anyway.
  """

  vocab: Mapping[str, int]
  embedding_size: int = 128
  hidden: Sequence[int] = (256, 128, 64)
  normalize: bool = True
  epsilon: float = 1e-5
  auxiliary: bool = True
  auxiliary_hidden: Sequence[int] = (64,)
  dropout: float = 0.5
  domain_feature: bool = True

  def setup(self):
    self.embed = Embed(self.vocab, self.embedding_size, domain_feature=False)

  @property
  def needs_moments(self) -> bool:
    """Whether serving a domain takes the moments of its `inputs`; see `mamdr_jax.models`."""
    return self.normalize

  def inputs(self, batch: Batch) -> Array:
    """[B, n]: what is normalised."""
    return flat(self.embed(batch))

  @nn.nowrap
  def keep_moments(self, params: Params, domain: Array, moments: Mapping[str, Array]) -> Params:
    """The parameters with `mean: [n]`, `variance: [n]` and `count: []` of a domain's inputs."""
    own = params["tables"]["domain"]
    norm = own["norm"] | {k: own["norm"][k].at[domain].set(x) for k, x in moments.items()}
    return params | {"tables": params["tables"] | {"domain": own | {"norm": norm}}}

  @nn.compact
  def __call__(self, batch: Batch, train: bool) -> Array:
    num_domains, d = self.vocab["domain"], batch.domain
    x = self.inputs(batch)
    if self.normalize:
      norm = PartitionedNorm(num_domains, self.epsilon, name="norm")
      x = norm(x, batch.weight, d, train)
    told = x
    if self.domain_feature or self.auxiliary:
      draw = nn.initializers.normal(self.embed.init_scale)
      vector = table(self, "domain", "embedding", draw, num_domains, (self.embedding_size,))[d]
      told = jnp.concatenate([x, jnp.broadcast_to(vector, (x.shape[0], vector.size))], axis=1)
    star = told if self.domain_feature else x
    for size in self.hidden:
      star = Dropout(self.dropout)(nn.relu(StarDense(size, num_domains)(star, d)), train)
    logit = StarDense(1, num_domains)(star, d)[:, 0]
    if self.auxiliary:
      logit = logit + Logit()(Hidden(self.auxiliary_hidden, self.dropout)(told, train))
    return logit
