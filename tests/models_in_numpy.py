"""The paper's models in NumPy. `p` holds parameters, `d` a domain or, for what is shared, None."""

import handmade
import numpy as np

VOCAB = {"user": handmade.NUM_ROWS, "domain": 4, "item": handmade.NUM_ROWS, "category": 3}
SIZE = 3
SIZES = {
  "wdl": {"hidden": (6, 5)},
  "mlp": {"hidden": (6, 5)},
  "neurfm": {"hidden": (6, 5)},
  "deepfm": {"hidden": (6, 5)},
  "autoint": {"hidden": (6, 5), "num_layers": 2, "num_heads": 2, "head_size": 3},
  "shared_bottom": {"bottom": (6, 5), "tower": (4,)},
  "mmoe": {"num_experts": 3, "expert": (6, 5), "gate": (4,), "tower": (5,)},
  "cgc": {"num_shared": 2, "num_specific": 3, "expert": (5, 4), "gate": (4,), "tower": (5,)},
  "ple": {"num_shared": 2, "num_specific": 3, "expert": (5, 4), "gate": (4,), "tower": (5,)},
  "star": {"hidden": (6, 5), "auxiliary_hidden": (4,)},
}
MULTI_DOMAIN = {"shared_bottom", "mmoe", "cgc", "ple", "star"}
PLAIN_STAR = {"normalize": False, "auxiliary": False}
MOMENTS = ("mean", "variance", "count")  # what gradient leaves alone
INDEX = 0  # a minibatch of domain 0: 5 rows and 3 of padding


def get(p, path, d=None):
  """What is shared at net/path, or domain d's row of tables/domain/path."""
  node = p["net"] if d is None else p["tables"]["domain"]
  for part in path.split("/"):
    node = node[part]
  return node if d is None else node[d]


def relu(x):
  return np.where(x > 0, x, 0.0)


def softmax(x):
  e = np.exp(x - x.max())
  return e / e.sum()


def stack(p, path, num_layers, x, d=None):
  for i in range(num_layers):
    dense = f"{path}/Dense_{i}"
    x = relu(x @ get(p, dense + "/kernel", d) + get(p, dense + "/bias", d))
  return x


def out(p, path, x, d=None):
  return (x @ get(p, path + "/kernel", d))[0]


def fields(p, batch, b, domain=True, path=("Embed_0",)):
  """The vectors of row b."""
  vectors = []
  for field in VOCAB:
    if field != "domain" or domain:
      index = batch.domain if field == "domain" else batch.ids[field][b]
      vectors.append(p["tables"][field][path[0]]["embedding"][index])
  project = p["net"][path[0]]["project_price"]
  price = batch.dense["price"][b] @ project["kernel"] + project["bias"]
  return [*vectors, batch.dense["image"][b], price]


def linear(p, batch, b, domain=True):
  total = p["net"]["Linear_0"]["bias"]
  for field in VOCAB:
    if field != "domain" or domain:
      index = batch.domain if field == "domain" else batch.ids[field][b]
      total = total + p["tables"][field]["Linear_0"]["weight"][index]
  for name, feature in batch.dense.items():
    total = total + feature[b] @ p["net"]["Linear_0"][f"weight_{name}"]["kernel"][:, 0]
  return total


def products(vectors):
  """Σ_{i<j} vᵢ ⊙ vⱼ, pair by pair."""
  pairs = [(i, j) for i in range(len(vectors)) for j in range(i)]
  return sum(vectors[i] * vectors[j] for i, j in pairs)


def per_row(logit):
  """A function of one row as a function of a minibatch."""
  return lambda p, batch, **options: np.array(
    [logit(p, batch, b, **options) for b in range(len(batch.label))]
  )


@per_row
def mlp(p, batch, b, domain=True):
  x = np.concatenate(fields(p, batch, b, domain))
  return out(p, "Logit_0/Dense_0", stack(p, "Hidden_0", 2, x))


@per_row
def wdl(p, batch, b, domain=True):
  x = np.concatenate(fields(p, batch, b, domain))
  deep = out(p, "Logit_0/Dense_0", stack(p, "Hidden_0", 2, x))
  return linear(p, batch, b, domain) + deep


@per_row
def neurfm(p, batch, b, domain=True):
  x = products(fields(p, batch, b, domain))
  deep = out(p, "Logit_0/Dense_0", stack(p, "Hidden_0", 2, x))
  return linear(p, batch, b, domain) + deep


@per_row
def deepfm(p, batch, b, domain=True):
  vectors = fields(p, batch, b, domain)
  deep = out(p, "Logit_0/Dense_0", stack(p, "Hidden_0", 2, np.concatenate(vectors)))
  return linear(p, batch, b, domain) + products(vectors).sum() + deep


@per_row
def autoint(p, batch, b, domain=True):
  e = fields(p, batch, b, domain)
  deep = stack(p, "Hidden_0", 2, np.concatenate(e))
  for layer in ("Interact_0", "Interact_1"):
    w = p["net"][layer]
    interacted = []
    for i in range(len(e)):
      heads = []
      for h in (slice(0, 3), slice(3, 6)):
        alike = [(e[i] @ w["query"][:, h]) @ (e[j] @ w["key"][:, h]) for j in range(len(e))]
        attention = softmax(np.array(alike))
        heads.append(sum(attention[j] * (e[j] @ w["value"][:, h]) for j in range(len(e))))
      interacted.append(relu(np.concatenate(heads) + e[i] @ w["residual"]))
    e = interacted
  return out(p, "Logit_0/Dense_0", np.concatenate([*e, deep]))


def experts(p, path, x, num, d=None):
  """The outputs of `num` experts of two layers."""
  outputs = []
  for e in range(num):
    y = x
    for i in range(2):
      y = relu(y @ get(p, f"{path}/kernel_{i}", d)[e] + get(p, f"{path}/bias_{i}", d)[e])
    outputs.append(y)
  return outputs


def gated(p, path, x, outputs, d=None, num_layers=1):
  x = stack(p, path + "/Hidden_0", num_layers, x, d)
  g = softmax(x @ get(p, path + "/Dense_0/kernel", d))
  return sum(g[e] * outputs[e] for e in range(len(outputs)))


@per_row
def shared_bottom(p, batch, b, domain=True):
  x = stack(p, "Hidden_0", 2, np.concatenate(fields(p, batch, b, domain)))
  return out(p, "Logit_0/Dense_0", stack(p, "Hidden_1", 1, x, batch.domain), batch.domain)


@per_row
def mmoe(p, batch, b, domain=True):
  x = np.concatenate(fields(p, batch, b, domain))
  x = gated(p, "Gate_0", x, experts(p, "Experts_0", x, 3), batch.domain)
  return out(p, "Logit_0/Dense_0", stack(p, "Hidden_0", 1, x, batch.domain), batch.domain)


def extracted(num_levels):
  @per_row
  def logit(p, batch, b, domain=True):
    d = batch.domain
    s = x = np.concatenate(fields(p, batch, b, domain))
    for level in range(num_levels):
      path = f"Extraction_{level}"
      y = experts(p, f"{path}/specific", x, 3, d) + experts(p, f"{path}/shared", s, 2)
      x = gated(p, f"{path}/specific_gate", x, y, d)
      s = gated(p, f"{path}/shared_gate", s, y) if level < num_levels - 1 else None
    return out(p, "Logit_0/Dense_0", stack(p, "Hidden_0", 1, x, d), d)

  return logit


def star(p, batch, domain=True, normalize=True, auxiliary=True, moments=None):
  """`moments` (mean, variance) are those of the minibatch where none are given."""
  d = batch.domain
  every = range(len(batch.label))
  x = np.array([np.concatenate(fields(p, batch, b, False, ("embed",))) for b in every])
  if normalize:
    real = x[batch.weight > 0]
    mean, variance = moments or (real.mean(0), real.var(0))
    scale = get(p, "norm/scale") * get(p, "norm/scale", d)
    shift = get(p, "norm/shift") + get(p, "norm/shift", d)
    x = scale * (x - mean) / np.sqrt(variance + 1e-5) + shift
  logits = []
  for row in x:
    told = np.concatenate([row, get(p, "embedding", d)]) if domain or auxiliary else row
    z = told if domain else row
    for i in range(3):
      path = f"StarDense_{i}"
      w = get(p, path + "/kernel") * get(p, path + "/kernel", d)
      z = z @ w + get(p, path + "/bias") + get(p, path + "/bias", d)
      z = relu(z) if i < 2 else z
    aside = out(p, "Logit_0/Dense_0", stack(p, "Hidden_0", 1, told)) if auxiliary else 0.0
    logits.append(z[0] + aside)
  return np.array(logits)


REFERENCE = {
  "mlp": mlp,
  "wdl": wdl,
  "neurfm": neurfm,
  "autoint": autoint,
  "deepfm": deepfm,
  "shared_bottom": shared_bottom,
  "mmoe": mmoe,
  "cgc": extracted(1),
  "ple": extracted(2),
  "star": star,
}
