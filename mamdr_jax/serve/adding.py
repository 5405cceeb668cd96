"""A new domain on a stored model: what serves it is trained, and nothing else moves.

Of every table the rows of the ids at hand are taken, and trained as a small data set, so that it
costs what the new domain's rows and its helpers' read, whatever the model is.
"""

import difflib
import functools
import inspect
import itertools
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from mamdr_jax import keys, tree
from mamdr_jax.assembly import framework, optimizers
from mamdr_jax.core import DomainBatches, Hparams, Method, Params
from mamdr_jax.data import SPLITS, Dataset, pack, streams, table
from mamdr_jax.data.blocks import count_rows
from mamdr_jax.data.dataset import batch_rows, num_rows_of, unmeasured
from mamdr_jax.data.files import brief
from mamdr_jax.data.minibatches import AUTO
from mamdr_jax.evaluate import Serving, moments_of, tallied
from mamdr_jax.methods import METHODS
from mamdr_jax.methods.new_domain import Fixed, alone, fixed, new_domain
from mamdr_jax.objective import Objective
from mamdr_jax.serve.raw import columns_of, scale_of
from mamdr_jax.serve.small import gathered, identified, training_rows
from mamdr_jax.stored import Stored, mean_rows, shared_state
from mamdr_jax.train import Setup, fit
from mamdr_jax.train.run import Run
from mamdr_jax.view import view


class Plan(NamedTuple):
  """How a domain is trained."""

  k: int  # helpers an epoch
  visit_steps: int | None  # minibatches of a visit; None: as many as the new domain has
  alpha: tuple[float, ...]  # all pairs of the two are tried, and validation AUC chooses
  gamma: tuple[float, ...]
  epochs: int
  patience: int
  seed: int


class Addition(NamedTuple):
  """A domain that was added."""

  domain: str
  params: Params  # of tables the rows that its training rows have, leaves [m, ...]; others whole
  known: dict[str, np.ndarray]  # field -> those of the m rows that the model has, their numbers
  fresh: dict[str, np.ndarray]  # field -> the raw ids of those after them, which it lacks
  moments: dict[str, np.ndarray]  # of its training rows, for a model that needs them
  rows: dict[str, np.ndarray]  # user, item and label of these: see `small.training_rows`
  told: dict  # how it was trained, and what that is worth


def plan_of(stored: Stored, **given) -> Plan:
  """That of the run which was stored, but for what is given."""
  config, point = stored.about["config"], stored.about["point"]
  usual = {
    "k": config["method"].get("k", 3),
    "visit_steps": None,
    "alpha": (point["alpha"],),
    "gamma": (point["gamma"],),
    "epochs": config["epochs"],
    "patience": config["patience"],
    "seed": point["seed"],
  }
  return Plan(**usual | {name: value for name, value in given.items() if value is not None})


def rows_of_file(stored: Stored, path: Path, seed: int = 0) -> Dataset:
  """Rows read as those that a model was trained on, numbered on their own.

  Without a column of labels negatives are drawn as `data/recipe.py` does.
  """
  data, columns = stored.about["config"]["data"], columns_of(stored)
  if scale_of(stored) == "quantile":
    raise ValueError("numbers of its rows are in bins of the model's rows; it takes no new domain")
  options = {name: data[name] for name in inspect.signature(table.load).parameters if name in data}
  if data["name"] != "table":
    more = {field: name for field, name in columns.ids.items() if field not in ("user", "item")}
    there = {name: name for name in ("label", "split") if name in streams.schema(path).names}
    options = there | {"categorical": tuple(more.values()), "dense": columns.dense}
  lacking = {"path": path, "user_features": None, "item_features": None, "cache": None}
  return table.load(**options | lacking | {"split_seed": seed})


def add(stored: Stored, rows: Dataset, helpers: Dataset | None = None, **given) -> Addition:
  """Trains what serves a domain that a model lacks, from what all its domains share.

  With rows of other domains it is Domain Regularization (Luo et al. 2023, Alg. 2, §III-A): the new
  domain has a delta, 0 at first, and k helpers, drawn anew every epoch. Without, it is descent on
  its own rows. Either stops by the domain's own validation AUC; where that does not rise above what
  the shared parameters have, they serve the domain.

  Args:
    stored: the model.
    rows: those of the new domain.
    helpers: rows of domains that the model has.
    given: fields of `Plan`.

  Raises:
    ValueError: the model shares nothing, or the rows will not do.
  """
  check(stored, rows, helpers)
  plan, small = plan_of(stored, **given), gathered(stored, rows, helpers)
  config, dataset = ml_collections.ConfigDict(stored.about["config"]), small.dataset
  shared = shared_params(stored, small.numbers)
  goal = objective_of(config, dataset, shared)
  size = min(stored.about["batch_size"], batch_rows(rows, AUTO))
  splits = {name: pack(dataset, name, size) for name in SPLITS if measured(dataset, name)}
  train = alone(splits["train"])
  method = method_of(config, plan, goal, train)
  run = best_of(Setup(goal, method, plan.patience), plan, train, splits["valid"])
  worth = jax.jit(functools.partial(tallied, goal), static_argnums=0)
  ways = {"shared": (fixed(), Fixed(shared)), "own": (method, run.best)}
  auc = {
    name: {way: float(worth(*ways[way], train, splits[name]).auc[0]) for way in ways}
    for name in splits
    if name != "train"
  }
  serves = "own" if auc["valid"]["own"] > auc["valid"]["shared"] else "shared"
  method, state = ways[serves]
  moments = {}
  if goal.moments is not None:
    moments = moments_of(Serving(goal, method, state, None), train, 0)
  told = {
    "auc": auc,
    "serves": serves,
    "epochs": int(run.epochs),
    "plan": plan._asdict(),
    "rows": {name: int(num_rows_of(dataset, name)[0]) for name in SPLITS},
    "counts": count_rows(dataset)[0, SPLITS.index("train")].tolist(),  # of label 0 and 1
    "helpers": dataset.domains[1:],
  }
  params = method.params(state, 0)
  trained = {field: train.own[field].ids for field in params["tables"]}
  params, moments = jax.tree.map(np.asarray, (view(params, trained), moments))
  most = config.get("model_lists", keys.TRAINING["model_lists"].default)
  known, fresh = identified(stored, small, trained)
  listed = training_rows(stored, small, trained, most)
  return Addition(rows.domains[0], params, known, fresh, moments, listed, told)


def check(stored: Stored, rows: Dataset, helpers: Dataset | None) -> None:
  """Raises a ValueError for what cannot be added."""
  if stored.method.choose is not None:
    raise ValueError(
      f"{stored.path} has a model for each domain and none that they share, from which another "
      "domain could begin; train it with a method that shares parameters"
    )
  if len(rows.domains) != 1:
    names = ", ".join(brief(name) for name in rows.domains[:5])
    raise ValueError(f"expected rows of one new domain, found {len(rows.domains)}: {names}")
  if rows.domains[0] in stored.domains:
    raise ValueError(f"the model has a domain {brief(rows.domains[0])!r} already")
  for name in ("train", "valid"):
    if not measured(rows, name):
      raise ValueError(f"the {name} rows of {brief(rows.domains[0])!r} lack a label, 0 or 1")
  for name in helpers.domains if helpers else ():
    if name not in stored.domains:
      near = difflib.get_close_matches(name, stored.domains, n=1)
      hint = f"; did you mean {brief(near[0])!r}?" if near else ""
      raise ValueError(f"the model has no domain {brief(name)!r} that could help{hint}")


def measured(dataset: Dataset, split: str) -> bool:
  """Whether the first domain has rows of both labels in a split."""
  return not unmeasured(dataset, split)[0]


def shared_params(stored: Stored, numbers: dict[str, np.ndarray]) -> Params:
  """What all domains share, of tables those rows; the mean for those that the model lacks."""
  nobody, state = jnp.int32(len(stored.domains)), shared_state(stored)
  means = mean_rows(stored, state)
  rows = {field: jnp.asarray(np.minimum(numbers[field], mean)) for field, mean in means.items()}
  return jax.jit(stored.method.params)(state, nobody, rows)


def objective_of(config: ml_collections.ConfigDict, dataset: Dataset, params: Params) -> Objective:
  """The model on tables of the ids at hand, begun from parameters."""
  sizes = {field: len(x) for field, x in dataset.vocab.items() if field not in dataset.frozen}
  sizes |= {"domain": len(dataset.domains)}
  goal, _ = framework(config, optimizers(config), sizes)
  return goal._replace(init=lambda key, batch: params)


def method_of(
  config: ml_collections.ConfigDict, plan: Plan, goal: Objective, train: DomainBatches
) -> Method:
  """What trains the new domain, with helpers if the split has any."""
  found, num_helpers = optimizers(config), train.start.size - 1
  common = {"loss": goal.loss, "inner": found["specific_inner"]}
  if not num_helpers:
    return METHODS["separate"](**common)
  return new_domain(
    **common,
    outer=found["outer"],
    k=min(plan.k, num_helpers),
    visit_steps=plan.visit_steps or int(train.count[0]),
    specific=tuple(config.method.get("specific", ("tables", "net"))),
  )


def best_of(setup: Setup, plan: Plan, train: DomainBatches, valid: DomainBatches) -> Run:
  """The run with the rate that validation chooses."""
  gammas = plan.gamma if train.start.size > 1 else plan.gamma[:1]  # alone it has no outer step
  alpha, gamma = (jnp.array(x) for x in zip(*itertools.product(plan.alpha, gammas), strict=True))
  each = jnp.stack([jax.random.key(plan.seed)] * alpha.size)
  groups = fit(setup, each, Hparams(alpha, gamma, gamma), train, valid, epochs=plan.epochs)
  runs = [tree.take(group.runs, 0) for group in groups]
  return max(runs, key=lambda run: float(np.max(run.best_auc)))
