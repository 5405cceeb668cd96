"""Workers: one is the method itself, more are the loops that they stand for."""

import functools

import handmade
import jax
import numpy as np
import optax
import pytest
import workers_toy as toy

from mamdr_jax.data import on_host, pack
from mamdr_jax.methods import METHODS
from mamdr_jax.methods.finetune import finetune
from mamdr_jax.rounds import scan
from mamdr_jax.train import Rest, Setup, at_rest
from mamdr_jax.workers import Crew, hand, life
from mamdr_jax.workers.epoch import epoch, tallied
from mamdr_jax.workers.exchange import fetch, give_back, most_of_one, route, spread, whole
from mamdr_jax.workers.kept import keeping
from mamdr_jax.workers.shared import orders
from mamdr_jax.workers.team import Held

ALONE = {
  "alternate": {},
  "weighted_loss": {},
  "pcgrad": {"domains_per_step": 2},
  "maml": {},
  "domain_negotiation": {"round_steps": 2, "outer": optax.adagrad},
  "reptile": {"round_steps": 2, "carry": False},
  "mamdr": {"k": 1, "visit_steps": 1, "round_steps": 1},
  "separate": {},
}


ALIKE = {"weighted_loss", "maml", "pcgrad", "reptile"}  # as `alternate` and DN are


@pytest.mark.parametrize(
  "name", [pytest.param(n, marks=pytest.mark.slow if n in ALIKE else ()) for n in ALONE]
)
def test_one_worker_is_the_method(name):
  goal = toy.goal_of()
  setup = toy.setup_of(goal, name, **ALONE[name])
  run, info = toy.one_run(setup)
  found, told = toy.team_run(setup, 1)
  light, kept = at_rest.apart(setup.method.served(run.state), setup.method)
  mine = whole(setup.method.served(found.state.light), light)
  same = handmade.assert_trees_equal
  if setup.method.stages[0].share and setup.method.stages[0].share.along:  # rounds otherwise
    same = functools.partial(handmade.assert_trees_close, atol=1e-7)
  same(mine, light)
  for where, level in kept.items():
    here, there = found.state.kept[0][where], setup.method.kept.fields
    for name in set(there) & {*level} - {"inner", "outer"}:
      handmade.assert_trees_equal(here[name], level[name])
  np.testing.assert_array_equal(told["valid"]["auc"], info["valid"]["auc"])
  np.testing.assert_allclose(told["loss"], info["loss"], rtol=1e-6)
  assert told["passes"] == info["passes"]
  assert (found.best_epoch == run.best_epoch).all() and found.epochs == run.epochs


def test_a_whole_pass_of_one_worker_is_domain_negotiation():
  setup = toy.setup_of(toy.goal_of(dropout=0.0), "domain_negotiation")
  run, _ = toy.one_run(setup)
  found, _ = toy.team_run(setup, 1)
  handmade.assert_trees_close(whole(found.state.light, run.state), run.state, atol=1e-6)


@pytest.mark.parametrize("options", [{"visit_steps": 1}, {}], ids=["bounded", "whole"])
def test_deltas_do_not_depend_on_how_many_workers_there_are(options):
  goal = toy.goal_of()
  setup = toy.setup_of(goal, "domain_regularization", k=2, **options)
  method, stage = setup.method, setup.method.stages[-1]
  train, hosted = pack(toy.split(0), "train", 8), on_host(toy.split(0), "train", 8)
  team = life.team_of(setup, Crew(3), hosted)
  held = life.begin(team, jax.random.key(0), hosted).state
  params = jax.jit(goal.init)(jax.random.fold_in(jax.random.key(0), 0), first(train))
  state = method.init(jax.random.fold_in(jax.random.key(0), 2**32 - 1), params, train)
  expected, info = jax.jit(
    lambda state: scan(stage, stage.plan(toy.KEY, train), state, train, toy.RATES)
  )(state)
  found, told = keeping(team, stage)(toy.KEY, held, hosted, toy.RATES, None)
  own = jax.tree.map(np.asarray, expected.own)
  for domains, kept in zip(team.domains, found.kept, strict=True):
    for d, domain in enumerate(domains):
      mine = of_domain(kept[()]["specific"], kept[()]["own"], d)
      handmade.assert_trees_close(mine, of_domain(expected.specific, own, domain), atol=1e-6)
  np.testing.assert_allclose(told["specific_loss"], info["specific_loss"], rtol=1e-5)


def first(train):
  return jax.tree.map(lambda x: x[0], train.batch)


def of_domain(kept, own, domain):
  """All that is kept of one domain."""

  def pick(path, leaf):
    field = at_rest.field_of(path)
    if field is None:
      return np.asarray(leaf[domain])
    return np.asarray(leaf[own[field].first[domain] : own[field].first[domain + 1]])

  return jax.tree_util.tree_map_with_path(pick, kept)


@pytest.mark.parametrize(
  ("num", "outer"),
  [
    (2, "sgd"),
    (4, "adagrad"),
    *(pytest.param(*x, marks=pytest.mark.slow) for x in ((2, "adagrad"), (4, "sgd"))),
  ],
)
def test_domain_negotiation_of_workers_is_its_loops(num, outer):
  """Each descends from the same θ; a row moves by the mean over those that read it."""
  data = handmade.dataset()
  train, hosted = pack(data, "train", 8), on_host(data, "train", 8)
  params = jax.jit(handmade.init)(jax.random.key(7))
  method = METHODS["domain_negotiation"](
    loss=handmade.loss, inner=optax.sgd, outer=getattr(optax, outer), round_steps=2
  )
  team = life.team_of(
    Setup(handmade.objective(), method, 2, reshuffled=False, stream=4), Crew(num), hosted
  )
  state = method.init(jax.random.key(0), params, train)
  held = Held(life.placed(team.crew, state), [{} for _ in team.here])
  rates = handmade.rates(0.5, 0.3)
  found, _ = epoch(team)(toy.KEY, held, hosted, rates, None)
  theta, total = handmade.flat(params), {}
  plans = []
  for worker, domains in enumerate(team.domains):
    mine, numbers = hand.skeleton(hosted, domains)
    plan = method.stages[0].plan(jax.random.fold_in(toy.KEY, worker), mine)
    order, _ = orders(jax.tree.map(np.asarray, plan.visits), False)
    plans.append(numbers[order])
  for r in range(max(map(len, plans))):
    total_of = {name: np.zeros_like(value) for name, value in theta.items()}
    count = {name: np.zeros(value.shape) for name, value in theta.items()}
    for order in plans:
      if r < len(order):
        end = dict(theta)
        for index in order[r]:
          grads = handmade.gradient(end, train, index)
          end = {name: end[name] - 0.5 * grads[name] for name in end}
        for name, touched in reads(theta, train, order[r]).items():
          total_of[name] += touched * (theta[name] - end[name])
          count[name] += touched
    for name in theta:
      mean = total_of[name] / np.maximum(count[name], 1)
      if outer == "sgd":
        theta[name] = theta[name] - 0.3 * mean
      else:
        total.setdefault(name, np.full_like(theta[name], 0.1))
        total[name] = total[name] + mean**2
        theta[name] = theta[name] - 0.3 * mean / np.sqrt(total[name] + 1e-7)
  moved = handmade.flat(whole(found.light, state).params)
  for name in theta:
    np.testing.assert_allclose(moved[name], theta[name], atol=2e-6, err_msg=name)
  assert np.abs(moved["user"] - handmade.flat(params)["user"]).max() > 0.01


def reads(theta, data, order):
  """Which entries of θ some minibatches read, shaped like θ."""
  batch = jax.tree.map(lambda x: np.asarray(x)[order], data.batch)
  found = {name: np.ones(value.shape, bool) for name, value in theta.items()}
  for name, ids in {**batch.ids, "domain": batch.domain}.items():
    rows = np.isin(np.arange(len(theta[name])), ids)
    found[name] = np.broadcast_to(
      rows.reshape(-1, *[1] * (theta[name].ndim - 1)), theta[name].shape
    )
  return found


def test_what_was_base_is_tuned_by_its_workers():
  goal = toy.goal_of()
  base = METHODS["domain_negotiation"](loss=goal.loss, inner=optax.adam, round_steps=1)
  method = finetune(base, loss=goal.loss, inner=optax.adam)
  setup = Setup(goal, method, 2, reshuffled=False, stream=4, rest=Rest(None))
  train, valid = (on_host(toy.split(i, name), name, 8) for i, name in enumerate(("train", "valid")))
  worth = []
  for num in (1, 3):
    first_team, team = (
      life.team_of(setup._replace(method=m), Crew(num), train) for m in (base, method)
    )
    run = life.begin(first_team, jax.random.key(0), train)
    measured = tallied(team)
    run = life.tuned(team, run, jax.random.key(0), train, valid, measured)
    before = run.best_auc
    advance = life.advance(team, measured)
    run, info = advance(run, jax.random.key(0), toy.RATES, train, valid)
    assert run.best_auc.shape == (5,) and (run.best_auc >= before).all()
    worth.append(info["valid"]["auc"])
  np.testing.assert_allclose(*worth, atol=1e-5)


def test_rows_go_to_their_readers_and_back():
  rng, crew = np.random.default_rng(0), Crew(3)
  table = rng.normal(size=(10, 2)).astype(np.float32)
  rows = [np.array([0, 3, 6, 9]), np.array([1, 2, 3]), np.array([5])]
  most = max(most_of_one(of, 3) for of in rows)
  routes = {"user": hand.side_by_side([route(of, 3, 4, most) for of in rows])}
  state = {"tables": {"user": table}, "w": np.float32(2)}
  held = spread(state, 3)
  handmade.assert_trees_equal(whole(held, state), state)
  part = fetch(crew, held, routes)
  for of, seen in zip(rows, part["tables"]["user"], strict=True):
    np.testing.assert_array_equal(seen[: len(of)], table[of])
    assert not seen[len(of) :].any()
  given = {"tables": {"user": part["tables"]["user"] * np.array([1, 2, 3]).reshape(3, 1, 1)},
           "w": np.array([1.0, 5.0, 9.0], np.float32)}  # fmt: skip
  owned, mean = give_back(crew, given, routes, np.array([True, True, False]))
  assert mean["w"] == 3
  read = {0: 1, 1: 2, 2: 2, 3: 1.5, 5: 3, 6: 1, 9: 1}
  for owner, (own, values) in enumerate(zip(owned["user"], mean["tables"]["user"], strict=True)):
    there = {int(3 * i + owner): v for i, v in zip(own, values, strict=True) if i < 4}
    assert set(there) == {row for row in read if row % 3 == owner}
    for row, value in there.items():
      np.testing.assert_allclose(value, read[row] * table[row], rtol=1e-6)


def test_sizes_are_few_and_enough():
  every = [hand.roomy(n) for n in range(1, 5000)]
  assert all(n <= size <= max(2, 1.15 * n + 1) for n, size in enumerate(every, 1))
  assert len(set(every)) < 100
  sizes = hand.Sizes(Crew(1))
  assert sizes([{"a": 3}, {"a": 20}]) == {"a": 20} == sizes([{"a": 4}])


def test_domains_are_dealt_out_evenly():
  count = np.array([9, 1, 1, 5, 7, 3])
  dealt = hand.dealt_out(count, 2)
  assert sorted(np.concatenate(dealt)) == list(range(6))
  assert [len(d) for d in dealt] == [3, 3]
  assert abs(count[dealt[0]].sum() - count[dealt[1]].sum()) <= 2
  with pytest.raises(ValueError, match="workers=7 need as many domains, and there are 6"):
    hand.dealt_out(count, 7)
