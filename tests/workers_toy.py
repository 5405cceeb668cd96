"""Five domains, a tiny MLP, and an epoch of workers on them as one process would have it."""

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import optax

from mamdr_jax.core import Hparams
from mamdr_jax.data import on_host, pack
from mamdr_jax.methods import METHODS
from mamdr_jax.models import MODELS
from mamdr_jax.objective import objective
from mamdr_jax.train import Rest, Setup
from mamdr_jax.train import run as one_process
from mamdr_jax.workers import Crew, life
from mamdr_jax.workers.epoch import tallied

SIZES = (5, 8, 13, 21, 3)
RATES = Hparams(*jnp.full(3, 0.05))
KEY = jax.random.key(2)


def split(seed, name="train"):
  numbers = {"train": 0, "valid": 1}
  dataset = handmade.dataset(SIZES, seed)
  return dataset._replace(split=np.full(sum(SIZES), numbers[name], np.int8))


def goal_of(dropout=0.5):
  vocab = {**handmade.VOCAB, "domain": len(SIZES)}
  return objective(MODELS["mlp"](vocab, 4, hidden=(6,), dropout=dropout))


def setup_of(goal, name, **options):
  method = METHODS[name](loss=goal.loss, **({"inner": optax.adam} | options))
  return Setup(goal, method, 2, reshuffled=False, stream=4, rest=Rest(None))


def team_of(setup, num):
  return life.team_of(setup, Crew(num), on_host(split(0), "train", 8))


def one_run(setup, epochs=2):
  """A run of one process after some epochs."""
  train, valid = pack(split(0), "train", 8), pack(split(1, "valid"), "valid", 8)
  key = jax.random.key(0)
  run = jax.jit(lambda key: one_process.begin(setup, key, train))(key)
  advance = jax.jit(lambda run: one_process.advance(setup, run, key, RATES, train, valid))
  for _ in range(epochs):
    run, info = advance(run)
  return run, info


def team_run(setup, num, epochs=2):
  """The same with workers."""
  train, valid = on_host(split(0), "train", 8), on_host(split(1, "valid"), "valid", 8)
  team, key = team_of(setup, num), jax.random.key(0)
  run, advance = life.begin(team, key, train), life.advance(team, tallied(team))
  for _ in range(epochs):
    run, info = advance(run, key, RATES, train, valid)
  return run, info
