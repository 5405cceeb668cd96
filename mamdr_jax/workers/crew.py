"""W workers on the devices that there are: what each does by itself, and what goes between them.

Everything has an axis of the workers in front. What each does by itself is mapped over it, on one
device or, by `shard_map`, on many, where nothing is said to another. What goes from one to another
is that axis swapped with one of receivers.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from mamdr_jax.core import Array, Tree
from mamdr_jax.train.devices import alone

AXIS = "worker"
SPREAD, ALIKE = PartitionSpec(AXIS), PartitionSpec()


class Stopped(Exception):
  """All processes were asked to stop, and do."""


class Crew:
  """The workers of a run.

  Attributes:
    num: W.
    num_devices: on which they are, W / num_devices on each.
    num_processes: which have those devices.
    here: [W'] which of the workers are this process's.
  """

  def __init__(self, num: int, devices: Sequence[jax.Device] | None = None):
    """`num` workers on all `devices`, or of one process on as many as share them evenly.

    Raises:
      ValueError: there are several processes, and their devices cannot share the workers evenly.
    """
    devices = jax.devices() if devices is None else devices
    self.num = num
    self.num_devices = max(n for n in range(1, len(devices) + 1) if num % n == 0)
    processes = {device.process_index for device in devices}
    if len(processes) > 1 and self.num_devices < len(devices):
      raise ValueError(
        f"workers={num} cannot be shared by {len(devices)} devices of {len(processes)} processes; "
        f"choose a multiple of {len(devices)}"
      )
    used = devices[: self.num_devices]
    self._mesh = Mesh(np.array(used), (AXIS,)) if self.num_devices > 1 else None
    each = num // self.num_devices
    mine = [i for i, device in enumerate(used) if device.process_index == jax.process_index()]
    self.here = np.concatenate([np.arange(i * each, (i + 1) * each) for i in mine])
    self.num_processes, self._asked = len(processes), 0

  def each(self, f: Callable) -> Callable:
    """`f` of one worker, for all of them: leaves [W, ...] of whatever it takes and gives."""
    mapped = (
      jax.vmap(f)
      if self.num > self.num_devices
      else lambda *args: alone(f, (0,) * len(args))(*args)
    )
    return self._shared(mapped, SPREAD)

  def exchanged(self, x: Array) -> Array:
    """[W, W, ...] -> [W, W, ...]: what each has for each, as each has it from each."""
    if self._mesh is None:
      return x.swapaxes(0, 1)

    def swap(mine):
      return jax.lax.all_to_all(mine, AXIS, 1, 0, tiled=True).swapaxes(0, 1)

    return self._shared(swap, SPREAD)(x)

  def total(self, tree: Tree) -> Tree:
    """[W, ...] -> [...]: sums over workers, the same for all."""
    if self._mesh is None:
      return jax.tree.map(lambda x: x.sum(0), tree)
    add = lambda tree: jax.tree.map(lambda x: jax.lax.psum(x.sum(0), AXIS), tree)
    return self._shared(add, ALIKE)(tree)

  def wide(self, tree: Tree) -> Tree:
    """[...] -> [W, ...]: what is the same for all, for each."""
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (self.num, *jnp.shape(x))), tree)

  def _shared(self, f: Callable, given: PartitionSpec) -> Callable:
    if self._mesh is None:
      return f
    options = {"mesh": self._mesh, "in_specs": SPREAD, "out_specs": given, "check_vma": False}
    return jax.shard_map(f, **options)

  # Between the host and where the workers are.

  def put(self, tree: Tree) -> Tree:
    """NumPy of the workers here, leaves [W', ...], as arrays of all: [W, ...]."""
    if self._mesh is None:
      return jax.tree.map(jnp.asarray, tree)
    make = lambda x: jax.make_array_from_process_local_data(
      NamedSharding(self._mesh, SPREAD), np.asarray(x), (self.num, *x.shape[1:])
    )
    return jax.tree.map(make, tree)

  def alike(self, tree: Tree) -> Tree:
    """What every process has, leaves [...], where the workers are."""
    if self._mesh is None:
      return jax.tree.map(jnp.asarray, tree)
    make = lambda x: jax.make_array_from_process_local_data(
      NamedSharding(self._mesh, ALIKE), np.asarray(x), np.shape(x)
    )
    return jax.tree.map(make, tree)

  def local(self, tree: Tree) -> Tree:
    """Leaves [W, ...] -> NumPy of the workers here: [W', ...]."""

    def read(x):
      shards = sorted(x.addressable_shards, key=lambda shard: shard.index[0].start or 0)
      return np.concatenate([np.asarray(shard.data) for shard in shards])

    return jax.tree.map(read, tree)

  def most(self, numbers: np.ndarray) -> np.ndarray:
    """The largest over processes, elementwise; all of them have to ask."""
    if self.num_processes == 1:
      return numbers
    return np.asarray(multihost_utils.process_allgather(numbers)).max(0)

  def heed(self) -> None:
    """Raises `Stopped` if a process got SIGTERM: in all, which come here equally often, at once."""
    if self.num_processes == 1:
      return
    self._asked += 1
    if multihost_utils.reached_preemption_sync_point(self._asked):
      raise Stopped("asked to stop")

  @property
  def first(self) -> bool:
    """Whether this is the process that writes for all."""
    return jax.process_index() == 0

  def wait(self, what: str) -> None:
    """Returns once all processes have come here."""
    if self.num_processes > 1:
      multihost_utils.sync_global_devices(what)

  def told(self, numbers: np.ndarray) -> np.ndarray:
    """What process 0 says, whatever others have; all of them have to ask."""
    if self.num_processes == 1:
      return numbers
    return np.asarray(multihost_utils.broadcast_one_to_all(numbers))

  def gathered(self, tree: Tree) -> list[Tree]:
    """What processes have, NumPy of the same shapes, from all of them; all of them have to ask."""
    if self.num_processes == 1:
      return [tree]
    every = multihost_utils.process_allgather(tree)
    return [jax.tree.map(lambda x, i=i: x[i], every) for i in range(self.num_processes)]
