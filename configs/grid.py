"""Every learning framework on one model, and every structure under two frameworks, by a search.

  python launch.py --config=configs/grid.py:frameworks --workdir=runs/frameworks
  python launch.py --config=configs/grid.py:structures --workdir=runs/structures
  python -m mamdr_jax.report runs/frameworks runs/structures --out=runs/grid

The same number of trials, drawn in the same way, and at most the same number of passes for all;
three seeds. Frameworks are compared where the model is not told the domain, so that what they do
shows.

Time: 10 minutes for the frameworks on a core of an AMD EPYC that other work shared, two hours for
the structures. Expect test AUC from 0.710 to 0.825, and from 0.695 to 0.840; results/grid.md has
the tables.
Often overridden: `search.trials`, `search.passes`; `--only='*/mamdr'`, `--share=0/4`.
"""

from mamdr_jax import configure
from mamdr_jax.methods import METHODS
from mamdr_jax.models import MODELS

# What a model takes of these it is given, so that all are about as wide.
SIZES = {
  "embedding_size": 16, "hidden": (64, 32), "bottom": (64,), "expert": (32,), "gate": (16,),
  "tower": (32,), "star": (64, 32), "auxiliary_hidden": (16,), "subexpert": (32,),
  "attention": (16,), "num_layers": 1, "num_specific": 2, "num_shared": 1, "head_size": 8,
}  # fmt: skip
FINETUNED = ("alternate", "mamdr")
BOUNDS = {"alpha": (1e-3, 3e-2), "beta": (0.1, 1.0), "gamma": (0.03, 1.0)}
READS = {  # the rates besides α that a method reads
  **dict.fromkeys(("domain_negotiation", "reptile", "maml", "mldg"), ("beta",)),
  "domain_regularization": ("gamma",),
  "mamdr": ("beta", "gamma"),
}


def get_config(arg: str = ""):
  """`frameworks` or `structures`, then the data; by default `frameworks,synthetic-taobao10`."""
  what, data = configure.parts_of(arg, ("frameworks", "synthetic-taobao10"))
  if what not in ("frameworks", "structures"):
    raise ValueError(f"unknown grid {what!r}; choose frameworks or structures")
  config = configure.make(data, "mlp", "alternate")
  config.update(batch_size=512, epochs=60, patience=5)
  config.search.update(trials=4, space=space(()), rungs=(3.0, 9.0), passes=40.0)
  config.sweep.seed = (0, 1, 2)
  if what == "frameworks":
    config.model.domain_feature = False
    config.data.update({"feature_size": 32} if config.data.name == "synthetic" else {})
    names = (*METHODS, *(f"{name}+finetune" for name in FINETUNED))
    cases = {name: of_model("mlp") | of_method(name) for name in names}
  else:
    cases = {
      f"{model}/{method}": of_model(model) | of_method(method)
      for model in MODELS
      for method in FINETUNED
    }
  config.cases = configure.cases(cases)
  return config


def space(rates: tuple[str, ...]) -> tuple:
  """α and these rates with their bounds."""
  return tuple((rate, *BOUNDS[rate]) for rate in ("alpha", *rates))


def of_model(name: str) -> dict:
  """What a model changes in the config."""
  takes = configure.arguments(MODELS[name])
  sizes = {f"model.{key}": size for key, size in SIZES.items() if key in takes}
  return {"model.name": name} | sizes


def of_method(name: str) -> dict:
  """What a method changes in the config."""
  base = name.removesuffix("+finetune")
  changes = {"method.name": name, "search.space": space(READS.get(base, ()))}
  if base in ("domain_regularization", "mamdr"):
    changes |= {"method.visit_steps": 5, "method.specific": ("net",)}
  return changes
