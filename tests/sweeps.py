"""Runs of `fit` on handmade data: their rates and keys, and what they end with and tell."""

import handmade
import jax
import numpy as np

from mamdr_jax.core import Hparams
from mamdr_jax.objective import Objective
from mamdr_jax.train import Setup, fit


def sweep(alpha, gamma=None, beta=0.5) -> Hparams:
  shape = np.shape(alpha)
  rates = alpha, np.full(shape, beta), np.zeros(shape) if gamma is None else gamma
  return Hparams(*(np.asarray(rate, np.float32) for rate in rates))


def keys():
  made = jax.random.split(jax.random.key(11), 3)
  return made[np.array([0, 1, 2, 1])]


def fit_all(method, keys, hparams, train, valid, *, init=handmade.init, predict=handmade.predict,
            epochs=4, patience=4, reshuffled=True, **options):  # fmt: skip
  """All runs of `fit` in one, leaves [R, ...], and the (number, info) of every epoch."""
  told, goal = [], Objective(init, handmade.loss, predict)
  groups = fit(
    Setup(goal, method, patience, reshuffled), keys, hparams, train, valid,
    epochs=epochs,
    on_epoch=lambda epoch: told.append((epoch.number, epoch.info)),
    **options,
  )  # fmt: skip
  runs = [group.runs for group in groups]
  return jax.tree.map(lambda *xs: np.concatenate(xs), *runs), told


def by_run(told):
  """What `on_epoch` was told, run -> its (epoch, info)."""
  runs = {}
  for epoch, infos in told:
    for i, r in enumerate(infos["run"]):
      runs.setdefault(int(r), []).append((epoch, pick(infos, i)))
  return runs


def pick(tree, index):
  return jax.tree.map(lambda x: np.asarray(x)[index], tree)
