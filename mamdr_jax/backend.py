"""What JAX is told before it compiles: a flag for NVIDIA GPUs, and where compiled programs stay.

Importing `mamdr_jax` sets the flag; XLA reads it once, with the first program of the process, so
import before that. The command line keeps compiled programs; from Python call `keep_compiled`.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import sys
import tempfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path

# jaxlib of these versions adds up float32 at repeated indices on CUDA by compare and swap, 450 to
# 5000 times slower (jax-ml/jax#38806, openxla/xla#46225): the gradient of every lookup, and
# `segment_sum`. With the option, LLVM takes the hardware's addition, as before 0.10.2.
SLOW_SCATTER = ("0.10.2", "0.11.0")
CUDA = ("jax_cuda12_plugin", "jax_cuda13_plugin")
OPTION = "-nvptx-allow-ftz-atomics"
OPTIONS = "--xla_backend_extra_options="

LIMIT = 2**30  # bytes of compiled programs that may stay


def set_flags() -> None:
  """Brings `XLA_FLAGS` into the form that this installation needs."""
  plugins = [name for name in CUDA if importlib.util.find_spec(name)]
  given = os.environ.get("XLA_FLAGS", "")
  flags = with_fast_scatter(given, importlib.metadata.version("jaxlib"), plugins)
  if flags != given:
    os.environ["XLA_FLAGS"] = flags


def with_fast_scatter(flags: str, jaxlib: str, plugins: Collection[str]) -> str:
  """XLA's flags, with the option for fast additions where a CUDA plugin meets a slow jaxlib."""
  if jaxlib not in SLOW_SCATTER or not plugins or OPTION in flags:
    return flags
  if OPTIONS in flags:  # of a flag given twice, XLA would heed one
    return flags.replace(OPTIONS, f"{OPTIONS}{OPTION},")
  return f"{flags} {OPTIONS}{OPTION}".strip()


def keep_compiled(folder: str | None = None) -> None:
  """Compiled programs go to a folder, and the next process finds them there.

  Args:
    folder: where; "" keeps none. By default what JAX has been told, by JAX_COMPILATION_CACHE_DIR
      say, else the user's cache folder, where the programs used last stay, up to 1 GiB.

  Says so and goes on without where the folder cannot be written.
  """
  import jax  # here, because its import takes a second, and `mamdr_jax` imports this file

  if folder is None and jax.config.jax_compilation_cache_dir:
    return
  if folder == "":
    jax.config.update("jax_compilation_cache_dir", None)
    return
  try:
    path = Path(folder) if folder else own_folder(os.environ, processor())
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path):
      pass
    if not folder:
      prune(path, LIMIT)
  except (OSError, RuntimeError) as error:  # RuntimeError: nobody knows the home folder
    print(f"compiled programs are not kept: {error}", file=sys.stderr)
    return
  jax.config.update("jax_compilation_cache_dir", str(path))
  # Many programs are small; keeping them all makes a second start a third shorter.
  jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def own_folder(env: Mapping[str, str], processor: str) -> Path:
  """A folder for each kind of processor: a program compiled for one may crash on another."""
  base = env.get("XDG_CACHE_HOME", "")
  return (Path(base) if base else Path.home() / ".cache") / "mamdr_jax" / f"xla-{processor}"


def processor() -> str:
  """A short name of what this machine's processor is and can do."""
  try:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
  except OSError:
    lines = [platform.processor()]
  told = ("vendor_id", "cpu family", "model", "flags", "Features", "CPU")
  kinds = sorted({line for line in lines if line.startswith(told)}) or lines
  return f"{platform.machine()}-{zlib.crc32(repr(kinds).encode()):08x}"


def prune(folder: Path, limit: int) -> None:
  """Deletes the programs used longest ago, until the others take at most `limit` bytes."""
  with contextlib.suppress(FileNotFoundError):  # another process is at it
    stats = {path: path.stat() for path in folder.glob("*-cache")}
    last_used = lambda path: max(stats[path].st_atime, stats[path].st_mtime)
    size = 0
    for path in sorted(stats, key=last_used, reverse=True):
      size += stats[path].st_size
      if size > limit:
        path.unlink()
