"""`fit`: many runs, group by group."""

import functools
import time
import types
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mamdr_jax.core import DomainBatches, Hparams, Key
from mamdr_jax.data.batches import HostBatches, some
from mamdr_jax.metrics import Tally, figures
from mamdr_jax.train.devices import Devices, everywhere, groups_of, rung
from mamdr_jax.train.programs import Probe, compiled
from mamdr_jax.train.run import Run, Setup, looked_at, shapes


class Group(NamedTuple):
  """Runs that train side by side, between two epochs."""

  index: np.ndarray  # [C], which runs of the sweep
  phase: int  # 0, or 1 after the base of a method that has one
  epoch: int  # the last that was trained
  last: int  # the last that may be trained in this phase
  runs: Run  # leaves [C, ...]
  tallies: Mapping[str, Tally] = {}  # of the best state, by split, where workers have taken them


class Epoch(NamedTuple):
  """What `fit` tells after an epoch of a group."""

  number: int
  # Leaves [C'], of the runs that took part: under "run" their indices, under "valid" their
  # `figures`, under "probe", if it was taken, what it measured and the seconds it took for all.
  info: dict
  snapshot: Callable[[], Group] | None  # the group as it stands, in NumPy; None: kept elsewhere


class Resumed(NamedTuple):
  """A group that was begun before."""

  index: np.ndarray  # [C]
  phase: int
  load: Callable[[Run], Group]  # makes it, from the shapes of its runs


def fit(
  setup: Setup,
  keys: Key,
  hparams: Hparams,
  train: DomainBatches | HostBatches,
  valid: DomainBatches | HostBatches,
  *,
  epochs: int,
  anneal: Mapping[str, float] = types.MappingProxyType({}),
  lanes: int = 1,
  devices: Devices = (),
  probe: Probe | None = None,
  test: DomainBatches | HostBatches | None = None,
  on_epoch: Callable[[Epoch], None] = lambda epoch: None,
  on_memory: Callable[[int], None] | None = None,
  ends: Callable[[dict], np.ndarray] | None = None,
  ended: Collection[int] = (),
  resumed: Sequence[Resumed] = (),
) -> Iterator[Group]:
  """Trains R runs, each until its mean validation AUC has not risen for `setup.patience` epochs.

  A method that trains domains apart has each stopped, and its best kept, by its own AUC. The base
  of a method is trained first, in the same way and for as many epochs at most; the method then
  begins with the base's best state as the best so far.

  Args:
    setup: what is trained.
    keys: [R], a key per run. The key of an epoch is folded from it, so none lives in a state.
    hparams: leaves [R].
    train, valid: the splits. From the host, parts of `setup.stream` minibatches come to the device
      one after the other, and no runs go side by side.
    epochs: at most so many.
    anneal: rate -> what it is multiplied by for every epoch that a run has trained.
    lanes: at most so many runs of a group go side by side on a device; groups come one after the
      other. Results do not depend on it, up to rounding. Side by side suits an accelerator; on a
      CPU one after the other is faster.
    devices: over which the runs of a group are dealt out; by default all of it is on the first.
    probe: what to measure besides.
    test: a split whose `figures` every epoch tells under "test"; nothing goes by them.
    on_epoch: called after every epoch of a group.
    on_memory: told once, before training, how many bytes an epoch takes beyond what is there.
    ends: (what `on_epoch` was told) -> which of these runs end now, [C'] bool.
    ended: runs that are left out of new groups.
    resumed: groups that go on, before new ones begin.

  Yields:
    Each group once all of it has stopped, its runs in NumPy.

  >>> import jax.numpy as jnp
  >>> import optax
  >>> from mamdr_jax.data import pack, synthetic
  >>> from mamdr_jax.methods import METHODS
  >>> from mamdr_jax.models import MODELS
  >>> from mamdr_jax.objective import objective
  >>> dataset = synthetic.load(sizes=(120, 90), num_users=30, num_items=20, features="ids")
  >>> train, valid = (pack(dataset, split, batch_size=32) for split in ("train", "valid"))
  >>> goal = objective(MODELS["mlp"]({"user": 30, "item": 20, "domain": 2}, 4, hidden=(8,)))
  >>> method = METHODS["domain_negotiation"](loss=goal.loss, inner=optax.adam)
  >>> keys, rates = jax.random.split(jax.random.key(0), 2), jnp.full(2, 0.01)
  >>> hparams = Hparams(alpha=rates, beta=rates, gamma=rates)
  >>> setup = Setup(goal, method, patience=5)
  >>> for group in fit(setup, keys, hparams, train, valid, epochs=2):
  ...   print(group.index, group.runs.epochs)
  [0] [2]
  [1] [2]
  """
  phases = [m for m in (setup.method.base, setup.method) if m is not None]
  spread, in_parts = max(1, len(devices)), isinstance(train, HostBatches)
  abreast = max([lanes * spread, *(some.index.size for some in resumed)]) > 1
  of = lambda method: compiled(setup._replace(method=method), abreast, probe, in_parts, devices)
  programs, seen = [of(method) for method in phases], some(train, np.zeros(1, np.int32))
  train, valid, test = everywhere(devices, (train, valid, test))

  def fresh(index):
    return Group(index, 0, 0, epochs, programs[0].begin(keys[index], seen))

  def restored(some):
    group = some.load(shapes(setup, some.phase, keys[some.index], seen))
    return group._replace(runs=programs[group.phase].settle(group.runs))

  def tuned(group):
    runs = programs[0].settle(group.runs)
    states = programs[1].tune(runs, keys[group.index], seen)
    runs = programs[1].begun(runs, states, programs[1].tally(states, train, valid))
    trained = int(group.runs.epochs.max())
    return Group(group.index, 1, trained, trained + epochs, runs)

  def train_phase(group):
    nonlocal on_memory
    if on_memory:
      on_memory(programs[group.phase].memory(group.runs, keys[group.index], train, valid))
      on_memory = None
    program = programs[group.phase]
    rates = functools.partial(rates_of, hparams, anneal)
    tested = lambda runs: jax.vmap(figures)(program.tally(looked_at(setup, runs), train, test))
    test_of = None if test is None else tested
    data = train, valid, test_of
    return train_group(group, program, keys, rates, data, probe, on_epoch, ends, spread)

  left_out = {*ended, *(run for some in resumed for run in some.index)}
  rest = np.array([run for run in range(keys.shape[0]) if run not in left_out], int)
  starts = [functools.partial(restored, some) for some in resumed]
  starts += [functools.partial(fresh, index) for index in groups_of(rest, lanes, spread)]
  for start in starts:
    group = train_phase(start())
    if group.phase + 1 < len(phases):
      group = train_phase(tuned(group))
    yield group


def rates_of(hparams: Hparams, anneal: Mapping[str, float], which: np.ndarray, epochs) -> Hparams:
  """Those of some runs after so many epochs each: leaves [C]."""
  rates = Hparams(*(rate[which] for rate in hparams))
  changed = {name: getattr(rates, name) * jnp.float32(x) ** epochs for name, x in anneal.items()}
  return rates._replace(**changed)


def train_group(group, programs, keys, rates, data, probe, on_epoch, ends, spread) -> Group:
  """The group after its last epoch, or the one in which the last of its runs has stopped.

  `rates` are those of runs by their epochs, and of `data` the last is what runs have on the split
  to test, or None. It is spread over so many devices.
  """
  runs, place, aside, epoch = group.runs, np.arange(group.index.size), {}, group.epoch
  train, valid, test_of = data

  def snapshot(epoch):
    """All runs in NumPy, those that were put aside among them."""
    moved = jax.tree.map(np.asarray, runs)
    every = aside | {p: jax.tree.map(lambda x, i=i: x[i], moved) for i, p in enumerate(place)}
    stacked = jax.tree.map(_stacked, *(every[p] for p in sorted(every)))
    return group._replace(epoch=epoch, runs=stacked)

  while epoch < group.last:
    going = ~np.asarray(runs.stopped).reshape(place.size, -1).all(1)
    if not going.any():
      break
    epoch += 1
    keep = np.sort(np.argsort(~going, stable=True)[: rung(going.sum(), place.size, spread)])
    if keep.size < place.size:  # what has stopped stops costing
      moved = jax.tree.map(np.asarray, runs)
      for i in np.setdiff1d(np.arange(place.size), keep):
        aside[place[i]] = jax.tree.map(lambda x, i=i: np.array(x[i]), moved)
      kept, place, going = jax.tree.map(lambda x, keep=keep: x[keep], (moved, place, going))
      runs = programs.settle(kept)
    which = group.index[place]
    runs, info = programs.advance(runs, keys[which], rates(which, runs.epochs), train, valid)
    if probe and epoch % probe.every == 0:
      jax.block_until_ready(runs)  # the epoch's time is not the probe's
      asked = time.monotonic()
      seen = jax.block_until_ready(programs.probe(runs, keys[which]))
      info["probe"] = seen | {"seconds": np.full(which.size, time.monotonic() - asked)}
    if test_of:
      info["test"] = test_of(runs)
    told = {"run": which} | jax.tree.map(np.asarray, info)
    numbers = np.asarray(runs.epochs)  # while tuning, runs may be at different ones
    for number in np.unique(numbers[going]):
      of = going & (numbers == number)
      here = jax.tree.map(lambda x, of=of: x[of], told)
      if ends and (stop := ends(here)).any():
        stopped = np.array(runs.stopped)
        stopped[np.flatnonzero(of)[stop]] = True
        runs = runs._replace(stopped=jnp.asarray(stopped))
      on_epoch(Epoch(int(number), here, functools.partial(snapshot, epoch)))
  return snapshot(epoch)


def _stacked(first, *others):
  """np.stack, of one array without a copy."""
  return np.stack([first, *others]) if others else first[None]
