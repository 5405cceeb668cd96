"""Who trains what, and a state as they hold it."""

from typing import NamedTuple

import jax
import numpy as np

from mamdr_jax.core import Tree
from mamdr_jax.train.at_rest import Kept
from mamdr_jax.train.run import Setup
from mamdr_jax.view import field_of
from mamdr_jax.workers.crew import Crew


class Team(NamedTuple):
  """The workers of a run."""

  crew: Crew
  setup: Setup
  domains: list[np.ndarray]  # of every worker, those that it owns, rising

  @property
  def here(self) -> list[np.ndarray]:
    """Those of the workers of this process."""
    return [self.domains[worker] for worker in self.crew.here]


class Held(NamedTuple):
  """A state."""

  light: Tree  # what is shared, tables spread over workers: `exchange.spread`
  kept: list[Kept]  # of each worker here, what is kept for its domains, NumPy


def tables_of(light: Tree) -> dict[str, Tree]:
  """field -> some table of it, of a state."""
  leaves = jax.tree_util.tree_leaves_with_path(light)
  found = {field_of(path): leaf for path, leaf in leaves}
  return {field: leaf for field, leaf in found.items() if field}
