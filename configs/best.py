"""What moves MAMDR: one thing changed at a time, around the rates that a search has chosen.

  python launch.py --config=configs/fair.py:table,search --config.data.path=PATH \\
    --workdir=runs/search --only='[am]*'
  python -m results.similarity runs/search/mamdr runs/similarity.json
  python launch.py --config=configs/best.py:table,runs/search,runs/similarity.json \\
    --config.data.path=PATH --workdir=runs/best
  python -m results.cases runs/best_report mamdr NAME=runs/best

Every case has two seeds on the split of the search. Some begin from its models.

Time: 12 minutes for the third command on a core of an AMD EPYC, with 380,000 ratings of 15 domains.
Expect results/best.md.
Often overridden: `data.*`, `--only`, `sweep.seed`.
"""

from pathlib import Path

from configs.fair import METHODS, chosen, common, options
from mamdr_jax import configure
from mamdr_jax.files import MODEL, read_json

DECAY = {"specific_inner.name": "adamw"}


def get_config(arg: str = ""):
  """`data,FOLDER,FILE`: what the search has left, and similarities of domains, by default none."""
  data, folder, file = configure.parts_of(arg, ("synthetic-taobao10", "", ""))
  config = common(data)
  rates = {method: rates_of(Path(folder), method) for method in ("alternate", "mamdr")}
  base = options("mamdr", data) | rates["mamdr"]
  cases = {"mamdr": {}, **variants(base, Path(folder))}
  if file:
    similarity = {"method.similarity": read_json(Path(file))}
    cases |= {
      "similar_helpers": similarity,
      "similar_helpers_colder": similarity | {"method.temperature": 0.02},
    }
  cases = {name: base | changes for name, changes in cases.items()}
  alternate = {"method.name": "alternate"} | rates["alternate"]
  others = {"": {}, "_average_0.8": {"average": 0.8}, "_alpha_annealed": anneal("alpha")}
  cases |= {f"alternate{name}": alternate | changes for name, changes in others.items()}
  config.epochs = 60
  config.cases = configure.cases(cases)
  config.sweep.seed = (0, 1)
  return config


def rates_of(folder: Path, method: str) -> dict[str, float]:
  """Those that a search has chosen by validation; without a folder, the middle of its space."""
  if not folder.name:
    return {name: (least * most) ** 0.5 for name, least, most in METHODS[method]}
  return chosen(folder, method)


def anneal(rate: str, factor: float = 0.9) -> dict:
  return {"anneal": ((rate, factor),)}


def variants(base: dict, folder: Path) -> dict[str, dict]:
  """Case -> what it has otherwise than `base`."""
  branches = {"tables": ("tables",), "net": ("net",), "both": ("tables", "net")}
  gamma = base["gamma"]
  goes_on = {"warm_start": str(folder / "mamdr" / MODEL)}
  tuned = {"warm_start": str(folder / "alternate+finetune" / MODEL)}
  return {
    "visits_1": {"method.visit_steps": 1},
    "visits_20": {"method.visit_steps": 20},
    "visits_whole": {"method.visit_steps": None},
    "k_1": {"method.k": 1},
    "k_5": {"method.k": 5},
    "helps_itself": {"method.help_self": True},
    **{
      f"deltas_on_{name}": {"method.specific": of}
      for name, of in branches.items()
      if of != base["method.specific"]
    },
    "gamma_x_0.2": {"gamma": gamma / 5},
    "gamma_x_5": {"gamma": min(1.0, 5 * gamma)},
    "deltas_rate_x_0.2": {"method.specific_rate": 0.2},
    "deltas_rate_x_5": {"method.specific_rate": 5.0},
    "deltas_state_carried": {"method.specific_carry": True},
    "deltas_decay_1": DECAY | {"specific_inner.options": (("weight_decay", 1.0),)},
    "deltas_decay_30": DECAY | {"specific_inner.options": (("weight_decay", 30.0),)},
    "rounds_of_5": {"method.round_steps": 5},
    "gamma_annealed": anneal("gamma"),
    "beta_annealed": anneal("beta"),
    "alpha_annealed": anneal("alpha"),
    "average_0.5": {"average": 0.5},
    "average_0.8": {"average": 0.8},
    **({"goes_on_with_k_1": goes_on | {"method.k": 1},
        "goes_on_with_gamma_x_0.2": goes_on | {"gamma": gamma / 5},
        "from_fine_tuned": tuned | {"method.specific": branches["both"]},
        "from_fine_tuned_dr": tuned
        | {"method.specific": branches["both"], "method.name": "domain_regularization"},
       } if folder.name else {}),
  }  # fmt: skip
