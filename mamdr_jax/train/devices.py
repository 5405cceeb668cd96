"""The runs of a group over devices: each device has some of them, and meets with no other.

`shard_map` over the runs gives a device a program of its own runs alone. To shard the arguments of
a function that is mapped over all of them would not: the devices meet in the condition of every
loop, and where XLA sees no way to part an operation, each trains all the runs.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from mamdr_jax.core import Tree

Devices = Sequence[jax.Device]
RUNS, WHOLE = PartitionSpec("run"), PartitionSpec()


def chosen(asked: int) -> tuple[jax.Device, ...]:
  """So many devices of this machine; for 0 all accelerators, or of a CPU one.

  Raises:
    ValueError: there are fewer.
  """
  there = jax.local_devices()
  if asked > len(there):
    raise ValueError(f"devices={asked}: this machine has {len(there)}; expected at most so many")
  return tuple(there[: asked or (1 if there[0].platform == "cpu" else len(there))])


def num_used(devices: Devices, num_runs: int) -> int:
  """How many of the devices a group uses: as many as have equally many of its runs."""
  fair = (n for n in range(1, len(devices) + 1) if num_runs % n == 0)
  return max(fair, default=1)


def groups_of(index: np.ndarray, lanes: int, num_devices: int) -> list[np.ndarray]:
  """Runs in groups that give each device equally many, `lanes` at most; then one of the rest."""
  whole = index.size - index.size % num_devices
  rounds, rest = index[:whole].reshape(-1, num_devices), index[whole:]
  groups = np.array_split(rounds, -(-len(rounds) // lanes)) if whole else []
  return [group.ravel() for group in groups] + ([rest] if rest.size else [])


def rung(going: int, size: int, spread: int = 1) -> int:
  """How many of `size` runs to keep together while `going` go on: `size`, halved as often as fits.

  So few sizes occur, each of which is compiled once. Over several devices those above their number
  are multiples of it, so that none idles while others have several runs.
  """
  while size > 1:
    half = -(-size // 2)
    half = -(-half // spread) * spread if half > spread else half
    if half < going:
      break
    size = half
  return size


def deal(devices: Devices, runs: Tree) -> Tree:
  """Leaves [C, ...] on the devices that take them."""
  if len(devices) < 2:
    return jax.tree.map(jnp.asarray, runs)
  return jax.device_put(runs, NamedSharding(_mesh_of(devices, _num_runs(runs)), RUNS))


def everywhere(devices: Devices, data: Tree) -> Tree:
  """`data` on each of the devices, where several leaves of it may be one array, once."""
  if len(devices) < 2:
    return data
  leaves, structure = jax.tree.flatten(data)
  once = {id(leaf): leaf for leaf in leaves}
  put = jax.device_put([*once.values()], NamedSharding(_mesh(devices), WHOLE))
  there = dict(zip(once, put, strict=True))
  return structure.unflatten([there[id(leaf)] for leaf in leaves])


class Dealt:
  """A function of one run, compiled for those of a group: leaves [C, ...].

  A device takes its own side by side, or, where it has one, that alone.
  """

  def __init__(self, f: Callable, axes: tuple[int | None, ...], devices: Devices, **options):
    """Of `f`, whose arguments have the axis of runs as for `jax.vmap`: 0, or None."""
    self.f, self.axes, self.devices = f, axes, devices
    self.program = jax.jit(self._over_runs, **options)

  def __call__(self, *args) -> Tree:
    return self.program(*self._placed(args))

  def lower(self, *args) -> jax.stages.Lowered:
    """As of a function that `jax.jit` gave."""
    return self.program.lower(*self._placed(args))

  def _over_runs(self, *args):
    num_runs = _num_runs(args[self.axes.index(0)])
    used = num_used(self.devices, num_runs)
    mapped = (alone if num_runs == used else jax.vmap)(self.f, self.axes)
    if used == 1:
      return mapped(*args)
    mesh = _mesh_of(self.devices, num_runs)
    return jax.shard_map(
      mapped, mesh=mesh, in_specs=self._specs(), out_specs=RUNS, check_vma=False
    )(*args)

  def _placed(self, args):
    """The arguments on the devices that take part; what is there already stays where it is."""
    if len(self.devices) < 2:
      return args
    mesh = _mesh_of(self.devices, _num_runs(args[self.axes.index(0)]))
    pairs = zip(args, self._specs(), strict=True)
    return [jax.device_put(arg, NamedSharding(mesh, spec)) for arg, spec in pairs]

  def _specs(self):
    return tuple(WHOLE if axis is None else RUNS for axis in self.axes)


def alone(f: Callable, axes: tuple[int | None, ...]) -> Callable:
  """`f` for a leading axis of 1, where vmap would turn branches into selects of both sides."""

  def call(*args):
    args = [
      x if axis is None else jax.tree.map(lambda leaf: leaf[0], x)
      for x, axis in zip(args, axes, strict=True)
    ]
    return jax.tree.map(lambda leaf: leaf[None], f(*args))

  return call


def _num_runs(runs: Tree) -> int:
  return jax.tree.leaves(runs)[0].shape[0]


def _mesh_of(devices: Devices, num_runs: int) -> Mesh:
  return _mesh(devices[: num_used(devices, num_runs)])


def _mesh(devices: Devices) -> Mesh:
  return Mesh(np.array(devices), ("run",), axis_types=(AxisType.Auto,))
