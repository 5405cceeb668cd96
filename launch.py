"""Runs the experiment of a config.

python launch.py                                                       a demo on synthetic data
python launch.py --config=configs/FILE.py:ARG --config.KEY=VALUE --workdir=DIR
python launch.py --config=configs/FILE.py:ARG --statistics             Tables I-IV of the data
"""

import sys
from pathlib import Path

from absl import app, flags, logging
from ml_collections import config_flags

FLAGS = flags.FLAGS
DEMO = "configs/synthetic.py:taobao10,mlp,mamdr"


def main(argv: list[str]) -> None:
  if len(argv) > 1:
    sys.exit(f"error: unexpected argument {argv[1]!r}; flags look like --config.alpha=0.01")
  logging.set_verbosity(logging.WARNING)
  from mamdr_jax import experiment, report  # after the flags, so that a bad one fails at once

  try:
    if FLAGS.statistics:
      print(experiment.statistics(FLAGS.config))
      return
    result = experiment.run(FLAGS.config, Path(FLAGS.workdir), FLAGS.overwrite)
  except (ValueError, OSError) as error:
    sys.exit(f"error: {sentence(error)}")
  if len(report.by_setting(result)) > 1:
    print(f"{report.setting_table(result)}\n\nWith the best of these:\n")
  print(
    f"{report.domain_table(result)}\n\n{report.method_table({Path(FLAGS.workdir).name: result})}\n"
  )
  print(f"{FLAGS.workdir}: {result['seconds']:.0f} s on {result['device']}")


def define() -> None:
  """Declares the flags; a config's own keys are checked here already."""
  config_flags.DEFINE_config_file("config", DEMO, "The experiment; its argument after a colon.")
  flags.DEFINE_string("workdir", "runs/demo", "Folder for what the run leaves behind.")
  flags.DEFINE_bool("overwrite", False, "Replace another experiment in the workdir.")
  flags.DEFINE_bool("statistics", False, "Print what the data set holds, and stop.")


def parse(argv: list[str]) -> list[str]:
  """The flags, or one sentence about the one that is wrong."""
  try:
    define()
    return FLAGS(argv)
  except (AttributeError, KeyError) as error:
    sys.exit(f"error: the config has no key {sentence(error)}")
  except flags.Error as error:
    sys.exit(f"error: {sentence(error).rsplit('ValueError: ', 1)[-1]}")


def sentence(error: Exception) -> str:
  """The message of an error on one line, without the quoting that re-raising adds."""
  lines = str(error).replace("\\n", "\n").replace("\\", "").splitlines()
  return " ".join(line.strip(' "') for line in lines if line.strip(' "'))


if __name__ == "__main__":
  app.run(main, flags_parser=parse)
