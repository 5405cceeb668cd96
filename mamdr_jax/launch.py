"""The command line: runs the experiment of a config.

python launch.py                                                       a demo on synthetic data
python launch.py --config=configs/FILE.py:ARG --config.KEY=VALUE --workdir=DIR
python launch.py --config=configs/FILE.py:ARG --statistics             Tables I-IV of the data
python launch.py --config=configs/paper.py:table10 --workdir=DIR       a study of many experiments

Once installed it is called `mamdr-launch`, and works in any folder: where that has no file
`configs/FILE.py`, the one that comes with the library is meant.
"""

import os
import re
import sys
from pathlib import Path

from absl import app, flags, logging
from ml_collections import config_flags

from mamdr_jax import processes

FLAGS = flags.FLAGS
DEMO = "configs/synthetic.py:taobao10,mlp,mamdr"
ALL = "0/1"
# In a wheel the configs lie inside the package, in a checkout beside it.
SHIPPED = (Path(__file__).parent, Path(__file__).parents[1])


def run() -> None:
  """The command `mamdr-launch`."""
  sys.stdout.reconfigure(encoding="utf-8")  # for the tables' α and ±, whatever the locale
  app.run(main, flags_parser=parse)


def main(argv: list[str]) -> None:
  if len(argv) > 1:
    sys.exit(f"error: unexpected argument {argv[1]!r}; flags look like --config.alpha=0.01")
  logging.set_verbosity(logging.WARNING)
  if FLAGS.local > 1 and processes.PROCESS not in os.environ:
    command = [sys.executable, *sys.argv]
    sys.exit(processes.start(FLAGS.local, command, Path(FLAGS.workdir), FLAGS.heartbeat))
  # Imported after the flags, so that a bad one fails at once.
  import jax

  from mamdr_jax import (
    advice,
    assembly,
    backend,
    budget,
    experiment,
    report,
    shares,
    study,
    training,
    workers,
  )

  backend.keep_compiled(FLAGS.compilation_cache)

  if not FLAGS.workdir:
    sys.exit("error: --workdir is empty; name a folder for what the run leaves behind")
  config, workdir = FLAGS.config, Path(FLAGS.workdir)
  told = os.environ.get(processes.PROCESS) or FLAGS.distributed
  looking = {"watch": FLAGS.watch, "profile": FLAGS.profile}
  try:
    if told:
      # Those that were started here are watched by the one that started them.
      processes.join(told, FLAGS.heartbeat, workdir if FLAGS.distributed else None)
    if told and (config.cases or config.sweep.over):
      sys.exit("error: several processes train one experiment, and this is a study")
    if FLAGS.statistics:
      print(assembly.statistics(config))
      return
    if told and jax.process_index():
      training.follow(config, workdir)
      return
    if FLAGS.minutes is not None:
      config = budget.fitted(config, workdir, FLAGS.minutes)
    if config.cases or config.sweep.over:
      share = share_of(FLAGS.share)
      results = study.run(config, workdir, FLAGS.overwrite, FLAGS.only, share, **looking)
    elif FLAGS.share != ALL:
      if FLAGS.overwrite:
        raise ValueError("--overwrite is not for shares of runs; choose another --workdir")
      results = {workdir.name: shares.run(config, workdir, share_of(FLAGS.share), **looking)}
    else:
      results = {workdir.name: experiment.run(config, workdir, FLAGS.overwrite, **looking)}
  except KeyboardInterrupt:
    print(f"\ninterrupted; the same command goes on from what {workdir} holds", file=sys.stderr)
    sys.exit(130)
  except workers.Stopped as error:
    print(f"{error}; the same command goes on from there", file=sys.stderr)
    return
  except (ValueError, OSError) as error:
    if told and processes.gone(error):
      processes.leave(workdir)
    if told:
      processes.fail(sentence(error))
    sys.exit(f"error: {sentence(error)}")
  except (MemoryError, jax.errors.JaxRuntimeError) as error:
    if not (isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)):
      if told and processes.gone(error):
        processes.leave(workdir)
      raise
    cure = "a smaller batch_size or model, or lanes=1, takes less"
    sys.exit(f"error: memory is not enough; {cure} ({sentence(error)[:120]})")
  first, *others = results.values()
  if not others:
    if len(report.by_setting(first)) > 1:
      print(f"{report.setting_table(first)}\n\nWith the best of these:\n")
    print(f"{report.domain_table(first)}\n")
  seconds = sum(result["seconds"] for result in results.values())
  print(f"{report.method_table(results)}\n")
  for heading, body in report.measure_sections(report.cells_of(results)):
    print(f"{heading}:\n\n{body}\n")
  if others:
    print(f"{report.verdict(results)}\n")
    for said in advice.of_study(results):
      print(f"{said}\n")
  print(f"{workdir}: {seconds:.0f} s on {first['device']}")


def define() -> None:
  """Declares the flags; a config's own keys are checked here already."""
  config_flags.DEFINE_config_file(
    "config", shipped(DEMO), "The experiment; its argument after a colon."
  )
  flags.DEFINE_string("workdir", "runs/demo", "Folder for what the run leaves behind.")
  flags.DEFINE_bool("overwrite", False, "Replace another experiment in the workdir.")
  flags.DEFINE_string("only", "*", "Of a study, the cases to run: a pattern such as 'star/*'.")
  flags.DEFINE_string(
    "share", ALL, "Every W-th case of a study, or run of a sweep, from number I on: I/W."
  )
  flags.DEFINE_string(
    "compilation_cache", None, "Folder for compiled programs, '' for none; by default the user's."
  )
  flags.DEFINE_string(
    "watch", "", "Who looks on: tensorboard, wandb or wandb:PROJECT, with a comma between."
  )
  flags.DEFINE_float("minutes", None, "About so long may a search of several methods take.")
  flags.DEFINE_integer("profile", 0, "An epoch whose trace logs/profile/ of the workdir gets.", 0)
  flags.DEFINE_integer("local", 1, "So many processes of this machine train together.", 1)
  flags.DEFINE_string(
    "distributed", None, "This is one of several processes: HOST:PORT,I,P, or auto on a cluster."
  )
  flags.DEFINE_integer("heartbeat", 30, "Seconds until a process that says nothing is gone.", 1)
  flags.DEFINE_bool("statistics", False, "Print what the data set holds, and stop.")


def shipped(argument: str) -> str:
  """A config `configs/FILE.py` that the working folder lacks, as the path of the library's own."""
  named = re.fullmatch(r"(--?config=)?(configs/[^:]+)(:.*)?", argument)
  if not named or Path(named[2]).exists():
    return argument
  found = (folder / named[2] for folder in SHIPPED if (folder / named[2]).exists())
  return f"{named[1] or ''}{next(found, named[2])}{named[3] or ''}"


def share_of(text: str) -> tuple[int, int]:
  """The numbers of `--share=I/W`; ValueError if they are none, or I is not below W."""
  found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
  if not found or int(found[1]) >= int(found[2]):
    raise ValueError(f"--share={text}: expected I/W, I below W, 0/2 and 1/2 for two processes")
  return int(found[1]), int(found[2])


def parse(argv: list[str]) -> list[str]:
  """The flags, or one sentence about the one that is wrong."""
  try:
    define()
    return FLAGS([shipped(argument) for argument in argv])
  except (AttributeError, KeyError) as error:
    told = sentence(error)
    if "'get_config'" in told:
      sys.exit("error: --config: expected a file in Python that defines get_config")
    sys.exit(f"error: the config has no key {told}")
  except SyntaxError as error:
    place = f"{error.filename}, line {error.lineno}"
    sys.exit(f"error: {place}: expected a config in Python: {error.msg}")
  except flags.Error as error:
    sys.exit(f"error: {sentence(error).rsplit('ValueError: ', 1)[-1]}")


def sentence(error: Exception) -> str:
  """The message of an error on one line, without the quoting that re-raising adds."""
  text = str(error)
  if not isinstance(error, ValueError | OSError):  # absl quotes what it raises again
    text = text.replace("\\n", "\n").replace("\\", "")
  lines = text.splitlines()
  return " ".join(line.strip(' "') for line in lines if line.strip(' "'))
