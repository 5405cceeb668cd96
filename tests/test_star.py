"""What STAR alone has among the models: parts that can be left out, and moments of domains."""

import handmade
import jax
import numpy as np
import pytest
from model_cases import case, close, constructed, expected, rows
from models_in_numpy import PLAIN_STAR

from mamdr_jax.core import DomainBatches
from mamdr_jax.descent import minibatch


@pytest.fixture(scope="module")
def data() -> DomainBatches:
  return rows()


@pytest.mark.parametrize("options", [PLAIN_STAR, {"normalize": False}, {"auxiliary": False}])
def test_parts_of_star_can_be_switched_off(options, data):
  c = case("star", data, **options)
  close(c.logits, expected("star", c.params, c.batch, **options))
  assert ("norm" in c.params["net"]) == options.get("normalize", True)
  assert ("Hidden_0" in c.params["net"]) == options.get("auxiliary", True)


def test_star_serves_by_the_stored_moments_of_the_domain(data):
  """One pass over the training rows fills the tables; then a minibatch's own do not matter."""
  c = case("star", data)
  model = constructed("star")
  variables = {"table:" + field: leaves for field, leaves in c.params["tables"].items()}
  variables["params"] = c.params["net"]
  inputs = jax.jit(lambda batch: model.apply(variables, batch, method="inputs"))
  of_domain = {d: [] for d in range(4)}
  for t, d in enumerate(np.asarray(data.batch.domain)):
    batch = minibatch(data, t)
    of_domain[d].append(np.asarray(inputs(batch), np.float64)[np.asarray(batch.weight) > 0])
  seen = [np.concatenate(of_domain[d]) for d in range(4)]
  moments = [(x.mean(0), x.var(0)) for x in seen]
  stored = {
    "mean": np.stack([mean for mean, _ in moments]),
    "variance": np.stack([variance for _, variance in moments]),
    "count": np.array([len(x) for x in seen]),
  }
  assert stored["count"].tolist() == list(handmade.SIZES)
  moments_of = jax.jit(lambda d: c.made.moments(lambda batch: (c.params, batch), data, d))
  params = c.params
  for d in range(4):
    params = c.made.keep_moments(params, d, moments_of(d))
  for name, wanted in stored.items():
    np.testing.assert_allclose(
      params["tables"]["domain"]["norm"][name], wanted, rtol=1e-5, atol=1e-6
    )
  predict = jax.jit(c.made.predict)
  for t in (0, 3, 6):
    batch = minibatch(data, t)
    wanted = expected("star", params, batch, moments=moments[int(batch.domain)])
    close(predict(params, batch), wanted)
    own = np.abs(wanted - expected("star", params, batch)).max()
    assert (own > 1e-3) == (data.count[batch.domain] > 1)  # a domain of one minibatch is that
  # What was stored is for serving: in training the minibatch's own still count.
  close(c.made.loss(params, jax.random.key(0), c.batch), c.loss)


@pytest.mark.parametrize("name", ["mlp", "star"])
def test_a_model_that_does_not_normalise_needs_no_moments(name, data):
  c = case(name, data, **({"normalize": False} if name == "star" else {}))
  assert c.made.moments is None
