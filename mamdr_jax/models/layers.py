"""What the models share: embeddings of the fields, tables, dense stacks, dropout."""

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


class Embed(nn.Module):
  """Batch -> [B, F, size]: one vector per field, in the order of `vocab`, then `dense` by name.

  Trainable fields are looked up. Given features of width `size` enter as they are, others
  through a linear map. The domain is a field of one row per minibatch.
  """

  vocab: Mapping[str, int]
  size: int
  init_scale: float = 0.01

  @nn.compact
  def __call__(self, batch: Batch) -> Array:
    num_rows = batch.label.shape[0]
    vectors = []
    for field, vocab_size in self.vocab.items():
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


class Hidden(nn.Module):
  """[B, n] -> [B, sizes[-1]]: dense layers, each followed by ReLU and dropout."""

  sizes: Sequence[int]
  dropout: float

  @nn.compact
  def __call__(self, x: Array, train: bool) -> Array:
    for size in self.sizes:
      x = Dropout(self.dropout)(nn.relu(nn.Dense(size)(x)), train)
    return x


class Logit(nn.Module):
  """[B, n] -> [B]: a linear map without bias."""

  @nn.compact
  def __call__(self, x: Array) -> Array:
    return nn.Dense(1, use_bias=False)(x)[:, 0]
