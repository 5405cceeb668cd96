"""Many workers: parameters spread over them, rounds taken side by side, domains owned by one each.

Workers hold domains, and all of them together the tables, as workers and servers do in Luo et al.
2023, §IV-E. They are a part of the algorithm: devices and processes share them, as many as there
are, and change nothing of a result but its rounding.
"""

from mamdr_jax.workers.crew import Crew, Stopped
from mamdr_jax.workers.fit import fit

__all__ = ["Crew", "Stopped", "fit"]
