"""Configs: their keys are what the constructors take, so that no key can be dead."""

import copy
import dataclasses
import difflib
import inspect
import itertools
import typing

import ml_collections
from ml_collections import config_dict

from mamdr_jax import keys, optimizers
from mamdr_jax.core import Optimizer
from mamdr_jax.data import DATASETS
from mamdr_jax.methods import METHODS
from mamdr_jax.methods.finetune import finetuned
from mamdr_jax.models import MODELS

# The argument of a data set that says which domains.
GROUPS = {"synthetic": "preset", "amazon": "domains", "taobao": "num_domains"}
# Constructor arguments that come from elsewhere than the constructor's own section.
MISSING = dataclasses.MISSING
SUPPLIED = {
  *("vocab", "parent", "name"),
  *("loss", "penalty", "inner", "outer", "shared", "specific_inner", "base"),
}


def make(data: str, model: str, method: str) -> ml_collections.ConfigDict:
  """The config of one experiment, its keys locked, with every default.

  Args:
    data, model, method: keys of `DATASETS`, `MODELS`, `METHODS`; data may be followed by a group
      of domains, `amazon-small`, `synthetic-taobao30`, and a method by `+finetune`.

  Returns:
    `config.data`, `config.model` and `config.method` hold a `name` and what its constructor
    takes; the rest says how it is trained.

  Raises:
    ValueError: an unknown name.

  >>> config = make("synthetic-taobao10", "mlp", "mamdr+finetune")
  >>> config.data.preset, config.model.hidden, config.method.k, config.method.finetune_rate
  ('taobao10', (256, 128, 64), 3, 1.0)
  """
  config = ml_collections.ConfigDict()
  data, _, group = data.partition("-")
  config.data = named(DATASETS, "data set", data)
  if group:
    if data not in GROUPS:
      raise ValueError(f"data set {data!r} has no groups; choose one of {', '.join(GROUPS)}")
    config.data[GROUPS[data]] = int(group) if data == "taobao" else group
  config.model = named(MODELS, "model", model)
  config.method = named(METHODS, "method", method)
  for key, about in keys.TRAINING.items():
    section, _, name = key.rpartition(".")
    if section and section not in config:
      config[section] = {}
    part = config[section] if section else config
    if about.kind:
      part[name] = config_dict.placeholder(about.kind)
    part[name] = about.default
  return config.lock()


def tuned(config: ml_collections.ConfigDict, features: bool) -> None:
  """Sets what validation chose on data of a kind, in place of the paper's values.

  Args:
    config: see `make`.
    features: whether users and items have given features, as the Taobao sets have, or ids with
      tables that are trained, as the Amazon sets have. results/ has the searches.
  """
  if features:
    config.update(alpha=3e-3, beta=0.7, gamma=0.1, patience=12)
  else:
    config.update(alpha=1e-2, beta=0.2, gamma=1e-3, l2=1e-4, patience=15)
  if "visit_steps" in config.method:
    config.method.update(visit_steps=5, specific=("net",) if features else ("tables",))


def named(table: dict, what: str, name: str) -> dict:
  """`name` with the defaults of its constructor's arguments.

  Where the default is None, or there is none, stands a placeholder that waits for a value.
  """
  settings = {"name": name}
  for argument, (default, hint) in arguments(lookup(table, what, name)).items():
    if default is None or default is MISSING:
      kinds = [t for t in typing.get_args(hint) or (hint,) if t is not type(None)]
      default = config_dict.placeholder(typing.get_origin(kinds[0]) or kinds[0])
    settings[argument] = default
  return settings


def construct(table: dict, what: str, section: ml_collections.ConfigDict, **supplied):
  """Calls the constructor that `section` names with what `section` holds.

  Raises:
    ValueError: the name is unknown, the section was made for another, or something that has no
      default was not given.
  """
  constructor = lookup(table, what, section.name)
  takes = arguments(constructor)
  odd = sorted({"name", *takes} ^ set(section))
  if odd:
    raise ValueError(
      f"{what} {section.name!r} takes {', '.join(takes) or 'no arguments'}, and the config was"
      f" made for another (they differ in {', '.join(odd)}): name it where the config is made,"
      f" as in --config=configs/FILE.py:DATA,MODEL,METHOD"
    )
  for argument, (default, _) in takes.items():
    if default is MISSING and section[argument] is None:
      raise ValueError(f"{what} {section.name!r} needs {argument!r}: --config.*.{argument}=...")
  given = {name: value for name, value in section.items() if name != "name"}
  accepted = inspect.signature(constructor).parameters
  return constructor(**given, **{n: v for n, v in supplied.items() if n in accepted})


def arguments(constructor) -> dict[str, tuple]:
  """argument -> (default, type), of what the config is to give."""
  if dataclasses.is_dataclass(constructor):
    found = {f.name: (f.default, f.type) for f in dataclasses.fields(constructor)}
  else:
    hints = typing.get_type_hints(constructor)
    parameters = inspect.signature(constructor).parameters.values()
    found = {
      p.name: (MISSING if p.default is p.empty else p.default, hints.get(p.name, str))
      for p in parameters
    }
  return {name: argument for name, argument in found.items() if name not in SUPPLIED}


def vary(config: ml_collections.ConfigDict, changes: dict) -> ml_collections.ConfigDict:
  """A copy of `config` with other values at dotted keys, e.g. {"method.k": 5}.

  Under another `name` a section has what that constructor takes; a key that the old one took too
  keeps its value.

  Raises:
    ValueError: there is no such key, or the value does not suit it.

  >>> config = make("synthetic", "mlp", "mamdr")
  >>> varied = vary(config, {"method.k": 5, "model.name": "star"})
  >>> varied.method.k, varied.model.normalize, config.method.k
  (5, True, 3)
  """
  config = copy.deepcopy(config)
  tables = {
    "data": (DATASETS, "data set"),
    "model": (MODELS, "model"),
    "method": (METHODS, "method"),
  }
  names = {key: value for key, value in changes.items() if key.endswith(".name")}
  for key, value in {**names, **changes}.items():
    section = key.removesuffix(".name")
    if section in tables and section != key:
      if value != config[section].name:
        kept = {k: v for k, v in config[section].items() if k != "name"}
        fresh = ml_collections.ConfigDict(named(*tables[section], value))
        fresh.update({k: v for k, v in kept.items() if k in fresh and v is not None})
        with config.unlocked():
          config[section] = fresh
        config.lock()
      continue
    try:
      config.update_from_flattened_dict({key: value})
    except KeyError:
      near = difflib.get_close_matches(key, keys.flat(config.to_dict()), 1)
      hint = f" (did you mean {near[0]!r}?)" if near else ""
      raise ValueError(f"{key}={value!r}: the config has no such key{hint}") from None
    except (TypeError, AttributeError) as error:
      raise ValueError(f"{key}={value!r}: {str(error).splitlines()[0]}") from None
  return config


def cases(changes: dict[str, dict]) -> tuple:
  """case -> what it changes (`vary`), in the form of `config.cases`."""
  return tuple((name, tuple(of.items())) for name, of in changes.items())


def lookup(table: dict, what: str, name: str):
  """table[name], or an error that lists the choices and suggests the near one."""
  if name in table:
    return table[name]
  base, plus, suffix = name.partition("+")
  if table is METHODS and plus + suffix == "+finetune":
    return finetuned(lookup(table, what, base))
  choices = ", ".join(sorted(table)) + (", or one of them +finetune" if table is METHODS else "")
  near = difflib.get_close_matches(name, table, 1)
  hint = f" (did you mean {near[0]!r}?)" if near else ""
  raise ValueError(f"unknown {what} {name!r}{hint}; choose one of {choices}")


def optimizer(section: ml_collections.ConfigDict) -> Optimizer:
  """rate -> the optimizer that a section of a config names; see `optimizers.named`."""
  return optimizers.named(section.name, section.options)


def parts_of(arg: str, defaults: tuple[str, ...]) -> list[str]:
  """The parts of a config file's argument, separated by commas; those left out are `defaults`.

  Raises:
    ValueError: there are more parts than defaults.
  """
  parts = arg.split(",") if arg else []
  if len(parts) > len(defaults):
    raise ValueError(
      f"config argument {arg!r} has more than {len(defaults)} parts; e.g. {defaults}"
    )
  return [given or default for given, default in itertools.zip_longest(parts, defaults)]
