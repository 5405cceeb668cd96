"""What NumPy says of models: `models_in_numpy.py` of the paper's, `later_in_numpy.py` of others."""

import jax
import later_in_numpy as later
import models_in_numpy as papers
import numpy as np

SIZES = papers.SIZES | later.SIZES
REFERENCE = papers.REFERENCE | later.REFERENCE
BY_VECTOR = later.BY_VECTOR
# Those that keep something of a domain whether it is a feature or not.
MULTI_DOMAIN = papers.MULTI_DOMAIN | later.MULTI_DOMAIN | BY_VECTOR


def expected(name, params, batch, **options):
  to_numpy = lambda x: np.asarray(x, np.float64 if x.dtype == np.float32 else None)
  return REFERENCE[name](*jax.tree.map(to_numpy, (params, batch)), **options)


def close(actual, wanted):
  """To 1e-5 of the largest."""
  np.testing.assert_allclose(actual, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())
