"""The ways to train side by side: an equal search for each, then replicates at the chosen rates.

  python launch.py --config=configs/fair.py:table,search --config.data.path=PATH \\
    --workdir=runs/search
  python launch.py --config=configs/fair.py:table,runs/search --config.data.path=PATH \\
    --workdir=runs/fair

The second command reads what the first has chosen by validation. Its five replicates have other
splits, negatives and initial parameters each, and train until validation AUC has not risen for 8
epochs. Every epoch tells test AUC as well, so that an epoch chosen for each domain can stand beside
the common one.

Time: 24 minutes for both on a core of an AMD EPYC, with 380,000 ratings of 15 domains. Expect the
tables of results/which.md.
Often overridden: `data.*`, `--only`, `search.trials`.
"""

from pathlib import Path

from mamdr_jax import configure, results
from mamdr_jax.files import RESULT
from mamdr_jax.report.results import best_setting

ALPHA, BETA, GAMMA = ("alpha", 3e-4, 3e-2), ("beta", 0.05, 1.0), ("gamma", 1e-3, 1.0)
METHODS = {
  "alternate": (ALPHA,),
  "alternate+finetune": (ALPHA,),
  "joint": (ALPHA,),
  "joint+finetune": (ALPHA,),
  "separate": (ALPHA,),
  "reptile": (ALPHA, BETA),
  "pcgrad": (ALPHA,),
  "upgrad": (ALPHA,),
  "domain_negotiation": (ALPHA, BETA),
  "domain_regularization": (ALPHA, GAMMA),
  "mamdr": (ALPHA, BETA, GAMMA),
  "mamdr+finetune": (ALPHA, BETA, GAMMA),
}
REPLICATES = range(1, 6)  # the search has the split of number 0
# Half the trials end after 12 passes, not before: what learns slowly is often the best in the end.
SEARCH = {"trials": 8, "draw": "halton", "rungs": (12.0,), "keep": 2.0, "passes": 60.0}


def get_config(arg: str = ""):
  """`data,search`, or `data,FOLDER` of what that has left; by default
  `synthetic-taobao10,search`. Methods whose search has not ended are left out. A third part `ids`
  has synthetic data without given features.
  """
  data, stage, kind = configure.parts_of(arg, ("synthetic-taobao10", "search", ""))
  config = common(data, kind)
  if stage == "search":
    config.search.update(space=(ALPHA,), **SEARCH)
  cases = {}
  for method, space in METHODS.items():
    changes = options(method, data, kind)
    if stage == "search":
      cases[method] = changes | {"search.space": space}
      continue
    if not (Path(stage) / method / RESULT).is_file():
      continue
    changes |= chosen(Path(stage), method) | {"test_every_epoch": True}
    drawn = "data.seed" if data.startswith("synthetic") else "data.split_seed"
    cases |= {f"{method}/{r}": changes | {drawn: r, "seed": r} for r in REPLICATES}
  if not cases:
    raise ValueError(f"{stage}: no search has ended; expected the workdir of `{data},search`")
  config.cases = configure.cases(cases)
  return config


def common(data: str, kind: str = ""):
  """What all methods have in common."""
  config = configure.make(data, "mlp", "alternate")
  if kind:
    config.data.features = kind
  config.model.update(embedding_size=16, hidden=(64, 32))
  l2 = 1e-4 * (not given_features(data, kind))
  config.update(batch_size="auto", epochs=200, patience=8, l2=l2)
  config.measures = ("gauc",)
  return config


def given_features(data: str, kind: str) -> bool:
  return data.startswith(("synthetic", "taobao")) and kind != "ids"


def options(method: str, data: str, kind: str = "") -> dict:
  """What a method has but for its rates."""
  changes = {"method.name": method}
  if GAMMA in METHODS[method]:
    specific = ("net",) if given_features(data, kind) else ("tables",)
    changes |= {"method.k": 3, "method.visit_steps": 5, "method.specific": specific}
  return changes


def chosen(search: Path, method: str) -> dict[str, float]:
  """The rates of a method that validation chose, of the folder that a search has left."""
  run = best_setting(results.read(search / method / RESULT))[0]
  return {rate: run[rate] for rate, *_ in METHODS[method]}
