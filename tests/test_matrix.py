"""Every method trains every model: the columns of the paper's Table X times the rows of Table V.

What `TURNS` lists runs by default, and all of it with

  pytest tests/test_matrix.py -m "slow or not slow"
"""

import dataclasses
import functools
import inspect
from types import SimpleNamespace

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mamdr_jax.configure import lookup
from mamdr_jax.descent import minibatch
from mamdr_jax.methods import METHODS
from mamdr_jax.models import MODELS
from mamdr_jax.objective import objective

# What a model or a method takes of these, it is given. All the time goes into compiling: hence few
# layers, plain SGD and no dropout, which have their turn in test_contract.py and test_models.py.
OF_MODELS = {
  "embedding_size": 4, "dropout": 0.0, "hidden": (6,), "auxiliary_hidden": (4,), "num_layers": 1,
  "num_heads": 2, "head_size": 3, "bottom": (6,), "tower": (5,), "num_experts": 2, "expert": (6,),
  "gate": (4,), "num_shared": 1, "num_specific": 2, "star": (6, 5), "num_subexperts": 2,
  "subexpert": (5,), "num_sources": 1, "attention": (4,), "num_clusters": 2, "reduction": 3,
}  # fmt: skip
OF_METHODS = {"inner": optax.sgd, "k": 1, "visit_steps": 1}

# The cheap to compile among the methods beside the dear ones among the models. A method with
# +finetune starts from what is trained already where its base is listed too.
TURNS = {
  "mlp": ("separate", "maml", "mldg", "domain_regularization"),
  "wdl": ("maml", "domain_regularization"),
  "neurfm": ("mldg", "pcgrad", "reptile"),
  "autoint": ("alternate", "alternate+finetune", "weighted_loss"),
  "deepfm": ("joint", "domain_negotiation", "famo"),
  "shared_bottom": ("mamdr", "mamdr+finetune", "pcgrad", "separate"),
  "mmoe": ("mamdr", "mamdr+finetune", "alternate", "alternate+finetune"),
  "cgc": ("mamdr", "joint", "cagrad"),
  "ple": ("mamdr", "reptile"),
  "star": ("mamdr", "weighted_loss", "domain_negotiation"),
  "lr": ("joint", "mgda", "imtl_g", "nash_mtl", "random_weighting", "gradnorm"),
  "fm": ("domain_negotiation", "aligned_mtl", "upgrad", "equal_weighting", "gradvac"),
  "dcn": ("alternate",),
  "sarnet": ("alternate",),
  "m2m": ("joint",),
  "adasparse": ("joint",),
  "adaptdhm": ("alternate",),
  "pepnet": ("joint",),
  "hinet": ("alternate",),
  "m3oe": ("joint",),
  "mlora": ("mamdr",),
}
# They differ in a small function alone, so that one turn does.
OF_WEIGHTS = (
  *("gradvac", "mgda", "cagrad", "imtl_g", "aligned_mtl", "upgrad", "nash_mtl", "gradnorm", "famo"),
  *("equal_weighting", "random_weighting"),
)
EVERY_METHOD = (*METHODS, "alternate+finetune", "mamdr+finetune")
MATRIX = [
  pytest.param(model, method, marks=() if method in TURNS.get(model, ()) else pytest.mark.slow)
  for model in MODELS
  for method in EVERY_METHOD
]


def test_every_model_has_a_turn_and_every_method_two_or_one():
  methods = [method for turns in TURNS.values() for method in turns]
  assert all(TURNS.get(model) for model in MODELS)
  assert all(methods.count(method) >= 2 - (method in OF_WEIGHTS) for method in EVERY_METHOD)
  with_towers = ("shared_bottom", "mmoe", "cgc", "ple", "star", "mlora")
  assert all("mamdr" in TURNS[model] for model in with_towers)


def accepted(given: dict, names) -> dict:
  return {name: value for name, value in given.items() if name in names}


@pytest.fixture(scope="module")
def trained(train):
  """A function (model, method) -> two epochs of that; what it computed once it keeps."""
  num_domains, rates = train.start.size, handmade.rates(0.1)

  @functools.lru_cache
  def untrained(model):
    fields = {field.name for field in dataclasses.fields(MODELS[model])}
    goal = objective(MODELS[model](handmade.VOCAB, **accepted(OF_MODELS, fields)))
    shapes = jax.eval_shape(goal.init, jax.random.key(0), minibatch(train, 0))
    rng = np.random.default_rng(0)  # compiles nothing
    draw = lambda x: jnp.asarray(rng.normal(scale=0.3, size=x.shape), x.dtype)
    return goal, jax.tree.map(draw, shapes)

  @functools.lru_cache
  def train_once(model, method):
    goal, params = untrained(model)
    constructor = lookup(METHODS, "method", method)
    options = accepted(OF_METHODS, inspect.signature(constructor).parameters)
    made = constructor(loss=goal.loss, **options)
    if made.base is None:
      begin = jax.jit(lambda: made.init(jax.random.key(0), params, train))()
    else:  # as `fit` has it: every domain starts from what the base serves it
      base = train_once(model, method.removesuffix("+finetune"))
      begin = jax.jit(lambda: made.init(jax.random.key(0), base.end, train))()
    epoch = jax.jit(made.epoch)
    middle, _ = epoch(jax.random.key(1), begin, train, rates)
    end, info = epoch(jax.random.key(2), middle, train, rates)
    serve = jax.jit(made.params)
    served = [serve(end, jnp.int32(d)) for d in range(num_domains)]
    return SimpleNamespace(params=params, begin=begin, end=end, info=info, served=served)

  return train_once


def assert_alike(left, right):
  """The same structure, shapes and dtypes."""
  assert jax.tree.structure(left) == jax.tree.structure(right)
  for x, y in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
    assert (x.shape, x.dtype) == (y.shape, y.dtype)


def differ(left, right) -> bool:
  pairs = zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True)
  return any(not np.array_equal(x, y) for x, y in pairs)


@pytest.mark.parametrize(("model", "method"), MATRIX)
def test_method_trains_model(model, method, trained):
  made = trained(model, method)
  assert_alike(made.begin, made.end)
  assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((made.end, made.info)))
  assert made.info["loss"] > 0 and made.info["passes"] >= len(made.served)
  for d, served in enumerate(made.served):
    assert_alike(made.params, served)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(served))
    # What all domains share has moved, and what this one has to itself.
    assert differ(made.params["net"], served["net"])
    own = [jax.tree.map(lambda x, d=d: np.asarray(x)[d], params["tables"]["domain"])
           for params in (made.params, served)]  # fmt: skip
    assert differ(*own)
