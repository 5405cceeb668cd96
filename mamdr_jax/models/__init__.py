"""The rows of the paper's Table V: one flax module a file, named in `MODELS`.

A model is a module with `vocab` (trainable field -> number of ids) among its attributes and
`__call__(batch, train) -> logits [B]`. It keeps no mutable state.
"""

from mamdr_jax.models.mlp import MLP

MODELS = {
  "mlp": MLP,
}
