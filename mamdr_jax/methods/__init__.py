"""The columns of the paper's Table X: one learning framework a file, named in `METHODS`.

Each is a constructor `(*, loss, inner, ...) -> Method`; see `mamdr_jax.core.Method`.
"""

from mamdr_jax.methods.alternate import alternate
from mamdr_jax.methods.domain_negotiation import domain_negotiation
from mamdr_jax.methods.domain_regularization import domain_regularization
from mamdr_jax.methods.mamdr import mamdr

METHODS = {
  "alternate": alternate,
  "domain_negotiation": domain_negotiation,
  "domain_regularization": domain_regularization,
  "mamdr": mamdr,
}
