"""`fit`: many runs of one method, with early stopping. The only place that jits and vmaps."""

import functools
import time
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mamdr_jax import tree
from mamdr_jax.core import Array, Batch, DomainBatches, Hparams, Key, Method, Params, Tree
from mamdr_jax.descent import minibatch, reshuffle
from mamdr_jax.metrics import summary


# What is folded into a run's key: 0 for the parameters, the number of an epoch, and these.
STATE, TUNED = 2**32 - 1, 2**32 - 2


def epoch_keys(key: Key, epoch: Array) -> Key:
  """The keys of an epoch of a run: for dealing rows, for the method, and for a probe after it."""
  return jax.random.split(jax.random.fold_in(key, epoch), 3)


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


class Group(NamedTuple):
  """Runs that train side by side, between two epochs."""

  index: np.ndarray  # [C], which runs of the sweep
  phase: int  # 0, or 1 after the base of a method that has one
  epoch: int  # the last that was trained
  last: int  # the last that may be trained in this phase
  runs: Run  # leaves [C, ...]


def score(serve: Callable[[Array], Params], data: DomainBatches, predict) -> Array:
  """Logits of every row of a split, those of domain d by the parameters `serve(d)`: [T, B]."""

  def score_domain(scores, domain):
    params = serve(domain)
    fill = lambda s, scores: scores.at[s].set(predict(params, minibatch(data, s)))
    start = data.start[domain]
    return jax.lax.fori_loop(start, start + data.count[domain], fill, scores), None

  domains = jnp.arange(data.start.size)
  return jax.lax.scan(score_domain, jnp.zeros(data.batch.label.shape), domains)[0]


def fit(keys: Key, hparams: Hparams, *args, **options) -> Run:
  """The runs of `sweep`, whose arguments it takes, all in one: leaves [R, ...]."""
  groups = [runs for _, runs in sweep(keys, hparams, *args, **options)]
  return jax.tree.map(lambda *xs: np.concatenate(xs), *groups)


def sweep(
  keys: Key,
  hparams: Hparams,
  method: Method,
  init: Callable[[Key, Batch], Params],
  predict: Callable[[Params, Batch], Array],
  train: DomainBatches,
  valid: DomainBatches,
  *,
  epochs: int,
  patience: int,
  settle: Callable[[Params, DomainBatches, Array], Params] = lambda params, train, domain: params,
  reshuffled: bool = True,
  lanes: int = 1,
  probe: Callable[[Key, Params], dict] | None = None,
  probe_every: int = 1,
  on_epoch: Callable[[int, dict], None] = lambda epoch, info: None,
  checkpoint: Callable[[Callable[[], Group]], None] = lambda group: None,
  ended: Collection[int] = (),
  begun: tuple[np.ndarray, int, Callable[[Run], Group]] | None = None,
) -> Iterator[tuple[np.ndarray, Run]]:
  """Trains R runs, each until its mean validation AUC has not risen for `patience` epochs.

  A method that trains domains apart has each stopped, and its best kept, by its own AUC. The base
  of a method is trained first, in the same way and for as many epochs at most; the method then
  begins with the base's best state as the best so far.

  Args:
    keys: [R], a key per run. The key of an epoch is folded from it, so none lives in a state.
    hparams: leaves [R].
    method, init, predict, settle: what is trained; see `Method` and `Objective`.
    train, valid: the splits.
    epochs: at most so many.
    patience: epochs without a better validation AUC before a run stops.
    reshuffled: rows are dealt into new minibatches every epoch.
    lanes: at most so many runs are a group, which one program takes side by side; groups come one
      after the other. Results do not depend on it, up to rounding. Side by side suits an
      accelerator; on a CPU one after the other is faster.
    probe: (key, params) -> scalars, measured after every `probe_every` epochs at the mean over
      domains of the parameters that are served.
    on_epoch: called after every epoch of a group with its number and the info of the runs that
      took part: leaves [C'], under "run" their indices, under "valid" their `summary`, under
      "probe", if it was taken, its measurements and the seconds it took for all of them.
    checkpoint: called after every epoch with a function that makes the `Group` as it stands.
    ended: runs that are left out of new groups.
    begun: the runs and the phase of such a group, and what makes it from the shapes of a `Run` of
      its size: the first group then goes on from there.

  Yields:
    Each group once all of it has stopped: the indices of its runs, and the runs in NumPy.
  """
  num_runs, num_domains = keys.shape[0], train.start.size
  phases = [method] if method.base is None else [method.base, method]
  per_lane = jax.vmap if lanes > 1 else _alone

  def begin(key):
    params = init(jax.random.fold_in(key, 0), minibatch(train, 0))
    state = phases[0].init(jax.random.fold_in(key, STATE), params, num_domains)
    return started(phases[0], state, -jnp.inf, 0)

  def follow(run, key, train, valid):
    def alone(key, domain):
      return tree.take(method.init(key, method.base.params(run.best, domain), 1), 0)

    state_keys = jax.random.split(jax.random.fold_in(key, TUNED), num_domains)
    state = jax.vmap(alone)(state_keys, jnp.arange(num_domains))
    return started(method, state, evaluate(method, state, train, valid)["auc"], run.epochs)

  def started(method, state, auc, epochs):
    shape, epochs = (num_domains,) if method.apart else (), jnp.asarray(epochs, jnp.int32)
    auc = jnp.broadcast_to(jnp.asarray(auc, jnp.float32), shape)
    best_epoch, no = jnp.broadcast_to(epochs, shape), jnp.zeros(shape, bool)
    return Run(state, tree.copy(state), auc, best_epoch, no, tree.copy(no), epochs)

  def evaluate(method, state, train, data):
    serve = lambda domain: settle(method.params(state, domain), train, domain)
    return summary(score(serve, data, predict), data)

  def advance(method, run, key, hparams, train, valid):
    epoch = run.epochs + 1
    shuffle_key, method_key, _ = epoch_keys(key, epoch)
    data = reshuffle(shuffle_key, train) if reshuffled else train
    state, info = method.epoch(method_key, run.state, data, hparams)
    state = tree.where(run.stopped, run.state, state)
    measured = evaluate(method, state, train, valid)
    auc = measured["auc" if method.apart else "mean_auc"]
    better = auc > run.best_auc
    best_epoch = jnp.where(better, epoch, run.best_epoch)
    diverged = run.diverged | ~(run.stopped | jnp.isfinite(auc))
    stopped = run.stopped | (epoch - best_epoch >= patience) | diverged
    best = tree.where(better, state, run.best)
    best_auc = jnp.where(better, auc, run.best_auc)  # a maximum would spread NaN
    epochs = jnp.where(run.stopped.all(), run.epochs, epoch)
    moved = Run(state, best, best_auc, best_epoch, stopped, diverged, epochs)
    return moved, info | {"valid": measured}

  def measure(method, run, key):
    first = method.params(run.state, jnp.int32(0))
    add = lambda total, domain: (tree.add(total, method.params(run.state, domain)), None)
    total, _ = jax.lax.scan(add, first, jnp.arange(1, num_domains))
    mean = jax.tree.map(lambda x: x / num_domains, total)
    return probe(epoch_keys(key, run.epochs)[2], mean)

  begin, follow = jax.jit(per_lane(begin)), jax.jit(per_lane(follow, (0, 0, None, None)))
  programs = []
  for phase in phases:
    step = per_lane(lambda *args, m=phase: advance(m, *args), (0, 0, 0, None, None))
    look = per_lane(lambda *args, m=phase: measure(m, *args), (0, 0))
    programs.append((jax.jit(step, donate_argnums=0), jax.jit(look)))

  def train_group(group):
    step, look = programs[group.phase]
    runs, place, aside = group.runs, np.arange(group.index.size), {}

    def snapshot(epoch):
      moved = jax.tree.map(np.asarray, runs)
      every = aside | {p: jax.tree.map(lambda x, i=i: x[i], moved) for i, p in enumerate(place)}
      stacked = jax.tree.map(lambda *xs: np.stack(xs), *(every[p] for p in sorted(every)))
      return group._replace(epoch=epoch, runs=stacked)

    epoch = group.epoch
    for epoch in range(group.epoch + 1, group.last + 1):
      going = ~np.asarray(runs.stopped).reshape(place.size, -1).all(1)
      if not going.any():
        epoch -= 1
        break
      keep = np.sort(np.argsort(~going, stable=True)[: rung(going.sum(), place.size)])
      if keep.size < place.size:  # what has stopped stops costing
        for i in np.setdiff1d(np.arange(place.size), keep):
          aside[place[i]] = jax.tree.map(lambda x, i=i: np.asarray(x[i]), runs)
        runs, place, going = jax.tree.map(lambda x, keep=keep: x[keep], (runs, place, going))
      which = group.index[place]
      rates = Hparams(*(rate[which] for rate in hparams))
      runs, info = step(runs, keys[which], rates, train, valid)
      if probe and epoch % probe_every == 0:
        jax.block_until_ready(runs)  # the epoch's time is not the probe's
        asked = time.monotonic()
        seen = jax.block_until_ready(look(runs, keys[which]))
        info["probe"] = seen | {"seconds": np.full(which.size, time.monotonic() - asked)}
      told = {"run": which} | jax.tree.map(np.asarray, info)
      on_epoch(epoch, jax.tree.map(lambda x, going=going: x[going], told))
      checkpoint(lambda epoch=epoch: snapshot(epoch))
    return snapshot(epoch)

  def restored(index, phase, load):
    like = jax.eval_shape(begin, keys[index])
    group = load(jax.eval_shape(follow, like, keys[index], train, valid) if phase else like)
    return group._replace(runs=jax.tree.map(jnp.asarray, group.runs))

  fresh = lambda index: Group(index, 0, 0, epochs, begin(keys[index]))
  left_out = {*ended, *(() if begun is None else begun[0])}
  rest = np.array([run for run in range(num_runs) if run not in left_out], int)
  groups = np.array_split(rest, -(-rest.size // lanes)) if rest.size else []
  starts = [] if begun is None else [lambda: restored(*begun)]
  starts += [functools.partial(fresh, index) for index in groups]
  for make in starts:
    group = train_group(make())
    if group.phase + 1 < len(phases):
      runs = follow(jax.tree.map(jnp.asarray, group.runs), keys[group.index], train, valid)
      trained = int(group.runs.epochs.max())
      group = train_group(Group(group.index, 1, trained, trained + epochs, runs))
    yield group.index, group.runs


def rung(going: int, size: int) -> int:
  """How many of `size` runs to keep together while `going` go on: `size`, halved as often as fits.

  So few sizes occur, each of which is compiled once.
  """
  while size > 1 and -(-size // 2) >= going:
    size = -(-size // 2)
  return size


def _alone(f, axes=None):
  """`f` for a leading axis of 1, where vmap would turn branches into selects of both sides."""

  def call(*args):
    along = axes or (0,) * len(args)
    args = [
      x if axis is None else jax.tree.map(lambda leaf: leaf[0], x)
      for x, axis in zip(args, along, strict=True)
    ]
    return jax.tree.map(lambda leaf: leaf[None], f(*args))

  return call
