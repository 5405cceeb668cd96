"""The studies of Luo et al. 2023, §V, on one data set: a folder of experiments each.

  python launch.py --config=configs/paper.py:table10,synthetic-taobao10 --workdir=DIR
  python launch.py --config=configs/paper.py:figure9,amazon-small --workdir=DIR \\
    --config.data.root=PATH
  python launch.py --config=configs/paper.py:table5,taobao-10,full --workdir=DIR \\
    --config.data.root=PATH
  python -m mamdr_jax.report DIR --out=DIR/report

table5   every model of the paper, under alternate training and under MAMDR (Table V)
table6   the MLP under alternate, DN, DR and MAMDR (Table VI; Table VII is its AUC per domain)
table10  MLP, Shared-Bottom and STAR (scale full: every model) under every method (Table X)
figure8  MAMDR over k (Figure 8)
figure9  DN over α × β (Figure 9)

Each method has the same number of trials of its rates, and every trial the same seeds; validation
AUC, its mean over seeds, chooses. The third part of the argument is the scale: `small`, for a
laptop (two trials, three seeds, narrow layers, d = 32), or `full`, with the sizes of §V-C, nine
trials and five seeds. `--only='star/*'` runs some of the cases, so that processes can share a
workdir.

Time: hours on 2 cores of an AMD EPYC for table5 on amazon-small; figure9 there took 75 minutes on
one core that other work shared, 60 runs.
What to expect: results/models.md (table5, MAMDR above alternate training in 9 of 10 models),
results/amazon_small.md and synthetic.md (table6), results/methods.md (table10), results/rates.md
(figures).
Often overridden: `sweep.seed`, `epochs`, `patience`.
"""

from mamdr_jax import configure

MODELS = (
  *("mlp", "wdl", "neurfm", "autoint", "deepfm"),
  *("shared_bottom", "mmoe", "cgc", "ple", "star"),
)
METHODS = (
  *("alternate", "alternate+finetune", "joint", "separate", "weighted_loss", "pcgrad", "maml"),
  *("reptile", "mldg", "fish", "domain_negotiation", "domain_regularization", "mamdr"),
  "mamdr+finetune",
)
FEW = ("mlp", "shared_bottom", "star")

# Of a model what is narrower at the small scale.
SMALL = {
  "autoint": {"num_layers": 1},
  "shared_bottom": {"bottom": (128, 64), "tower": (32,)},
  "mmoe": {"expert": (128, 64), "gate": (32,), "tower": (32,)},
  "cgc": {"num_specific": 4, "expert": (32,), "gate": (32,), "tower": (64,)},
  "ple": {"num_specific": 4, "expert": (32,), "gate": (32,), "tower": (64,)},
}
# Rates that validation chose on such data (results/), and those to choose from at either scale:
# with embeddings that are trained, and with features that are given.
TRAINED = {
  "chosen": {"alpha": 1e-2, "beta": 0.2, "gamma": 1e-3},
  "small": {"alpha": (3e-3, 1e-2), "beta": (0.05, 0.2), "gamma": (1e-3, 1e-2)},
  "full": {"alpha": (3e-3, 1e-2, 3e-2), "beta": (0.05, 0.2, 0.5), "gamma": (1e-3, 1e-2, 1e-1)},
}
FROZEN = {
  "chosen": {"alpha": 1e-3, "beta": 0.7, "gamma": 0.5},
  "small": {"alpha": (1e-3, 3e-3), "beta": (0.3, 0.7), "gamma": (0.1, 0.5)},
  "full": {"alpha": (1e-3, 3e-3, 1e-2), "beta": (0.3, 0.7, 1.0), "gamma": (0.1, 0.5, 1.0)},
}
NINE = (1e-4, 3e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2, 2e-2, 3e-2)  # where α is all there is to choose


def get_config(arg: str = ""):
  """`study,data,scale`; by default `table10,synthetic-taobao10,small`."""
  study, name, scale = configure.parts_of(arg, ("table10", "synthetic-taobao10", "small"))
  if study not in STUDIES:
    raise ValueError(f"unknown study {study!r}; choose one of {', '.join(STUDIES)}")
  if scale not in ("small", "full"):
    raise ValueError(f"unknown scale {scale!r}; choose small or full")
  small = scale == "small"
  config = configure.make(name, "mlp", "alternate")
  data = config.data.name
  config.update(epochs=100, patience=15)
  config.sweep.seed = (0, 1, 2) if small else (0, 1, 2, 3, 4)
  if data == "synthetic":
    # Without the domain id a model alone cannot tell apart domains that are in conflict.
    config.model.domain_feature = False
    config.data.feature_size = 32 if small else 128
  else:
    config.l2 = 1e-4
  if small:
    config.model.update(embedding_size=32, hidden=(128, 64))
  rates = TRAINED if data in ("amazon", "table") else FROZEN
  config.cases = configure.cases(STUDIES[study](rates, scale))
  return config


def table5(rates: dict, scale: str) -> dict:
  cases = {}
  for model in MODELS:
    for method in ("alternate", "mamdr"):
      changes = of_model(model, scale) | of_method(method, rates, scale)
      if scale == "small":  # models differ most in the α that suits them
        changes |= {"sweep.gamma": (), "sweep.alpha": rates[scale]["alpha"], "sweep.seed": (0, 1)}
      cases[f"{model}/{method}"] = changes
  return cases


def table6(rates: dict, scale: str) -> dict:
  methods = ("alternate", "domain_negotiation", "domain_regularization", "mamdr")
  return {method: of_method(method, rates, scale) for method in methods}


def table10(rates: dict, scale: str) -> dict:
  return {
    f"{model}/{method}": of_model(model, scale) | of_method(method, rates, scale)
    for model in (FEW if scale == "small" else MODELS)
    for method in METHODS
  }


def figure8(rates: dict, scale: str) -> dict:
  changes = of_method("mamdr", rates, scale) | {"sweep.beta": (), "sweep.gamma": ()}
  return {f"k={k}": changes | {"method.k": k} for k in (1, 2, 3, 4, 5)}


def figure9(rates: dict, scale: str) -> dict:
  grid = {"sweep.alpha": (1e-1, 1e-2, 1e-3, 1e-4), "sweep.beta": (1.0, 0.5, 0.1, 0.05, 0.01)}
  return {"domain_negotiation": of_method("domain_negotiation", rates, scale) | grid}


STUDIES = {f.__name__: f for f in (table5, table6, table10, figure8, figure9)}


def of_model(name: str, scale: str) -> dict:
  """What a model changes in the config."""
  sizes = SMALL.get(name, {}) if scale == "small" else {}
  return {"model.name": name} | {f"model.{key}": value for key, value in sizes.items()}


def of_method(name: str, rates: dict, scale: str) -> dict:
  """What a method changes in the config, with its trials: two, or nine at the full scale."""
  base, small, trials = name.split("+")[0], scale == "small", rates[scale]
  changes = {"method.name": name.replace("fish", "domain_negotiation")} | rates["chosen"]
  if base == "fish":
    changes["method.round_steps"] = 1
  if base in ("domain_regularization", "mamdr"):
    changes["method.specific"] = ("net",) if rates is FROZEN else ("tables",)
    if small:
      changes["method.visit_steps"] = 5
  if base in ("maml", "mldg"):  # a virtual step inside, the real one outside
    changes |= {"inner.name": "sgd", "outer.name": "adam", "alpha": 0.1}
    tried = {"beta": trials["alpha"]} | ({} if small else {"alpha": (0.01, 0.1, 1.0)})
  elif base in ("domain_negotiation", "fish", "reptile"):
    tried = {"beta": trials["beta"]} | ({} if small else {"alpha": trials["alpha"]})
  elif base == "domain_regularization":
    tried = {"gamma": trials["gamma"]} | ({} if small else {"alpha": trials["alpha"]})
  elif base == "mamdr":
    tried = {"gamma": trials["gamma"]} | ({} if small else {"beta": trials["beta"]})
  else:
    tried = {"alpha": trials["alpha"] if small else NINE}
  return changes | {f"sweep.{rate}": values for rate, values in tried.items()}
