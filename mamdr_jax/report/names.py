"""How tables and figures call data sets, models and methods, and which configs differ in what."""

import json
import re
from collections.abc import Mapping
from pathlib import PurePath

from mamdr_jax import keys

MODEL_TITLES = {
  "mlp": "MLP", "wdl": "WDL", "neurfm": "NeurFM", "autoint": "AutoInt", "deepfm": "DeepFM",
  "shared_bottom": "Shared-bottom", "mmoe": "MMOE", "cgc": "CGC", "ple": "PLE", "star": "Star",
  "lr": "LR", "fm": "FM", "dcn": "DCN v2", "sarnet": "SAR-Net", "m2m": "M2M",
  "adasparse": "AdaSparse", "adaptdhm": "AdaptDHM", "pepnet": "PEPNet", "hinet": "HiNet",
  "m3oe": "M3oE", "mlora": "MLoRA",
}  # fmt: skip
METHOD_TITLES = {
  "alternate": "Alternate", "joint": "Joint", "separate": "Separate",
  "weighted_loss": "Weighted Loss", "pcgrad": "PCGrad", "maml": "MAML", "reptile": "Reptile",
  "mldg": "MLDG", "fish": "Fish", "domain_negotiation": "DN", "domain_regularization": "DR",
  "mamdr": "MAMDR", "gradvac": "GradVac", "mgda": "MGDA", "cagrad": "CAGrad", "imtl_g": "IMTL-G",
  "aligned_mtl": "Aligned-MTL", "upgrad": "UPGrad", "nash_mtl": "Nash-MTL", "gradnorm": "GradNorm",
  "famo": "FAMO", "equal_weighting": "Equal weights", "random_weighting": "Random weights",
}  # fmt: skip

# As a model: the scores of another system, whose name is that of the method.
EXTERNAL = "external"

MOST_OF_VALUE = 60  # letters of a setting in the name of a data set
MOST_LETTERS = 150  # of the name of a file, which has an ending besides


def model_name(model: str) -> str:
  """What a table calls a model: "MLP" for "mlp"; one that is not the paper's keeps its name."""
  return MODEL_TITLES.get(model, model)


def method_name(method: str) -> str:
  """What a table calls a method: "Alternate+Finetune" for "alternate+finetune"."""
  base, plus, _ = method.partition("+")
  return METHOD_TITLES.get(base, base) + ("+Finetune" if plus else "")


def method_of(config: Mapping) -> str:
  """The method of a config; DN with one minibatch per domain and round is Fish."""
  method = config["method"]
  if method.get("round_steps") == 1:
    return method["name"].replace("domain_negotiation", "fish")
  return method["name"]


def external(result: Mapping) -> bool:
  """Whether a result is of the scores of another system."""
  return result["config"]["model"]["name"] == EXTERNAL


def row_name(model: str, method: str) -> str:
  """As in Luo et al. 2023, Table V: a model that is trained alternately goes by its own name.

  So does another system.
  """
  if model == EXTERNAL:
    return method_name(method)
  return model_name(model) + ("" if method == "alternate" else f"+{method_name(method)}")


def order(names, known: Mapping[str, str]) -> list[str]:
  """Distinct names, those in `known` first and in its order; what is fine-tuned after its base."""
  listed = list(known)
  place = lambda name: listed.index(name) if name in listed else len(listed)
  return sorted(dict.fromkeys(names), key=lambda name: (place(name.partition("+")[0]), "+" in name))


def settings(config: Mapping) -> dict[str, object]:
  """`flat`, without what replicates and runs have of their own and what changes no result."""
  left_out = (*keys.OF_RUN, "sweep", "cases", *keys.RUNNING)
  kept = {k: v for k, v in keys.flat(config).items() if k.split(".")[0] not in left_out}
  kept = {k: v for k, v in kept.items() if k not in keys.DATA_SEEDS}
  kept = {k: PurePath(v).name if v and k in keys.FILES else v for k, v in kept.items()}
  return {k: v for k, v in kept.items() if k in keys.FILES or k not in keys.PLACES}


def identity(result: Mapping, leave_out: str = "") -> str:
  """What two experiments share that are alike but for seeds and rates, and for `leave_out`."""
  kept = {k: v for k, v in settings(result["config"]).items() if k != leave_out}
  return json.dumps([kept, list(result["runs"][0]["test"]["auc"])], sort_keys=True)


def differing(configs: list[Mapping]) -> list[str]:
  """Dotted names of what two `settings` both have and have different, in alphabetic order."""
  values = {}
  for config in configs:
    for key, value in config.items():
      values.setdefault(key, set()).add(json.dumps(value))
  return sorted(key for key, distinct in values.items() if len(distinct) > 1)


def data_names(results: Mapping[str, dict]) -> dict[str, str]:
  """name of an experiment -> name of its data set: "amazon small", "synthetic taobao10".

  Data are the same where the domains are and `config.data` is, but for seeds and for places on a
  machine. Where two that are not would have one name, what differs is added: "synthetic taobao10,
  conflict 0.9".
  """
  sections = {}  # base name -> identity -> settings
  which = {}
  for name, result in results.items():
    section = {k: v for k, v in settings(result["config"]).items() if k.startswith("data.")}
    domains = list(result["runs"][0]["test"]["auc"])
    which[name] = (
      data_name(result["config"]["data"]),
      json.dumps([section, domains], sort_keys=True),
    )
    sections.setdefault(which[name][0], {})[which[name][1]] = section
  names = {}
  for name, (base, identity) in which.items():
    rivals = sections[base]
    told = differing(list(rivals.values()))
    section = rivals[identity]
    extra = [
      f"{key.removeprefix('data.')} {_short(section[key])}" for key in told if key in section
    ]
    names[name] = ", ".join([base, *extra])
  # Domains or keys that only one of them has leave no value to tell them apart: number those.
  for label in set(names.values()):
    same = list(dict.fromkeys(which[n] for n, known in names.items() if known == label))
    for name in [n for n, known in names.items() if known == label and len(same) > 1]:
      names[name] = f"{label} ({same.index(which[name]) + 1})"
  return names


def data_name(data: Mapping) -> str:
  """How a table calls a data set by itself: "amazon small", "synthetic taobao10"."""
  which = data.get("domains") or data.get("preset") or data.get("num_domains") or ""
  if data.get("path"):
    which = PurePath(data["path"]).stem
  if isinstance(which, list | tuple):
    which = _short(",".join(map(str, which)))
  return f"{data['name']} {which}".strip()


def _short(value) -> str:
  """A value in a name: the sizes of thousands of domains would be no name."""
  text = str(value)
  return text if len(text) <= MOST_OF_VALUE else f"{text[: MOST_OF_VALUE - 1]}…"


def slug(name: str) -> str:
  """A name as that of a file, which may have 255 letters at most."""
  return re.sub(r"[^A-Za-z0-9.+-]+", "_", name).strip("_")[:MOST_LETTERS]
