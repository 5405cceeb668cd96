"""The models that are not the paper's, in NumPy, row by row; see `models_in_numpy.py`."""

import numpy as np
from models_in_numpy import (
  experts,
  fields,
  gated,
  get,
  linear,
  out,
  per_row,
  products,
  relu,
  softmax,
  stack,
)

SIZES = {
  "lr": {},
  "fm": {},
  "dcn": {"hidden": (6, 5), "num_cross": 2},
  "sarnet": {"num_shared": 3, "num_specific": 2, "expert": (5, 4), "tower": (4,)},
  "m2m": {"num_experts": 3, "expert": (6, 4), "depth": 2, "tower_depth": 2},
  "adasparse": {"hidden": (6, 5), "threshold": 0.8},  # at which units do fall out
  "adaptdhm": {"hidden": (6, 5), "num_clusters": 3},
  "pepnet": {"hidden": (6, 5)},
  "hinet": {
    "num_subexperts": 2, "subexpert": (5, 4), "num_sources": 2, "attention": (4,),
    "num_shared": 1, "num_specific": 2, "expert": (5, 4), "tower": (4,),
  },
  "m3oe": {"star": (6, 5), "num_experts": 2, "expert": (4,), "tower": (4,)},
  "mlora": {"hidden": (6, 5), "reduction": 2},
}  # fmt: skip
# Of what each domain has there is its vector alone, which is there whatever the inputs are.
BY_VECTOR = {"m2m", "adasparse", "pepnet"}
MULTI_DOMAIN = {"sarnet", "hinet", "m3oe", "mlora"}


def affine(p, path, x, d=None):
  return x @ get(p, path + "/kernel", d) + get(p, path + "/bias", d)


def sigmoid(x):
  return 1 / (1 + np.exp(-x))


def leaky(x):
  return np.where(x > 0, x, 0.1 * x)


def told(p, batch, b, domain):
  """The inputs of row b, and the vector of its domain, which is one of them if `domain`."""
  x, v = np.concatenate(fields(p, batch, b, False)), get(p, "embedding", batch.domain)
  return (np.concatenate([x, v]) if domain else x), v


@per_row
def lr(p, batch, b, domain=True):
  return linear(p, batch, b, domain)


@per_row
def fm(p, batch, b, domain=True):
  return linear(p, batch, b, domain) + products(fields(p, batch, b, domain)).sum()


@per_row
def dcn(p, batch, b, domain=True):
  x = y = np.concatenate(fields(p, batch, b, domain))
  for i in range(2):
    y = x * affine(p, f"cross_{i}", y) + y
  return out(p, "Logit_0/Dense_0", np.concatenate([y, stack(p, "Hidden_0", 2, x)]))


@per_row
def sarnet(p, batch, b, domain=True):
  d = batch.domain
  x = np.concatenate(fields(p, batch, b, domain))
  x = get(p, "Transform_0/scale", d) * x + get(p, "Transform_0/shift", d)
  y = experts(p, "specific", x, 2, d) + experts(p, "shared", x, 3)
  return out(p, "Logit_0/Dense_0", stack(p, "Hidden_0", 1, gated(p, "Gate_0", x, y, None, 0)))


def meta(p, path, h, s):
  for i in range(2):
    kernel = (s @ get(p, f"{path}/kernel_{i}/kernel")).reshape(len(h), len(h))
    h = leaky(h @ (get(p, f"{path}/constant_{i}") + kernel) + affine(p, f"{path}/bias_{i}", s))
  return h


@per_row
def m2m(p, batch, b, domain=True):
  x, v = told(p, batch, b, domain)
  s = leaky(affine(p, "scenario", v))
  views = experts(p, "Experts_0", x, 3)
  heights = [meta(p, "attention", np.concatenate([y, get(p, "task")]), s) for y in views]
  share = softmax(np.array([out(p, "Dense_0", h) for h in heights]))
  r = sum(share[e] * views[e] for e in range(3))
  for i in range(2):
    r = leaky(meta(p, f"tower_{i}", r, s) + r)
  return out(p, "Logit_0/Dense_0", r)


@per_row
def adasparse(p, batch, b, domain=True):
  h, v = told(p, batch, b, domain)
  for i in range(3):
    weights = 2 * sigmoid(np.concatenate([h, v]) @ get(p, f"Pruner_{i}/Dense_0/kernel"))
    h = np.array([unit * w if w > 0.8 else 0.0 for unit, w in zip(h, weights, strict=True)])
    h = relu(affine(p, f"Dense_{i}", h)) if i < 2 else h
  return out(p, "Logit_0/Dense_0", h)


def routed(p, x):
  """Of each cluster its likeness to x, and its logit."""
  alike, logits = [], []
  for k, center in enumerate(get(p, "centers")):
    alike.append(x @ center / np.sqrt((center**2).sum()))
    h = x
    for i in range(3):
      path = f"ClusterDense_{i}"
      h = h @ (get(p, path + "/kernel") * get(p, path + "/own_kernel")[k])
      h = h + get(p, path + "/bias") + get(p, path + "/own_bias")[k]
      h = relu(h) if i < 2 else h
    logits.append(h[0])
  return np.array(alike), np.array(logits)


@per_row
def adaptdhm(p, batch, b, domain=True, soft=False):
  """With `soft`, what the gradient of the centres is that of."""
  alike, logits = routed(p, np.concatenate(fields(p, batch, b, domain)))
  return softmax(alike) @ logits if soft else logits[alike.argmax()]


def gate_nu(p, path, x):
  return 2 * sigmoid(affine(p, path + "/Dense_1", relu(affine(p, path + "/Dense_0", x))))


@per_row
def pepnet(p, batch, b, domain=True):
  x, v = told(p, batch, b, domain)
  h = gate_nu(p, "epnet", np.concatenate([x, v])) * x
  prior = np.concatenate([x, h])
  for i in range(2):
    h = gate_nu(p, f"ppnet_{i}", prior) * relu(affine(p, f"Dense_{i}", h))
  return out(p, "Logit_0/Dense_0", h)


def integrated(p, path, x, d=None):
  return gated(p, path + "/Gate_0", x, experts(p, path + "/Experts_0", x, 2, d), d, 0)


@per_row
def hinet(p, batch, b, domain=True):
  d = batch.domain
  x, v = told(p, batch, b, domain)
  weights = softmax(stack(p, "asked", 1, v) @ get(p, "attention_to/kernel"))
  attended = sum(weights[k] * integrated(p, f"source_{k}", x) for k in range(2))
  z = np.concatenate([integrated(p, "shared", x), integrated(p, "specific", x, d), attended])
  y = experts(p, "Extraction_0/specific", z, 2, d) + experts(p, "Extraction_0/shared", z, 1)
  z = gated(p, "Extraction_0/specific_gate", z, y, d, 0)
  return out(p, "Logit_0/Dense_0", stack(p, "tower_of", 1, z, d), d)


def normed(p, path, x, d=None):
  x = affine(p, path + "/Dense_0", x, d)
  x = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
  return relu(get(p, path + "/scale_0", d) * x + get(p, path + "/shift_0", d))


@per_row
def m3oe(p, batch, b, domain=True):
  d = batch.domain
  u = np.concatenate(fields(p, batch, b, domain))
  star = get(p, "StarDense_0/kernel") * get(p, "StarDense_0/kernel", d)
  star = u @ star + get(p, "StarDense_0/bias") + get(p, "StarDense_0/bias", d)
  x = normed(p, "after", star) + normed(p, "skip", u)
  z = gated(p, "Gate_0", x, [normed(p, f"shared_{e}", x) for e in range(2)], d, 0)
  alpha, beta = sigmoid(get(p, "weight")), sigmoid(get(p, "balance"))
  own = beta * normed(p, "specific", x, d) + (1 - beta) * normed(p, "rest", x)
  return out(p, "Logit_0/Dense_0", normed(p, "tower_of", z + alpha * own, d), d)


@per_row
def mlora(p, batch, b, domain=True):
  d = batch.domain
  h = np.concatenate(fields(p, batch, b, domain))
  for i in range(2):
    path = f"AdaptedDense_{i}"
    low = get(p, path + "/down", d) @ get(p, path + "/up", d)
    kernel = get(p, path + "/Dense_0/kernel") + low
    h = relu(h @ kernel + get(p, path + "/Dense_0/bias") + get(p, path + "/bias", d))
  return out(p, "Logit_0/Dense_0", h)


REFERENCE = {
  "lr": lr,
  "fm": fm,
  "dcn": dcn,
  "sarnet": sarnet,
  "m2m": m2m,
  "adasparse": adasparse,
  "adaptdhm": adaptdhm,
  "pepnet": pepnet,
  "hinet": hinet,
  "m3oe": m3oe,
  "mlora": mlora,
}
