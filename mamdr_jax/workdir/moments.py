"""Moments for normalisation, of every domain, from the data that a run was trained on."""

import jax
import jax.numpy as jnp
import numpy as np

from mamdr_jax.core import DomainBatches, Method, Tree
from mamdr_jax.data import HostBatches
from mamdr_jax.evaluate import Serving, moments_of
from mamdr_jax.objective import Objective
from mamdr_jax.train.at_rest import Kept, together
from mamdr_jax.train.parts import by_domain, parts, slices
from mamdr_jax.train.shifts import Shifts, most_domains

PART = 1024  # minibatches that are on the device at a time, of data that are on the host


def moments_of_each(
  objective: Objective,
  method: Method,
  light: Tree,
  kept: Kept,
  train: DomainBatches | HostBatches,
) -> dict[str, np.ndarray]:
  """Those of `Objective.moments`, for what serves each domain: leaves [D, ...].

  Args:
    objective: a model that has them.
    method: what it was trained with.
    light: a state without what is kept for every domain.
    kept: that, perhaps mapped; of data on the host it is at hand for some domains at a time.
    train: the training rows.
  """

  @jax.jit
  def of(state, part, domains):
    alone = Serving(objective, method, state, None)
    return jax.lax.map(lambda domain: moments_of(alone, part, domain), domains)

  every = np.arange(train.count.size, dtype=np.int32)
  if isinstance(train, DomainBatches):
    return jax.tree.map(np.asarray, of(together(light, kept), train, every))
  visits, found = by_domain(train), []
  light = jax.tree.map(jnp.asarray, light)
  cut = slices(visits, PART, every, most_domains(kept))
  shifts = Shifts(kept, every, cut.bounds)
  for bounds, part in zip(cut.bounds, parts(train, visits, cut), strict=True):
    first, last = bounds
    filled = np.minimum(np.arange(first, first + cut.most, dtype=np.int32), last - 1)
    moments = of(together(light, shifts.part(bounds)), part, filled)
    found.append(jax.tree.map(lambda x, n=last - first: np.asarray(x)[:n], moments))
  return jax.tree.map(lambda *leaves: np.concatenate(leaves), *found)
