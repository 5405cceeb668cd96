"""`fit`: many runs of one method, with early stopping. The only place that jits and vmaps."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mamdr_jax import tree
from mamdr_jax.core import Array, Batch, DomainBatches, Hparams, Key, Method, Params, Tree
from mamdr_jax.descent import minibatch, reshuffle
from mamdr_jax.metrics import summary


class Run(NamedTuple):
  """One run, as it stands after an epoch."""

  key: Key  # []
  state: Tree
  best: Tree  # the state with the best mean validation AUC so far
  # Of a method that trains domains apart the next three, and so `best`, are domain by domain: [D].
  best_auc: Array  # [] float32
  best_epoch: Array  # [] int32; before the first improvement that at which it began
  stopped: Array  # [] bool
  epochs: Array  # [] int32, how many it has trained, those of the method's base among them


def score(method: Method, state: Tree, data: DomainBatches, predict) -> Array:
  """Logits of every row of a split, each by the parameters that serve its domain: [T, B]."""

  def score_domain(scores, domain):
    params = method.params(state, domain)
    fill = lambda s, scores: scores.at[s].set(predict(params, minibatch(data, s)))
    start = data.start[domain]
    return jax.lax.fori_loop(start, start + data.count[domain], fill, scores), None

  domains = jnp.arange(data.start.size)
  return jax.lax.scan(score_domain, jnp.zeros(data.batch.label.shape), domains)[0]


def fit(
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
  reshuffled: bool = True,
  lanes: int = 1,
  on_epoch: Callable[[int, dict], None] = lambda epoch, infos: None,
) -> Run:
  """Trains R runs, each until its mean validation AUC has not risen for `patience` epochs.

  A method that trains domains apart has each stopped, and its best kept, by its own AUC. The base
  of a method is trained first, in the same way and for as many epochs at most; the method then
  begins with the base's best state as the best so far.

  Args:
    keys: [R], a key per run. The key of an epoch is folded from it, so none lives in a state.
    hparams: leaves [R].
    method, init, predict: what is trained; see `Method` and `Objective`.
    train, valid: the splits.
    epochs: at most so many.
    patience: epochs without a better validation AUC before a run stops.
    reshuffled: rows are dealt into new minibatches every epoch.
    lanes: how many runs a program takes side by side. Results do not depend on it. Side by
      side suits an accelerator; on a CPU one after the other is faster.
    on_epoch: called after every epoch with its number and the info of the runs that took part:
      leaves [R'], under "run" their indices, under "valid" their `summary`.

  Returns:
    The runs, leaves [R, ...].
  """
  num_domains = train.start.size
  before = None
  if method.base is not None:
    before = fit(
      keys, hparams, method.base, init, predict, train, valid,
      epochs=epochs, patience=patience, reshuffled=reshuffled, lanes=lanes, on_epoch=on_epoch,
    )  # fmt: skip

  def begin(key):
    params = init(jax.random.fold_in(key, 0), minibatch(train, 0))
    return started(key, method.init(params, num_domains), -jnp.inf, 0)

  def follow(run, valid):
    serve = lambda domain: method.base.params(run.best, domain)
    alone = lambda domain: tree.take(method.init(serve(domain), 1), 0)
    state = jax.vmap(alone)(jnp.arange(num_domains))
    auc = summary(score(method, state, valid, predict), valid)["auc"]
    return started(run.key, state, auc, run.epochs)

  def started(key, state, auc, epochs):
    shape, epochs = (num_domains,) if method.apart else (), jnp.asarray(epochs, jnp.int32)
    auc = jnp.broadcast_to(jnp.asarray(auc, jnp.float32), shape)
    best_epoch = jnp.broadcast_to(epochs, shape)
    return Run(key, state, tree.copy(state), auc, best_epoch, jnp.zeros(shape, bool), epochs)

  def advance(run, hparams, train, valid):
    epoch = run.epochs + 1
    shuffle_key, method_key = jax.random.split(jax.random.fold_in(run.key, epoch))
    data = reshuffle(shuffle_key, train) if reshuffled else train
    state, info = method.epoch(method_key, run.state, data, hparams)
    state = tree.where(run.stopped, run.state, state)
    measured = summary(score(method, state, valid, predict), valid)
    auc = measured["auc" if method.apart else "mean_auc"]
    better = auc > run.best_auc
    best_epoch = jnp.where(better, epoch, run.best_epoch)
    stopped = run.stopped | (epoch - best_epoch >= patience) | ~jnp.isfinite(auc)
    best = tree.where(better, state, run.best)
    best_auc = jnp.where(better, auc, run.best_auc)  # a maximum would spread NaN
    epochs = jnp.where(run.stopped.all(), run.epochs, epoch)
    moved = Run(run.key, state, best, best_auc, best_epoch, stopped, epochs)
    return moved, info | {"valid": measured}

  # A program takes `lanes` runs. One lane has no axis, so that its branches and loops stay scalar.
  num_runs = keys.shape[0]
  chunks = [np.arange(num_runs)[i : i + lanes] for i in range(0, num_runs, lanes)]
  if lanes == 1:
    per_lane, cut, rejoin = lambda f, axes=0: f, (lambda x, chunk: x[chunk[0]]), jnp.stack
    host = lambda x: np.asarray(x)[None]
  else:
    per_lane, cut, rejoin = jax.vmap, (lambda x, chunk: x[chunk]), jnp.concatenate
    host = np.asarray
  begin, follow = jax.jit(per_lane(begin)), jax.jit(per_lane(follow, (0, None)))
  advance = jax.jit(per_lane(advance, (0, 0, None, None)), donate_argnums=0)

  rates = [jax.tree.map(lambda x, chunk=chunk: cut(x, chunk), hparams) for chunk in chunks]
  if before is None:
    first, runs = 1, [begin(cut(keys, chunk)) for chunk in chunks]
  else:
    first = 1 + int(before.epochs.max())
    runs = [follow(jax.tree.map(lambda x, c=chunk: cut(x, c), before), valid) for chunk in chunks]
  for epoch in range(first, first + epochs):
    infos = []
    for c, chunk in enumerate(chunks):
      going = np.flatnonzero(~np.asarray(runs[c].stopped).reshape(chunk.size, -1).all(1))
      if going.size:
        runs[c], info = advance(runs[c], rates[c], train, valid)
        info = {"run": chunk} | jax.tree.map(host, info)
        infos.append(jax.tree.map(lambda x, going=going: x[going], info))
    if not infos:
      break
    on_epoch(epoch, jax.tree.map(lambda *xs: np.concatenate(xs), *infos))
  return jax.tree.map(lambda *xs: rejoin(xs), *runs)
