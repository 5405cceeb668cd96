"""What the benchmarks share: timing cases side by side, and random minibatches."""

import time
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from mamdr_jax.core import Batch, DomainBatches
from mamdr_jax.data.batches import own_rows


def best_of(runs: Sequence[Callable[[], object]], repeats: int) -> np.ndarray:
  """Seconds of each of `runs`, ready to be timed: the least of `repeats`, all cases in turn.

  In turn, so that a machine that is slow for a while is slow for all of them: ratios hold.
  """
  return np.min([[seconds(run) for run in runs] for _ in range(repeats)], axis=0)


def seconds(run: Callable[[], object]) -> float:
  """How long `run` takes until what it returns is there."""
  start = time.perf_counter()
  jax.block_until_ready(run())
  return time.perf_counter() - start


def carried(function, state, *rest) -> Callable[[], object]:
  """`state ← function(state, *rest)` as something to be timed, compiled and called once already.

  `state` is donated as `fit` donates it, so that tables are updated where they lie.
  """
  compiled = jax.jit(function, donate_argnums=0)
  held = [compiled(state, *rest)]

  def run():
    held[0] = compiled(held[0], *rest)
    return held[0]

  jax.block_until_ready(held[0])
  return run


def random_batches(
  num_ids: dict[str, int], num_domains: int, per_domain: int, batch_size: int, frozen=None
) -> DomainBatches:
  """Random rows: `per_domain` full minibatches of each domain, T = num_domains · per_domain.

  Args:
    num_ids: field -> how many ids its column draws from.
    frozen: field -> [N, f], given features.
  """
  rng = np.random.default_rng(0)
  shape = num_domains * per_domain, batch_size
  ids = {f: jnp.asarray(rng.integers(0, n, shape), jnp.int32) for f, n in num_ids.items()}
  label = jnp.asarray(rng.random(shape) < 0.3, jnp.float32)
  domain = jnp.repeat(jnp.arange(num_domains, dtype=jnp.int32), per_domain)
  count = jnp.full(num_domains, per_domain, jnp.int32)
  batch = Batch(ids, {}, label, jnp.ones(shape), domain)
  columns = {f: np.asarray(x).ravel() for f, x in ids.items() if f not in (frozen or {})}
  own = own_rows(np.repeat(np.asarray(domain), batch_size), columns, num_domains)
  return DomainBatches(batch, jnp.cumsum(count) - count, count, frozen or {}, own)


def random_features(fields: Sequence[str], num_rows: int, size: int) -> dict[str, jax.Array]:
  """field -> [num_rows, size] float32."""
  rng = np.random.default_rng(0)
  return {f: jnp.asarray(rng.normal(size=(num_rows, size)), jnp.float32) for f in fields}
