"""Workers on four devices. `test_devices.py` has these run where a CPU counts as four."""

import re

import handmade
import jax
import numpy as np
import optax
import workers_toy as toy

from mamdr_jax.data import on_host
from mamdr_jax.train import at_rest
from mamdr_jax.workers import Crew, life
from mamdr_jax.workers.epoch import tallied
from mamdr_jax.workers.shared import shared_rounds


def state_after(setup, num, devices, epochs=2):
  """What is shared and what is kept, after some epochs of `num` workers on so many devices."""
  train, valid = on_host(toy.split(0), "train", 8), on_host(toy.split(1, "valid"), "valid", 8)
  team = life.team_of(setup, Crew(num, jax.devices()[:devices]), train)
  assert team.crew.num_devices == devices
  run, advance = life.begin(team, jax.random.key(0), train), life.advance(team, tallied(team))
  for _ in range(epochs):
    run, info = advance(run, jax.random.key(0), toy.RATES, train, valid)
  light = jax.tree.map(np.asarray, run.state.light)
  kept = [at_rest.fields_of(level) for kept in run.state.kept for level in kept.values()]
  return (light, kept), info


GOAL = toy.goal_of()
OPTIONS = {"k": 1, "visit_steps": 1, "round_steps": 1, "outer": optax.adagrad}
MAMDR = toy.setup_of(GOAL, "mamdr", **OPTIONS)


def test_devices_share_workers():
  of_one, told = state_after(MAMDR, 4, 1)
  of_four, also = state_after(MAMDR, 4, 4)
  handmade.assert_trees_close(of_one, of_four, atol=2e-6)
  np.testing.assert_allclose(told["valid"]["auc"], also["valid"]["auc"], atol=1e-6)


def test_what_domains_have_of_their_own_is_the_same_bits_with_any_number_of_workers():
  alone = toy.setup_of(GOAL, "separate")
  (_, one), _ = state_after(alone, 1, 1)
  (_, four), _ = state_after(alone, 4, 4)
  values = lambda levels: np.sort(np.concatenate([np.ravel(x) for x in jax.tree.leaves(levels)]))
  np.testing.assert_array_equal(values(one), values(four))


def test_nothing_is_said_to_others_between_the_fetch_and_the_giving_back():
  text = program(MAMDR)
  assert "all-to-all" in text and "all-reduce" in text
  inner = loops(text)
  assert inner and not any(said(body) for body in inner), [said(body) for body in inner]


def program(setup):
  """The compiled program of a few rounds of four workers on four devices."""
  train = on_host(toy.split(0), "train", 8)
  team = life.team_of(setup, Crew(4), train)
  held = life.begin(team, jax.random.key(0), train).state
  share, texts = setup.method.stages[0].share, []
  rounds = shared_rounds(team.crew, share)

  class Noted:
    def __call__(self, *args):
      texts.append(rounds.lower(*args).compile().as_text())
      return rounds(*args)

  from mamdr_jax.workers import shared

  shared.shared_rounds = lambda *_: Noted()
  trained = shared.sharing(team, setup.method.stages[0])
  trained(toy.KEY, held, train, toy.RATES, None)
  return texts[0]


def said(body):
  return re.findall(r"(?:all-to-all|all-reduce|all-gather|collective-permute)[-a-z]*\(", body)


def loops(text):
  """The bodies of the innermost loops: those of while loops that have none in them."""
  computations = dict(re.findall(r"^%?([\w.\-]+) \([^\n]*\{\n(.*?)^\}", text, re.M | re.S))
  bodies = {name for name in re.findall(r"body=%?([\w.\-]+)", text)}
  return [computations[b] for b in bodies if "while(" not in computations[b]]
