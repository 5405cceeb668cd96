"""Rows for other systems, and their scores for the report.

python -m mamdr_jax.external rows WORKDIR --out=FOLDER [--trust]
python -m mamdr_jax.external import SCORES --like=WORKDIR --name=NAME --out=FOLDER [--trust]

WORKDIR is that of an experiment that has ended, SCORES a .csv, .csv.gz or .parquet file.
"""

import sys

from absl import app, flags, logging

from mamdr_jax.external import import_scores, write_rows

COMMANDS = {"rows": ("out",), "import": ("like", "name", "out")}  # and what they need


def main(argv: list[str], options: dict[str, str | None], trust: bool) -> None:
  """Does what the words of a command line ask, with these options, and says what was done."""
  if len(argv) != 2 or argv[0] not in COMMANDS:
    sys.exit(f"error: give a command, one of {', '.join(COMMANDS)}, and what it takes")
  command, path = argv
  if lacking := [name for name in COMMANDS[command] if not options[name]]:
    sys.exit(f"error: {command}: --{lacking[0]} is lacking")
  try:
    if command == "rows":
      counts = write_rows(path, options["out"], trust=trust)
      told = ", ".join(f"{count:,} of {split}" for split, count in counts.items())
      print(f"{options['out']}: rows, {told}")
    else:
      result = import_scores(path, trust=trust, **options)
      runs = len(result["runs"])
      print(f"{options['out']}: the scores of {options['name']}, {runs} run{'s' * (runs > 1)}")
  except (ValueError, OSError) as error:
    sys.exit(f"error: {' '.join(str(error).split())}")


if __name__ == "__main__":
  OUT = flags.DEFINE_string("out", None, "The folder that is to be written.")
  LIKE = flags.DEFINE_string("like", None, "The workdir whose test rows have the scores.")
  NAME = flags.DEFINE_string("name", None, "What tables are to call the system.")
  TRUST = flags.DEFINE_bool("trust", False, "Let the config of the workdir say what is read.")
  logging.set_verbosity(logging.WARNING)
  given = lambda: {flag.name: flag.value for flag in (OUT, LIKE, NAME)}
  app.run(lambda argv: main([*map(str, argv[1:])], given(), TRUST.value))
