"""Multi-domain recommendation in JAX."""

from mamdr_jax import backend

backend.set_flags()
