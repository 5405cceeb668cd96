"""Which of optax's functions are optimizers of tables that are seen row by row."""

import inspect

import optax
import pytest

from mamdr_jax import optimizers

REFUSED = {
  "no optimizer": (
    *("trace", "scale_by_adam", "clip", "ema", "identity", "add_decayed_weights", "adamm", "Adam"),
    *("scale_by_learning_rate", "clip_by_global_norm", "__doc__", "a.b"),
  ),
  "not elementwise": ("noisy_sgd", "lamb", "lars", "adafactor", "sm3", "novograd", "fromage"),
  "other arguments": ("lbfgs", "polyak_sgd"),
}
SAID = {
  "no optimizer": "unknown optimizer '.*'; choose one of optax's, e.g. adam, adamw, sgd",
  "not elementwise": "is not elementwise: .* choose e.g. adam",
  "other arguments": "cannot be used|unknown optimizer",
}
WARNS = pytest.mark.filterwarnings("ignore:Specifying a key")


@pytest.mark.parametrize("name", [*optimizers.USUAL.split(", "), "adabelief", "radam", "adadelta"])
def test_an_elementwise_optimizer_is_taken(name):
  tx = optimizers.named(name)(0.1)
  assert isinstance(tx, optax.GradientTransformation)


@WARNS
@pytest.mark.parametrize(("why", "name"), [(why, n) for why, of in REFUSED.items() for n in of])
def test_anything_else_is_refused_in_one_sentence(why, name):
  with pytest.raises(ValueError, match=SAID[why]) as caught:
    optimizers.named(name)
  assert len(str(caught.value).splitlines()) == 1 and len(str(caught.value)) < 300


@WARNS
def test_whatever_of_optax_is_taken_has_a_rate_first():
  for name, function in inspect.getmembers(optax, inspect.isfunction):
    try:
      optimizers.named(name)
    except ValueError:
      continue
    assert next(iter(inspect.signature(function).parameters)) == "learning_rate"
    assert "scale_by" not in name


@pytest.mark.parametrize(
  ("options", "said"),
  [
    ((("momentun", 1),), "optax.sgd takes no option 'momentun'"),
    ((("learning_rate", 1),), "takes no option 'learning_rate'"),
    (5, "expected pairs"),
    ((("momentum", "x"),), "cannot be used"),
    ((("momentum", [1]),), "are no plain values"),
  ],
)
def test_bad_options_are_named(options, said):
  with pytest.raises(ValueError, match=said):
    optimizers.named("sgd", options)
