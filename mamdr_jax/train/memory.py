"""How many runs go side by side: what XLA says of the program that trains them."""

import functools
import sys

import jax
import jax.numpy as jnp

from mamdr_jax.core import DomainBatches, Hparams
from mamdr_jax.train import run as life
from mamdr_jax.train.devices import Dealt
from mamdr_jax.train.run import Setup

SHARE = 0.9  # of the device's memory that runs may take


def bytes_of_epoch(setup: Setup, train: DomainBatches, valid: DomainBatches, lanes: int) -> int:
  """Memory that an epoch of `lanes` runs takes: their states, data, and what is made meanwhile.

  It is asked of the compiled program, which is not run.
  """
  keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), lanes))
  rates = Hparams(*[jax.ShapeDtypeStruct((lanes,), jnp.float32)] * 3)
  most = 0
  for phase, method in enumerate(filter(None, (setup.method.base, setup.method))):
    runs = life.shapes(setup, phase, keys, train)
    advance = functools.partial(life.advance, setup._replace(method=method))
    advance = life.unless_stopped(advance)
    advance = jax.vmap(advance, (0, 0, 0, None, None))
    lowered = jax.jit(advance, donate_argnums=0).lower(runs, keys, rates, train, valid)
    of = lowered.compile().memory_analysis()
    kept = of.argument_size_in_bytes + of.output_size_in_bytes - of.alias_size_in_bytes
    most = max(most, kept + of.temp_size_in_bytes)
  return most


def beyond(program: Dealt, *args) -> int:
  """Bytes that a call of a compiled function takes on a device beyond its arguments.

  It compiles the function, if that has not been done, and the call does not do so again.
  """
  of = program.lower(*args).compile().memory_analysis()
  return of.output_size_in_bytes - of.alias_size_in_bytes + of.temp_size_in_bytes


def estimate(setup: Setup, train: DomainBatches, valid: DomainBatches) -> tuple[int, int]:
  """(bytes that any number of runs share, bytes that each adds): from two runs and from three.

  One alone would tell less: of an axis of length 1 XLA makes a program without some of the copies.
  """
  two, three = (bytes_of_epoch(setup, train, valid, lanes) for lanes in (2, 3))
  each = three - two
  return two - 2 * each, each


def lanes_that_fit(num_runs: int, setup: Setup, train: DomainBatches, valid: DomainBatches) -> int:
  """How many of the `num_runs` of a device go side by side there. Prints the estimate.

  On a CPU it is 1, which is faster there.
  """
  device = jax.local_devices()[0]
  if device.platform == "cpu" or num_runs <= 1:
    return 1
  shared, each = estimate(setup, train, valid)
  memory = (device.memory_stats() or {}).get("bytes_limit", 2**33)
  lanes = max(1, min(num_runs, int((SHARE * memory - shared) / each)))
  sizes = f"a run takes {each / 2**20:.1f} MiB, all of them share {shared / 2**20:.1f} MiB, and the"
  print(
    f"{sizes} device has {memory / 2**30:.1f} GiB: {lanes} of {num_runs} runs side by side",
    file=sys.stderr,
  )
  return lanes
