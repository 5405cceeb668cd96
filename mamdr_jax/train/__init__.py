"""Training: what one run does between two epochs, and many runs with early stopping."""

from mamdr_jax.train.at_rest import Rest
from mamdr_jax.train.fit import Epoch, Group, Resumed, fit
from mamdr_jax.train.programs import Probe, measuring, scoring
from mamdr_jax.train.run import Run, Setup

__all__ = [
  "Epoch", "Group", "Probe", "Rest", "Resumed", "Run", "Setup", "fit", "measuring", "scoring",
]  # fmt: skip
