"""Where and with what a run trains, as far as its figures depend on it, and how much fits."""

import functools
import hashlib
import os
import platform
from pathlib import Path

import flax
import jax
import numpy as np
import optax


def environment() -> dict:
  """What the digits of a result depend on, beside config, data and code."""
  return {
    "platform": jax.local_devices()[0].platform,
    "cores": num_cores(),
    "x64": bool(jax.config.jax_enable_x64),
    "matmul_precision": jax.config.jax_default_matmul_precision or "default",  # of training
    "versions": versions(),
  }


def versions() -> dict[str, str]:
  """Versions of what the figures depend on."""
  packages = {module.__name__: module.__version__ for module in (jax, flax, optax, np)}
  return {"python": platform.python_version()} | packages


def num_cores() -> int:
  """How many cores this process may use: sums are split among them, and round accordingly."""
  return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def check_memory(what: str, num_bytes: int, advice: str = "") -> None:
  """Raises a ValueError if `what` takes more memory than the machine or its device has."""
  has = memory()
  if num_bytes > has:
    raise ValueError(
      f"{what} would take at least {num_bytes / 2**30:,.1f} GiB, and this machine has "
      f"{has / 2**30:,.1f} GiB{advice and '; ' + advice}"
    )


def memory() -> int:
  """Bytes of memory of the first device; on a CPU the machine's, or what its container may use."""
  if limit := (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit"):
    return limit
  physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
  try:
    allowed = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
  except OSError:
    allowed = ""
  return min(physical, int(allowed)) if allowed.isdigit() else physical


def taken() -> int:
  """Bytes of memory that this process holds, as far as the system says; else 0."""
  try:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
  except OSError:
    return 0
  return int(pages) * os.sysconf("SC_PAGE_SIZE")


@functools.cache
def code() -> str:
  """A fingerprint of this package's source."""
  digest, root = hashlib.blake2b(digest_size=8), Path(__file__).parent
  for path in sorted(root.rglob("*.py")):
    digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
  return digest.hexdigest()


def device() -> str:
  """The device that trains, in words: "2 x cpu (AMD EPYC 7763)"."""
  first = jax.local_devices()[0]
  kind = first.device_kind if first.platform != "cpu" else _processor()
  number = len(jax.local_devices()) if first.platform != "cpu" else num_cores()
  return f"{number} x {first.platform} ({kind})"


def _processor() -> str:
  """The processor's name where Linux tells it."""
  try:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
  except OSError:
    return platform.processor() or platform.machine()
  names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
  return names[0] if names else platform.machine()
