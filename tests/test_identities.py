"""What one algorithm has to say about another, and what must not matter."""

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from compiled_once import INIT, KEY, compiled, trained, walk

from mamdr_jax.methods import METHODS
from mamdr_jax.methods.finetune import finetune
from mamdr_jax.metrics import domain_auc
from mamdr_jax.schedule import full_pass, visits


def test_domain_negotiation_with_beta_1_is_alternate(params, train):
  dn = trained("domain_negotiation", params, train, hparams=handmade.rates(beta=1.0))
  alternate = trained("alternate", params, train)
  # θ + (θ̃ − θ) rounds where θ̃ does not.
  handmade.assert_trees_close(dn.params, alternate.params, rtol=1e-6, atol=1e-6)


def test_domain_negotiation_with_beta_0_moves_nothing(params, train):
  state = trained("domain_negotiation", params, train, hparams=handmade.rates(beta=0.0))
  handmade.assert_trees_equal(state.params, params)


def test_gamma_0_leaves_the_deltas(params, train):
  noisy = {"k": 2, "specific_scale": 0.1}
  state = trained("mamdr", params, train, hparams=handmade.rates(gamma=0.0), **noisy)
  begin = compiled("mamdr", **noisy).init(INIT, params, train)
  handmade.assert_trees_equal(state.specific, begin.specific)
  assert all(np.abs(x).max() > 0 for x in jax.tree.leaves(begin.specific))


@pytest.mark.parametrize(
  ("name", "inside", "options"),
  [
    ("domain_regularization", "alternate", {}),
    ("mamdr", "domain_negotiation", {}),
    ("mamdr", "domain_negotiation", {"round_steps": 2}),
  ],
)
def test_regularization_does_not_move_the_shared_parameters(params, train, name, inside, options):
  shared_key, _ = jax.random.split(KEY)
  state = trained(name, params, train, k=2, **options)
  alone = trained(inside, params, train, key=shared_key, **options)
  handmade.assert_trees_equal(state.shared, alone)
  assert all(np.abs(x).max() > 0.01 for x in jax.tree.leaves(state.specific))


def pulled_descent(start, data, order, hparams):
  """θ + β (θ̃ − θ), θ̃ being θ after a step of gradient descent on each minibatch of `order`."""
  theta = dict(start)
  for index in order:
    grads = handmade.gradient(theta, data, index)
    theta = {name: theta[name] - float(hparams.alpha) * grads[name] for name in theta}
  return {n: start[n] + float(hparams.beta) * (theta[n] - start[n]) for n in start}


@pytest.mark.parametrize(
  "sizes", [(29,), (8, 3, 6, 7)], ids=["one domain: Reptile", "one minibatch a domain: Fish"]
)
def test_domain_negotiation_is_reptile_and_fish(params, sizes):
  data = handmade.batches(sizes)
  state = trained("domain_negotiation", params, data)
  order_key, _ = jax.random.split(KEY)
  order = np.asarray(jax.jit(full_pass)(order_key, data))
  expected = pulled_descent(handmade.flat(params), data, order, handmade.rates())
  handmade.assert_trees_close(handmade.flat(state.params), expected, rtol=1e-5, atol=1e-6)


def test_domain_negotiation_with_a_round_a_minibatch_is_fish(params, train):
  state = trained("domain_negotiation", params, train, round_steps=1)
  order_key, _ = jax.random.split(KEY)
  expected = handmade.flat(params)
  for order in np.asarray(jax.jit(visits, static_argnums=2)(order_key, train, 1))[..., 0]:
    assert sorted(train.batch.domain[order]) == [0, 1, 2, 3]
    expected = pulled_descent(expected, train, order, handmade.rates())
  handmade.assert_trees_close(handmade.flat(state.params), expected, rtol=1e-5, atol=1e-6)


def one_domain(params):
  """A domain with the same minibatch four times, so that no order of them matters."""
  data = handmade.batches((32,))
  same = jax.tree.map(lambda x: jnp.repeat(x[:1], 4, 0), data.batch)
  tables = params["tables"] | {"domain": {"bias": jnp.zeros(1)}}
  return params | {"tables": tables}, data._replace(batch=same)


@pytest.mark.parametrize(
  ("name", "other", "options"),
  [
    ("reptile", "domain_negotiation", {}),
    ("reptile", "domain_negotiation", {"round_steps": 2}),
    ("pcgrad", "alternate", {}),
    ("joint", "alternate", {}),
    ("separate", "alternate", {}),
  ],
)
def test_with_one_domain(params, name, other, options):
  start, data = one_domain(params)
  served = [
    compiled(method, **options).params(trained(method, start, data, **options), 0)
    for method in (name, other)
  ]
  handmade.assert_trees_close(*served, rtol=1e-6, atol=1e-6)


def test_weighted_loss_whose_weights_stay_put_is_alternate(params, train):
  moving = lambda params: jax.tree_util.tree_map_with_path(
    lambda path, _: "stays" if path[-1].key == "log_variance" else "moves", params
  )
  inner = lambda rate: optax.partition(
    {"moves": optax.sgd(rate), "stays": optax.set_to_zero()}, moving
  )
  method = METHODS["weighted_loss"](loss=handmade.loss, inner=inner)
  state = method.init(INIT, params, train)
  state, _ = jax.jit(method.epoch)(KEY, state, train, handmade.rates())
  np.testing.assert_array_equal(state.params["tables"]["domain"]["log_variance"], 0)
  alternate = trained("alternate", params, train).params
  handmade.assert_trees_close(method.params(state, 0), alternate, rtol=1e-6, atol=1e-6)


def test_fine_tuning_is_separate_begun_elsewhere(params, train):
  base = compiled("alternate")
  tuned = finetune(base, loss=handmade.loss, inner=optax.sgd, finetune_rate=0.5)
  begin = tuned.init(INIT, base.init(INIT, params, train), train)
  state, _ = jax.jit(tuned.epoch)(KEY, begin, train, handmade.rates(0.6))
  separate = trained("separate", params, train, hparams=handmade.rates(0.3))
  handmade.assert_trees_equal((state.params, state.inner), (separate.params, separate.inner))
  assert tuned.base is base and tuned.choose


def test_one_domain_can_only_help_itself(params):
  data = handmade.batches((13,))
  state = trained("mamdr", params, data, k=0, help_self=True)
  assert all(np.any(x != 0) for x in jax.tree.leaves(state.specific))
  with pytest.raises(ValueError, match="k=1 helpers need more than 1 domains, and there are 1"):
    trained("mamdr", params, data, k=1)


def renamed(data, params, new):
  """The same minibatches and parameters where domain d is called new[d]."""
  old = np.argsort(new)
  batch = data.batch._replace(domain=new[data.batch.domain])
  bias = params["tables"]["domain"]["bias"][old]
  tables = params["tables"] | {"domain": {"bias": bias}}
  data = data._replace(batch=batch, start=data.start[old], count=data.count[old])
  return data, params | {"tables": tables}


def test_renaming_domains_renames_the_result(params, train):
  new = np.array([2, 0, 3, 1])
  order = [3, 0, 1, 6, 2, 5, 4]
  params_after, _ = walk(params, train, order, optax.sgd)
  _, expected = renamed(train, params_after, new)
  data, start = renamed(train, params, new)
  result, _ = walk(start, data, order, optax.sgd)
  handmade.assert_trees_equal(result, expected)

  scores = np.random.default_rng(0).normal(size=train.batch.label.shape).astype(np.float32)
  auc = jax.jit(domain_auc)
  np.testing.assert_allclose(auc(scores, data)[new], auc(scores, train), rtol=1e-6)
