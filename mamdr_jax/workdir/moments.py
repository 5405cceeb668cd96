"""Moments for normalisation, of every domain, from the data that a run was trained on."""

import jax
import numpy as np

from mamdr_jax.core import DomainBatches, Method, Tree
from mamdr_jax.data import HostBatches
from mamdr_jax.evaluate import Serving, moments_of
from mamdr_jax.objective import Objective
from mamdr_jax.train.parts import by_domain, parts, slices

PART = 1024  # minibatches that are on the device at a time, of data that are on the host


def moments_of_each(
  objective: Objective, method: Method, state: Tree, train: DomainBatches | HostBatches
) -> dict[str, np.ndarray]:
  """Those of `Objective.moments`, for what serves each domain: leaves [D, ...]."""

  @jax.jit
  def of(state, part, domains):
    alone = Serving(objective, method, state, None)
    return jax.lax.map(lambda domain: moments_of(alone, part, domain), domains)

  every = np.arange(train.count.size, dtype=np.int32)
  if isinstance(train, DomainBatches):
    return jax.tree.map(np.asarray, of(state, train, every))
  visits, found = by_domain(train), []
  cut = slices(visits, PART, every)
  for (first, last), part in zip(cut.bounds, parts(train, visits, cut), strict=True):
    filled = np.minimum(np.arange(first, first + cut.most, dtype=np.int32), last - 1)
    found.append(jax.tree.map(lambda x, n=last - first: np.asarray(x)[:n], of(state, part, filled)))
  return jax.tree.map(lambda *leaves: np.concatenate(leaves), *found)
