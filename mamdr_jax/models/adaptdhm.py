"""AdaptDHM: rows are dealt to clusters, each of which scales the weights of a shared network."""

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from mamdr_jax.core import Array, Batch
from mamdr_jax.models.layers import Dropout, Embed, fan_in, flat


class ClusterDense(nn.Module):
  """[B, n] or [B, K, n] -> [B, K, size]: x (W ⊙ W_k) + b + b_k for each cluster k.

  W_k starts as 1, b_k as 0, so clusters start alike.
  """

  size: int
  num_clusters: int

  @nn.compact
  def __call__(self, x: Array) -> Array:
    shape, ones, zeros = (x.shape[-1], self.size), nn.initializers.ones, nn.initializers.zeros
    kernel = self.param("kernel", fan_in, shape, jnp.float32)
    kernel = kernel * self.param("own_kernel", ones, (self.num_clusters, *shape), jnp.float32)
    bias = self.param("bias", zeros, (self.size,), jnp.float32)
    bias = bias + self.param("own_bias", zeros, (self.num_clusters, self.size), jnp.float32)
    return jnp.einsum("bn,knm->bkm" if x.ndim == 2 else "bkn,knm->bkm", x, kernel) + bias


class AdaptDHM(nn.Module):
  """Adaptive distribution hierarchical model (Li et al. 2022). Batch -> logits [B].

  x = v₁ ⊕ … ⊕ v_F, k = argmaxₖ ⟨x, cₖ / ‖cₖ‖⟩, logit = star_k(x)

  star_k: ReLU layers and an output of weights W ⊙ W_k, biases b + b_k. A domain is told by its
  embedding alone: rows of one can belong to several clusters, and many domains to one.

  Departure: their centres c are running means, by rounds of routing over each minibatch. Here a
  model keeps no mutable state: c are parameters, and their gradient is that of Σₖ rₖ star_k(x),
  r = softmax ⟨x, cₖ / ‖cₖ‖⟩ with x held fixed. So a minibatch computes all clusters.
  Scenario-Wise-Rec has 3 of them. `hidden` is that of Luo et al. 2023, §V-C.

  Args:
    num_clusters: clusters.
  """

  vocab: Mapping[str, int]
  embedding_size: int = 128
  num_clusters: int = 3
  hidden: Sequence[int] = (256, 128, 64)
  dropout: float = 0.5
  domain_feature: bool = True

  @nn.compact
  def __call__(self, batch: Batch, train: bool) -> Array:
    x = flat(Embed(self.vocab, self.embedding_size, self.domain_feature)(batch))
    draw, shape = nn.initializers.normal(1.0), (self.num_clusters, x.shape[1])
    centers = self.param("centers", draw, shape, jnp.float32)
    centers = centers / jnp.linalg.norm(centers, axis=1, keepdims=True)
    alike = jax.lax.stop_gradient(x) @ centers.T
    soft = nn.softmax(alike)
    share = jax.nn.one_hot(alike.argmax(1), self.num_clusters) + soft - jax.lax.stop_gradient(soft)
    for size in self.hidden:
      x = Dropout(self.dropout)(nn.relu(ClusterDense(size, self.num_clusters)(x)), train)
    return (share * ClusterDense(1, self.num_clusters)(x)[:, :, 0]).sum(1)
