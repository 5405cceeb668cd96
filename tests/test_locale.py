"""The command line where the locale is ASCII."""

import csv
import os
import subprocess
import sys

import numpy as np
from made_results import ROOT

from mamdr_jax import files

ASCII = {
  "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii",
}  # fmt: skip


def test_a_domain_with_an_umlaut_is_trained_and_told(tmp_path):
  rng = np.random.default_rng(0)
  columns = rng.integers(30, size=200), rng.integers(20, size=200), rng.integers(2, size=200)
  rows = zip(*columns, rng.choice(["a", "Bücher"], 200), strict=True)
  with (tmp_path / "clicks.csv").open("w", encoding="utf-8", newline="") as file:
    csv.writer(file).writerows([("user", "item", "label", "domain"), *rows])
  changes = {"data.path": tmp_path / "clicks.csv", "data.label": "label", "epochs": 1}
  changes |= {"batch_size": 64, "model.embedding_size": 4}
  flags = [f"--config.{key}={value}" for key, value in changes.items()]
  command = [sys.executable, "launch.py", "--config=configs/table.py:mlp,alternate", *flags]
  command.append(f"--workdir={tmp_path / 'run'}")
  done = subprocess.run(command, cwd=ROOT, env=os.environ | ASCII, capture_output=True)
  assert done.returncode == 0 and b"Traceback" not in done.stderr
  assert "| Bücher " in done.stdout.decode("utf-8")
  assert "Bücher" in (tmp_path / "run" / files.CSV).read_text(encoding="utf-8")
  assert (tmp_path / "run" / files.CURVES).exists()
