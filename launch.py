"""Runs the experiment of a config: `python launch.py --config=configs/synthetic.py --workdir=DIR`."""

import sys
from pathlib import Path

from absl import app, flags
from ml_collections import config_flags

CONFIG = config_flags.DEFINE_config_file(
  "config", "configs/synthetic.py:taobao10,mlp,mamdr", "The experiment; its argument after a colon."
)
WORKDIR = flags.DEFINE_string("workdir", "runs/demo", "Folder for what the run leaves behind.")
OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace another experiment in the workdir.")


def main(argv: list[str]) -> None:
  if len(argv) > 1:
    raise app.UsageError(f"unexpected argument {argv[1]!r}; flags look like --config.alpha=0.01")
  from mamdr_jax import experiment, report  # after the flags, so that a bad one is quick to fail

  try:
    result = experiment.run(CONFIG.value, Path(WORKDIR.value), OVERWRITE.value)
  except (ValueError, FileNotFoundError) as error:
    sys.exit(f"error: {error}")
  print(report.domain_table(result))
  print(f"\n{report.method_table([result])}\n\n{WORKDIR.value}: {result['seconds']:.0f} s")


if __name__ == "__main__":
  app.run(main)
