"""Every figure of benchmarks/ on an accelerator: `python -m benchmarks.accelerator --out=DIR`.

Each benchmark is a process of its own, with what it prints in DIR/NAME.md; one that fails is said,
and the others go on. Takes hours: `--only=NAME,NAME` runs some. Determinism and runs side by side
are in lanes.md, additions at repeated indices in scatter.md and scatter_plain.md, the latter
without the flag that mamdr_jax sets.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mamdr_jax import files

ROOT = Path(__file__).resolve().parents[1]
# name -> arguments of Python; {out} is DIR, {folder} one that goes in the end.
COMMANDS = {
  "scatter": ("-m", "benchmarks.scatter"),
  "scatter_plain": ("-m", "benchmarks.scatter", "--plain"),
  "lanes": ("-m", "benchmarks.lanes"),
  "auc": ("-m", "benchmarks.auc"),
  "step": ("-m", "benchmarks.step"),
  "models": ("-m", "benchmarks.models"),
  "methods": ("-m", "benchmarks.methods", "--out={out}"),
  "sweep": ("-m", "benchmarks.sweep"),
  "domains": ("-m", "benchmarks.domains", "--out={out}"),
  "demo": ("launch.py", "--workdir={folder}/demo"),
  "serving": ("-m", "benchmarks.serving", "{folder}/demo/model"),
  "generator": ("-m", "benchmarks.generator"),
  "stream": ("-m", "benchmarks.stream", "{folder}/rows"),
}
DEVICE = (
  "-c",
  "import jax, mamdr_jax.machine as m; print(jax.default_backend(), jax.__version__, m.device())",
)


def main(out: str, only: str = "", anyway: bool = False) -> None:
  chosen = only.split(",") if only else list(COMMANDS)
  if unknown := [name for name in chosen if name not in COMMANDS]:
    sys.exit(f"error: --only={unknown[0]}; choose some of {', '.join(COMMANDS)}")
  told = python(DEVICE)
  if told.returncode:
    sys.exit(f"error: JAX does not start: {told.stderr.strip().splitlines()[-1]}")
  platform, version, device = told.stdout.strip().split(" ", 2)
  if platform == "cpu" and not anyway:
    sys.exit("error: there is no accelerator here, or JAX does not see it; --anyway goes on")
  print(f"device: {device}, jax {version}\n", flush=True)
  out, failed = Path(out).resolve(), []
  out.mkdir(parents=True, exist_ok=True)
  with tempfile.TemporaryDirectory(dir=out) as folder:
    for name in chosen:
      begun = time.perf_counter()
      done = python([x.format(out=out, folder=folder) for x in COMMANDS[name]])
      told = f"{name}: {time.perf_counter() - begun:.0f} s"
      if done.returncode:
        failed.append(name)
        told += f", failed: {(done.stderr.strip() or 'without a word').splitlines()[-1]}"
        files.write_text(out / f"{name}.err", done.stderr)
      else:
        files.write_text(out / f"{name}.md", done.stdout)
      print(f"{told}\n\n{done.stdout}", flush=True)
  if failed:
    sys.exit(f"error: of {len(chosen)} benchmarks failed {', '.join(failed)}; see {out}/NAME.err")


def python(arguments) -> subprocess.CompletedProcess:
  """Runs Python in the root of the repository, where no process takes all of a GPU's memory."""
  env = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
  return subprocess.run(
    [sys.executable, *arguments], cwd=ROOT, env=env, capture_output=True, text=True
  )


if __name__ == "__main__":
  parser = argparse.ArgumentParser()
  parser.add_argument("--out", required=True, help="folder for a page of every benchmark")
  parser.add_argument("--only", default="", help="some of them, e.g. scatter,lanes")
  parser.add_argument("--anyway", action="store_true", help="also without an accelerator")
  options = parser.parse_args()
  main(options.out, options.only, options.anyway)
