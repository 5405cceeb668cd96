"""Training: what one run does between two epochs, and many runs with early stopping."""

from mamdr_jax.train.fit import Epoch, Group, Probe, Resumed, fit
from mamdr_jax.train.run import Run, Setup

__all__ = ["Epoch", "Group", "Probe", "Resumed", "Run", "Setup", "fit"]
