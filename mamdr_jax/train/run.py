"""The life of one run, as pure functions: `begin`, `advance` epoch by epoch, and for a method that
tunes what another has trained, `tuned`, `begun` and `advance` again.

All of it is written for one run. `fit` compiles it, maps it over several runs, and stops them.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mamdr_jax import tree
from mamdr_jax.core import Array, DomainBatches, Hparams, Key, Method, Params, Tree
from mamdr_jax.descent import minibatch, reshuffle
from mamdr_jax.evaluate import tallied
from mamdr_jax.metrics import Tally, auc_of_each, figures
from mamdr_jax.objective import Objective
from mamdr_jax.train.at_rest import Rest

# What is folded into the key of a run: 0 for the parameters, the number of an epoch, and these.
STATE, TUNED = 2**32 - 1, 2**32 - 2


class Setup(NamedTuple):
  """What all runs of a sweep have in common."""

  objective: Objective
  method: Method
  patience: int  # epochs without a better validation AUC before a run stops
  reshuffled: bool = True  # rows are dealt into new minibatches every epoch
  stream: int = 0  # of data on the host, so many minibatches are on the device at a time
  rest: Rest | None = None  # with `stream`: where what is kept for every domain is between rounds
  average: float = 0.0  # weight of earlier epochs in the mean of states that is measured; 0: none


class Run(NamedTuple):
  """One run, as it stands after an epoch."""

  state: Tree
  best: Tree  # the state with the best mean validation AUC so far
  # Of a method that trains domains apart the next four, and so `best`, are domain by domain: [D].
  best_auc: Array  # [] float32
  best_epoch: Array  # [] int32; before the first improvement that at which it began
  stopped: Array  # [] bool
  diverged: Array  # [] bool, stopped because its validation AUC was no number
  epochs: Array  # [] int32, how many it has trained, those of the method's base among them
  mean: Tree = ()  # with `Setup.average`: of states after epochs, which is measured instead


def begin(setup: Setup, key: Key, train: DomainBatches) -> Run:
  """The run of a key before its first epoch."""
  params = initial(setup, key, train)
  state = setup.method.init(jax.random.fold_in(key, STATE), params, train)
  return unproven(setup, state, train.start.size)


def initial(setup: Setup, key: Key, train: DomainBatches) -> Params:
  """The parameters that it begins with."""
  return setup.objective.init(jax.random.fold_in(key, 0), minibatch(train, 0))


def unproven(setup: Setup, state: Tree, num_domains: int) -> Run:
  """A run whose state has not been measured."""
  return _begun(setup, state, num_domains, -jnp.inf, 0)


def advance(
  setup: Setup, run: Run, key: Key, hparams: Hparams, train: DomainBatches, valid: DomainBatches
) -> tuple[Run, dict]:
  """The run after one more epoch. It must not have stopped, or, domain by domain, not all of it.

  Returns:
    The run, and the method's info of the epoch with the `figures` of validation under "valid".
  """
  deal_key, method_key, _ = epoch_keys(key, run.epochs + 1)
  data = reshuffle(deal_key, train) if setup.reshuffled else train
  state, info = setup.method.epoch(method_key, run.state, data, hparams)
  state = but_stopped(setup, run, state)
  moved = averaged(setup, run._replace(state=state))
  measured = tallied(setup.objective, setup.method, looked_at(setup, moved), train, valid)
  return judged(setup, moved, measured), info | {"valid": figures(measured)}


def averaged(setup: Setup, run: Run) -> Run:
  """The run whose mean has its state too: of all epochs alike until the earlier ones' weight is
  `average`, which it then stays, so that it halves within some epochs.
  """
  if not setup.average:
    return run
  weight = jnp.maximum(1 - setup.average, 1 / (run.epochs + 1))

  def step(mean, new):
    return mean + weight * (new - mean) if jnp.issubdtype(new.dtype, jnp.floating) else new

  return run._replace(mean=jax.tree.map(step, run.mean, run.state))


def looked_at(setup: Setup, run: Run) -> Tree:
  """The state that is measured, and of which the best is kept."""
  return run.mean if setup.average else run.state


def but_stopped(setup: Setup, run: Run, state: Tree) -> Tree:
  """`state` after an epoch, but of domains that had stopped before it what they had."""
  return setup.method.choose(run.stopped, run.state, state) if setup.method.choose else state


def judged(setup: Setup, run: Run, measured: Tally) -> Run:
  """The run after one more epoch, which moved it, by what that is worth on validation."""
  better, run = proven(setup, run, measured)
  best = (setup.method.choose or tree.where)(better, looked_at(setup, run), run.best)
  return run._replace(best=best)


def proven(setup: Setup, run: Run, measured: Tally) -> tuple[Array, Run]:
  """(whether the state after one more epoch is the best, the run but for its states)."""
  epoch = run.epochs + 1
  auc = auc_of_each(measured) if setup.method.choose else figures(measured)["mean_auc"]
  better = auc > run.best_auc
  best_epoch = jnp.where(better, epoch, run.best_epoch)
  diverged = run.diverged | ~(run.stopped | jnp.isfinite(auc))
  return better, run._replace(
    best_auc=jnp.where(better, auc, run.best_auc),  # a maximum would spread NaN
    best_epoch=best_epoch,
    stopped=run.stopped | (epoch - best_epoch >= setup.patience) | diverged,
    diverged=diverged,
    epochs=epoch,
  )


def unless_stopped(advance: Callable) -> Callable:
  """`advance` that leaves a run as it was if all of it has stopped, since others have not."""

  def advanced(run: Run, *rest):
    moved, info = advance(run, *rest)
    return tree.where(run.stopped.all(), run, moved), info

  return advanced


def tuned(setup: Setup, run: Run, key: Key, train: DomainBatches) -> Tree:
  """The state of a method that has a base, begun from the best of `run`, a run of that."""
  return setup.method.init(jax.random.fold_in(key, TUNED), run.best, train)


def begun(setup: Setup, run: Run, state: Tree, measured: Tally) -> Run:
  """The run of such a method after `run`, of its first state and what that is worth."""
  return _begun(setup, state, measured.auc.size, auc_of_each(measured), run.epochs)


def shapes(setup: Setup, phase: int, keys: Key, train: DomainBatches) -> Run:
  """Those of runs of these keys as they begin a phase, leaves [C, ...]: see `fit.Group`."""

  def of_one(key):
    run = begin(setup._replace(method=setup.method.base or setup.method), key, train)
    if not phase:
      return run
    none = jnp.zeros(train.start.size)
    tally = Tally(none, none, none > 0, none.sum())
    return begun(setup, run, tuned(setup, run, key, train), tally)

  return jax.eval_shape(jax.vmap(of_one), keys)


def look(setup: Setup, probe: Callable[[Key, Callable], dict], run: Run, key: Key) -> dict:
  """What `probe` measures of what serves each domain, a dict of scalars."""
  return probe(epoch_keys(key, run.epochs)[2], functools.partial(setup.method.params, run.state))


def epoch_keys(key: Key, epoch: Array) -> Key:
  """The keys of an epoch of a run: for dealing rows, for the method, and for a probe after it."""
  return jax.random.split(jax.random.fold_in(key, epoch), 3)


def _begun(setup: Setup, state: Tree, num_domains: int, auc, epochs) -> Run:
  """A run that has nothing better than `auc`, measured after `epochs`."""
  shape = (num_domains,) if setup.method.choose else ()
  epochs, no = jnp.asarray(epochs, jnp.int32), jnp.zeros(shape, bool)
  auc = jnp.broadcast_to(jnp.asarray(auc, jnp.float32), shape)
  best_epoch = jnp.broadcast_to(epochs, shape)
  mean = tree.copy(state) if setup.average else ()
  return Run(state, tree.copy(state), auc, best_epoch, no, tree.copy(no), epochs, mean)
