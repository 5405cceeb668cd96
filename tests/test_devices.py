"""Runs over several devices: how they are dealt out, and all of it where a CPU counts as four."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from mamdr_jax.train.devices import chosen, groups_of, num_used, rung

HERE = Path(__file__).parent
FOUR = "--xla_force_host_platform_device_count=4"


def test_runs_and_workers_on_four_devices():
  files = "on_four_devices.py", "workers_on_devices.py"
  done = subprocess.run(
    [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files],
    cwd=HERE,
    env=os.environ | {"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {FOUR}"},
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0 and " passed" in done.stdout, done.stdout[-3000:]


def test_a_cpu_is_one_device_and_more_than_there_are_is_refused():
  assert chosen(0) == chosen(1) == (jax.devices()[0],)
  with pytest.raises(ValueError, match=r"devices=9: this machine has \d; expected at most so many"):
    chosen(9)


@pytest.mark.parametrize("num_runs", range(1, 40))
@pytest.mark.parametrize("num_devices", [1, 2, 3, 4, 5, 8])
def test_no_device_ever_has_more_runs_than_its_lanes(num_runs, num_devices):
  index, devices = np.arange(num_runs) + 7, range(num_devices)
  for lanes in (1, 2, 3, 7):
    groups = groups_of(index, lanes, num_devices)
    np.testing.assert_array_equal(np.concatenate(groups), index)
    fewest = -(-(num_runs // num_devices) // lanes) + bool(num_runs % num_devices)
    assert len(groups) == fewest
    for group in groups:
      size, going = group.size, group.size
      while True:
        used = num_used(devices, size)
        assert size <= lanes * used and used == min(size, num_devices)
        if going == 0:
          break
        going -= 1
        smaller = rung(going, size, num_devices)
        assert max(1, going) <= smaller <= size
        size = smaller
