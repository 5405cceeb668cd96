"""What moves MAMDR: `python -m results.best OUT NAME=STUDY ...`, of studies of `configs/best.py`.

OUT gets best.md: for each case its mean validation AUC above that of MAMDR as the search left it,
setting by setting, the mean over settings, and the same of test AUC; ± is the deviation over seeds
of the difference.
"""

import argparse
from pathlib import Path

import numpy as np

from mamdr_jax import results
from mamdr_jax.files import RESULT, write_aside
from mamdr_jax.markdown import table

BASE = "mamdr"


def aucs(study: Path) -> dict[str, np.ndarray]:
  """Case -> (validation, test) AUC of each seed, [2, R]; ValueError if MAMDR is not there."""
  found = {}
  for path in sorted(study.glob("*/" + RESULT)):
    runs = sorted(results.read(path)["runs"], key=lambda run: run["seed"])
    auc = [[run[split]["mean_auc"] for run in runs] for split in ("valid", "test")]
    found[path.parent.name] = np.array(auc)
  if BASE not in found:
    raise ValueError(f"{study}: the case {BASE} has not ended; see configs/best.py")
  return found


def main(out: Path, studies: dict[str, Path]) -> None:
  """Prints and keeps the table, cases with the largest mean gain first."""
  settings = {name: aucs(study) for name, study in studies.items()}
  cases = dict.fromkeys(case for of in settings.values() for case in of)
  gains = {
    case: [of[case] - of[BASE] if case in of else None for of in settings.values()]
    for case in cases
  }
  mean = lambda case, split: np.mean(
    [gain[split].mean() for gain in gains[case] if gain is not None]
  )
  rows = []
  for case in sorted(cases, key=lambda case: -mean(case, 0)):
    told = [
      "" if gain is None else f"{gain[0].mean():+.4f} ± {gain[0].std(ddof=gain[0].size > 1):.4f}"
      for gain in gains[case]
    ]
    tested = ["" if gain is None else f"{gain[1].mean():+.4f}" for gain in gains[case]]
    rows.append([case, *told, f"{mean(case, 0):+.4f}", *tested, f"{mean(case, 1):+.4f}"])
  header = ["case", *(f"{name}, valid" for name in settings), "mean, valid"]
  header += [*(f"{name}, test" for name in settings), "mean, test"]
  text = table(header, rows)
  for name, of in settings.items():
    told = " and ".join(
      f"{of[BASE][i].mean():.4f} ({split})" for i, split in enumerate(("valid", "test"))
    )
    text += f"\n\nMAMDR on {name}: {told}."
  print(text)
  out.mkdir(parents=True, exist_ok=True)
  write_aside(out / "best.md", lambda path: path.write_text(text + "\n", encoding="utf-8"))


if __name__ == "__main__":
  parser = argparse.ArgumentParser()
  parser.add_argument("out", type=Path)
  parser.add_argument("studies", nargs="+", help="NAME=STUDY")
  given = parser.parse_args()
  pairs = (text.partition("=") for text in given.studies)
  main(given.out, {name: Path(path) for name, _, path in pairs})
