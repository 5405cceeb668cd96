"""The tables and figures of experiments and studies.

python -m mamdr_jax.report RUNS...              prints the tables
python -m mamdr_jax.report RUNS... --out=DIR    writes report.md, its pictures and runs.csv
python -m mamdr_jax.report RUNS... --against=alternate    pairs that method with every other
"""

import sys
from pathlib import Path

from absl import app, flags

from mamdr_jax import report


def main(workdirs: list[Path], out: Path | None, with_paper: bool, first: str | None) -> None:
  if not workdirs:
    sys.exit("error: give at least one workdir: python -m mamdr_jax.report RUNS... [--out=DIR]")
  try:
    if out:
      print(*report.write_report(workdirs, out, with_paper, first), sep="\n")
      return
    results, left_out = report.read_all(report.find(workdirs))
    left_out += [f"not finished: {path}" for path in report.unfinished(workdirs)]
    print(report.compose(results, left_out, with_paper, first), end="")
  except (ValueError, OSError) as error:
    sys.exit(f"error: {error}")


if __name__ == "__main__":
  OUT = flags.DEFINE_string("out", None, "Folder for report.md, its pictures and runs.csv.")
  PAPER = flags.DEFINE_bool("paper", False, "Put the paper's values, on its own data, beside.")
  FIRST = flags.DEFINE_string("against", None, "The method to pair with every other.")
  sys.stdout.reconfigure(encoding="utf-8")  # whatever the locale
  app.run(
    lambda argv: main(
      [Path(x) for x in argv[1:]], OUT.value and Path(OUT.value), PAPER.value, FIRST.value
    )
  )
