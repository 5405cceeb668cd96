"""Products of matrices: in full precision what measures, in the backend's default training."""

import handmade
import jax
import jax.numpy as jnp
import optax
import pytest

from mamdr_jax import tree
from mamdr_jax.core import Hparams
from mamdr_jax.descent import minibatch
from mamdr_jax.evaluate import measure
from mamdr_jax.methods import METHODS
from mamdr_jax.models import MODELS
from mamdr_jax.objective import objective
from mamdr_jax.theory import conflict, innergrad
from mamdr_jax.theory.probe import conflict_probe, held
from mamdr_jax.train import Setup
from mamdr_jax.train import run as life
from mamdr_jax.workdir import identity

KEY, ALPHA, ORDER, PAIR = jax.random.key(0), 0.1, jnp.arange(4), (jnp.int32(0), jnp.int32(1))


def products(f, *args) -> list[str]:
  """The products of matrices in the program of `f`, as StableHLO has them."""
  text = jax.jit(f).lower(*args).as_text()
  return [line for line in text.splitlines() if "dot_general" in line]


def are_exact(lines: list[str]) -> bool:
  return bool(lines) and all("[HIGHEST, HIGHEST]" in line for line in lines)


@pytest.fixture(params=[None, "bfloat16"])
def of_the_caller(request):
  with jax.default_matmul_precision(request.param):
    yield


@pytest.mark.parametrize("name", ["mlp", "autoint", "star"])
def test_evaluation_is_in_full_precision_whatever_the_caller_has(name, train, valid, of_the_caller):
  goal = objective(MODELS[name](handmade.VOCAB, embedding_size=4))
  params = jax.eval_shape(goal.init, KEY, minibatch(train, 0))
  method = METHODS["mamdr"](loss=goal.loss, inner=optax.sgd)
  state = jax.eval_shape(lambda params: method.init(KEY, params, train), params)
  assert are_exact(products(lambda state: measure(goal, method, state, train, valid), state))


THEORY = {
  "domain_gradients": conflict.domain_gradients,
  "leaf_grams": lambda _, params, key, batches: conflict.leaf_grams(tree.tile(params, 4)),
  "gram": lambda _, params, key, batches: conflict.gram(tree.tile(params, 4)),
  "hessian_product": lambda loss, params, key, batches: innergrad.hessian_product(
    lambda params: loss(params, key, tree.take(batches, 0)), params, params
  ),
  "inner_grad": innergrad.inner_grad,
  "inner_grad of pairs": lambda *args: innergrad.inner_grad(*args, (ORDER, ORDER[::-1])),
  "half_gradient_of_products": innergrad.half_gradient_of_products,
  "dn_expansion": lambda *args: innergrad.dn_expansion(*args, ORDER, ALPHA),
  "dn_expectation": lambda *args: innergrad.dn_expectation(*args, ALPHA),
  "dn_gradient": lambda *args: innergrad.dn_gradient(*args, ORDER, ALPHA),
  "dr_expansion": lambda loss, params, *args: innergrad.dr_expansion(
    loss, params, params, *args, PAIR, ALPHA
  ),
  "dr_gradient": lambda loss, params, *args: innergrad.dr_gradient(
    loss, params, params, *args, PAIR, ALPHA
  ),
  "conflict_probe": lambda loss, params, key, batches: conflict_probe(loss, batches)(key, params),
}


@pytest.mark.parametrize("name", THEORY)
def test_the_theory_is_in_full_precision_whatever_the_caller_has(
  name, mlp, mlp_params, train, of_the_caller
):
  theory = lambda params, key: THEORY[name](mlp.loss, params, key, held(train))
  assert are_exact(products(theory, mlp_params, KEY))


def test_training_has_the_precision_of_the_caller_and_its_validation_full(
  mlp, mlp_params, train, valid
):
  method = METHODS["alternate"](loss=mlp.loss, inner=optax.sgd)
  state, rates = method.init(KEY, mlp_params, train), handmade.rates()
  epoch = lambda key, state: method.epoch(key, state, train, rates)
  assert not any("HIGH" in line for line in products(epoch, KEY, state))
  setup = Setup(mlp, method, patience=1)
  run = jax.eval_shape(lambda: life.begin(setup, KEY, train))
  rates = Hparams(*map(jnp.asarray, rates))
  advance = lambda run, key: life.advance(setup, run, key, rates, train, valid)
  exact = ["HIGHEST" in line for line in products(advance, run, KEY)]
  assert any(exact) and not all(exact)
  with jax.default_matmul_precision("highest"):
    assert are_exact(products(epoch, KEY, state))


def test_the_precision_of_training_is_kept_and_another_is_said(tmp_path, capsys):
  assert identity.machine.environment()["matmul_precision"] == "default"
  begun = {"code": "", "environment": identity.machine.environment()}
  with jax.default_matmul_precision("highest"):
    wanted = {"code": "", "environment": identity.machine.environment()}
    identity.say_differences(tmp_path, begun, wanted)
  said = "was begun with matmul_precision default, here it is highest: digits may differ"
  assert said in capsys.readouterr().err
