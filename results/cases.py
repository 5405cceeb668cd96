"""The cases of studies against one of them: `python -m results.cases OUT BASE NAME=STUDY ...`.

OUT gets cases.md: for each case its mean validation AUC above that of the case BASE, study by
study, and the mean over studies; and the same of test AUC. ± is the deviation over seeds of the
difference, where there are several.
"""

import argparse
from pathlib import Path

import numpy as np

from mamdr_jax import results
from mamdr_jax.files import RESULT, write_aside
from mamdr_jax.markdown import table

SPLITS = ("valid", "test")


def aucs(study: Path, base: str) -> dict[str, np.ndarray]:
  """Case -> (validation, test) AUC of each seed, [2, R]; ValueError if `base` is not there."""
  found = {}
  for path in sorted(study.glob("*/" + RESULT)):
    runs = sorted(results.read(path)["runs"], key=lambda run: run["seed"])
    found[path.parent.name] = np.array([[r[s]["mean_auc"] for r in runs] for s in SPLITS])
  if base not in found:
    raise ValueError(f"{study}: the case {base} has not ended")
  return found


def gained(gain: np.ndarray) -> str:
  """The mean over seeds, with the deviation of several: [R]."""
  several = f" ± {gain.std(ddof=1):.4f}" if gain.size > 1 else ""
  return f"{gain.mean():+.4f}{several}"


def main(out: Path, base: str, studies: dict[str, Path]) -> None:
  """Prints and keeps the table, cases with the largest mean gain on validation first."""
  found = {name: aucs(study, base) for name, study in studies.items()}
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
  write_aside(out / "cases.md", lambda path: path.write_text(text + "\n", encoding="utf-8"))


if __name__ == "__main__":
  parser = argparse.ArgumentParser()
  parser.add_argument("out", type=Path)
  parser.add_argument("base")
  parser.add_argument("studies", nargs="+", help="NAME=STUDY")
  given = parser.parse_args()
  pairs = (text.partition("=") for text in given.studies)
  main(given.out, given.base, {name: Path(path) for name, _, path in pairs})
