"""What the models share: fields and their tables, dense stacks, dropout; `mixture.py` has experts.

A layer with `num_domains` keeps its parameters per domain, as tables of the field "domain", and
computes with the row of the minibatch's domain alone: a model costs the same however many domains
there are. Without it the layer is shared by all domains.
"""

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from mamdr_jax.core import Array, Batch

TABLE = "table:"  # a variable collection "table:user" becomes Params["tables"]["user"]


def table(module: nn.Module, field: str, name: str, init, num_rows: int, shape=()) -> Array:
  """Declares a table [N, *shape] with a row for each id of `field`.

  It is a variable and no flax `param`, because a view hands in fewer rows than were declared.
  """
  draw = lambda: init(module.make_rng("params"), (num_rows, *shape), jnp.float32)
  return module.variable(TABLE + field, name, draw).value


def parameter(module: nn.Module, name: str, init, shape, num_domains, domain) -> Array:
  """Declares a parameter of `shape`: shared, or `domain`'s own one of `num_domains`."""
  if num_domains is None:
    return module.param(name, init, shape, jnp.float32)
  return table(module, "domain", name, init, num_domains, shape)[domain]


def fan_in(key, shape, dtype=jnp.float32) -> Array:
  """LeCun normal kernels [..., n, m]; axes of domains and experts in front are no fan."""
  lead = tuple(range(len(shape) - 2))
  return nn.initializers.lecun_normal(batch_axis=lead)(key, shape, dtype)


def trained(vocab: Mapping[str, int], domain_feature: bool) -> dict[str, int]:
  """The fields that are features: those of `vocab`, the domain id only if it is to be one."""
  return {field: num for field, num in vocab.items() if domain_feature or field != "domain"}


class Embed(nn.Module):
  """Batch -> [B, F, size]: one vector per field, in the order of `vocab`, then `dense` by name.

  Trainable fields are looked up. Given features of width `size` enter as they are, others
  through a linear map. The domain is a field of one row per minibatch.
  """

  vocab: Mapping[str, int]
  size: int
  domain_feature: bool = True
  init_scale: float = 0.01

  @nn.compact
  def __call__(self, batch: Batch) -> Array:
    num_rows = batch.label.shape[0]
    vectors = []
    for field, vocab_size in trained(self.vocab, self.domain_feature).items():
      init = nn.initializers.normal(self.init_scale)
      rows = table(self, field, "embedding", init, vocab_size, (self.size,))
      if field == "domain":
        vectors.append(jnp.broadcast_to(rows[batch.domain], (num_rows, self.size)))
      else:
        vectors.append(rows[batch.ids[field]])
    for field, feature in sorted(batch.dense.items()):  # as jit would hand them in
      same = feature.shape[-1] == self.size
      vectors.append(feature if same else nn.Dense(self.size, name=f"project_{field}")(feature))
    return jnp.stack(vectors, axis=1)


class Linear(nn.Module):
  """Batch -> [B]: w₀ + Σ_f w_f[id of f] + Σ ⟨w, given feature⟩, a weight for every id."""

  vocab: Mapping[str, int]
  domain_feature: bool = True

  @nn.compact
  def __call__(self, batch: Batch) -> Array:
    zeros = nn.initializers.zeros
    total = jnp.broadcast_to(self.param("bias", zeros, ()), batch.label.shape)
    for field, vocab_size in trained(self.vocab, self.domain_feature).items():
      ids = batch.domain if field == "domain" else batch.ids[field]
      total = total + table(self, field, "weight", zeros, vocab_size)[ids]
    for field, feature in sorted(batch.dense.items()):
      total = total + nn.Dense(1, use_bias=False, name=f"weight_{field}")(feature)[:, 0]
    return total


def flat(vectors: Array) -> Array:
  """[B, F, d] -> [B, F d]: the vectors of all fields, concatenated."""
  return vectors.reshape(vectors.shape[0], -1)


def beside(x: Array, vector: Array) -> Array:
  """[B, n] and [1, m] -> [B, n + m]: the vector behind every row."""
  return jnp.concatenate([x, jnp.broadcast_to(vector, (x.shape[0], vector.shape[1]))], axis=1)


def told(module: nn.Module, batch: Batch) -> tuple[Array, Array]:
  """x [B, n], the vectors of all fields, concatenated, and v_d [1, size], that of the domain.

  For a model that needs v_d apart. `module` has `vocab`, `embedding_size` and `domain_feature`:
  whether v_d is a part of x, too, its end.
  """
  x = flat(Embed(module.vocab, module.embedding_size, domain_feature=False)(batch))
  draw, shape = nn.initializers.normal(Embed.init_scale), (module.embedding_size,)
  v = table(module, "domain", "embedding", draw, module.vocab["domain"], shape)[batch.domain][None]
  return beside(x, v) if module.domain_feature else x, v


def interactions(vectors: Array) -> Array:
  """[B, F, d] -> [B, d]: Σ_{i<j} vᵢ ⊙ vⱼ = ½ [(Σ v)² − Σ v²]."""
  return 0.5 * (vectors.sum(1) ** 2 - (vectors**2).sum(1))


class Dropout(nn.Module):
  """Inverted dropout, its rate rounded to a multiple of 1/256.

  A mask takes no more random bits than its rate needs: one per unit for 0.5, eight for 0.1.
  Drawing them is a good part of a step on a CPU.
  """

  rate: float

  @nn.compact
  def __call__(self, x: Array, train: bool) -> Array:
    if not 0.0 <= self.rate < 1.0:
      raise ValueError(f"dropout={self.rate} is no rate; choose one from 0 up to, not including, 1")
    kept = max(1, round(256 * (1.0 - self.rate)))
    if not train or kept == 256:
      return x
    num_bits = next(b for b in (1, 2, 4, 8) if kept % (256 >> b) == 0)
    per_word = 32 // num_bits
    words = jax.random.bits(self.make_rng("dropout"), (-(-x.size // per_word), 1), jnp.uint32)
    digits = (words >> (num_bits * jnp.arange(per_word, dtype=jnp.uint32))) & (2**num_bits - 1)
    mask = digits.ravel()[: x.size].reshape(x.shape) < kept >> (8 - num_bits)
    return jnp.where(mask, x * (256 / kept), 0.0)


class Dense(nn.Module):
  """[B, n] -> [B, size]: x W + b."""

  size: int
  use_bias: bool = True
  num_domains: int | None = None

  @nn.compact
  def __call__(self, x: Array, domain: Array | None = None) -> Array:
    own = self.num_domains, domain
    x = x @ parameter(self, "kernel", fan_in, (x.shape[-1], self.size), *own)
    if self.use_bias:
      x = x + parameter(self, "bias", nn.initializers.zeros, (self.size,), *own)
    return x


class StarDense(nn.Module):
  """[B, n] -> [B, size]: x (W ⊙ W_d) + b + b_d. W_d starts as 1, so domains start alike."""

  size: int
  num_domains: int

  @nn.compact
  def __call__(self, x: Array, domain: Array) -> Array:
    ones, zeros = nn.initializers.ones, nn.initializers.zeros
    shape = (x.shape[-1], self.size)
    own_kernel = table(self, "domain", "kernel", ones, self.num_domains, shape)[domain]
    own_bias = table(self, "domain", "bias", zeros, self.num_domains, (self.size,))[domain]
    kernel = self.param("kernel", fan_in, shape, jnp.float32) * own_kernel
    return x @ kernel + self.param("bias", zeros, (self.size,)) + own_bias


class Hidden(nn.Module):
  """[B, n] -> [B, sizes[-1]]: dense layers, each followed by ReLU and dropout."""

  sizes: Sequence[int]
  dropout: float
  num_domains: int | None = None

  @nn.compact
  def __call__(self, x: Array, train: bool, domain: Array | None = None) -> Array:
    for size in self.sizes:
      x = Dense(size, num_domains=self.num_domains)(x, domain)
      x = Dropout(self.dropout)(nn.relu(x), train)
    return x


class Logit(nn.Module):
  """[B, n] -> [B]: a linear map without bias."""

  num_domains: int | None = None

  @nn.compact
  def __call__(self, x: Array, domain: Array | None = None) -> Array:
    return Dense(1, use_bias=False, num_domains=self.num_domains)(x, domain)[:, 0]
