"""The cases of studies against one of them: `python -m results.cases OUT BASE STUDY ...`.

A STUDY is NAME=FOLDER, or a table NAME.csv that an earlier call has left. OUT gets that table of
each, a row a case and seed, and cases.md: for each case its mean validation AUC above that of the
case BASE, study by study, and the mean over studies; and the same of test AUC. ± is the deviation
over seeds of the difference, where there are several.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from mamdr_jax import results
from mamdr_jax.files import RESULT, write_aside, write_text
from mamdr_jax.markdown import table

SPLITS = ("valid", "test")


def measured(study: Path) -> pd.DataFrame:
  """A row a case and seed, of a folder or of a table of it."""
  if study.suffix == ".csv":
    return pd.read_csv(study)
  rows = []
  for path in sorted(study.glob("*/" + RESULT)):
    for run in sorted(results.read(path)["runs"], key=lambda run: run["seed"]):
      auc = {split: round(run[split]["mean_auc"], 6) for split in SPLITS}
      told = {name: run[name] for name in ("epochs", "best_epoch", "seconds")}
      rows.append({"case": path.parent.name, "seed": run["seed"]} | auc | told)
  return pd.DataFrame(rows, columns=["case", "seed", *SPLITS, "epochs", "best_epoch", "seconds"])


def aucs(study: pd.DataFrame, base: str) -> dict[str, np.ndarray]:
  """Case -> (validation, test) AUC of each seed, [2, R]; ValueError if `base` is not there."""
  found = {case: of[list(SPLITS)].to_numpy().T for case, of in study.groupby("case")}
  if base not in found:
    raise ValueError(f"the case {base} has not ended; there are {', '.join(found) or 'none'}")
  return found


def gained(gain: np.ndarray) -> str:
  """The mean over seeds, with the deviation of several: [R]."""
  several = f" ± {gain.std(ddof=1):.4f}" if gain.size > 1 else ""
  return f"{gain.mean():+.4f}{several}"


def main(out: Path, base: str, studies: dict[str, Path]) -> None:
  """Prints and keeps the table, cases with the largest mean gain on validation first."""
  tables = {name: measured(study) for name, study in studies.items()}
  found = {name: aucs(study, base) for name, study in tables.items()}
  cases = dict.fromkeys(case for of in found.values() for case in of)
  gains = {
    case: {name: of[case] - of[base] for name, of in found.items() if case in of} for case in cases
  }
  mean = lambda case, i: np.mean([gain[i].mean() for gain in gains[case].values()])
  rows = []
  for case in sorted(cases, key=lambda case: -mean(case, 0)):
    row = [case]
    for i in range(len(SPLITS)):
      row += [gained(gains[case][name][i]) if name in gains[case] else "" for name in found]
      row += [f"{mean(case, i):+.4f}"] * (len(found) > 1)
    rows.append(row)
  columns = [*found, *["mean"] * (len(found) > 1)]
  text = table(["case", *(f"{name}, {split}" for split in SPLITS for name in columns)], rows)
  for name, of in found.items():
    told = " and ".join(f"{x.mean():.4f} ({s})" for x, s in zip(of[base], SPLITS, strict=True))
    text += f"\n\n{base} on {name}: {told}."
  print(text)
  out.mkdir(parents=True, exist_ok=True)
  write_text(out / "cases.md", text + "\n")
  for name, of in tables.items():
    write = lambda path, of=of: of.to_csv(path, index=False, float_format="%.6g")
    write_aside(out / f"{name}.csv", write)


if __name__ == "__main__":
  parser = argparse.ArgumentParser()
  parser.add_argument("out", type=Path)
  parser.add_argument("base")
  parser.add_argument("studies", nargs="+", help="NAME=FOLDER, or NAME.csv")
  given = parser.parse_args()
  pairs = (text.rpartition("=") for text in given.studies)
  main(given.out, given.base, {name or Path(path).stem: Path(path) for name, _, path in pairs})
