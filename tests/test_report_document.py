"""Workdirs -> a report."""

import subprocess
import sys

import pytest
from made_results import ROOT, a_result, a_run, save

from mamdr_jax import files, report
from mamdr_jax.report import __main__


def test_report_of_a_study(study, tmp_path):
  sweep = [a_run((0.5, 0.6, 0.7), alpha=a, beta=b, seed=s)
           for a in (0.1, 0.2) for b in (0.3, 0.4) for s in (0, 1)]  # fmt: skip
  sweep[0] = a_run((None, 0.6, 0.7), alpha=0.1, beta=0.3, diverged=True)
  for k in (2, 4):
    result = a_result(sweep, method="mamdr", k=k, data={"name": "synthetic", "preset": "taobao10"})
    save(study / f"k{k}", result)
  (study / "begun").mkdir()
  (study / "begun" / files.CONFIG).write_text("{}")
  written = report.write_report([study], tmp_path / "out")
  assert all(path.stat().st_size for path in written)
  assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
    p.name for p in written
  )
  assert [path.name for path in written if not path.name.startswith("auc_")] == [
    *("report.md", "runs.csv", "ranks_amazon_6.png", "k_synthetic_taobao10_MLP+MAMDR.png"),
    *("rates_synthetic_taobao10_MLP+MAMDR_method.k_2.png",),
    *("rates_synthetic_taobao10_MLP+MAMDR_method.k_4.png",),
    *("methods_amazon_6_mlp.png", "methods_amazon_6_wdl.png"),
  ]
  text = (tmp_path / "out" / "report.md").read_text()
  headings = [line for line in text.splitlines() if line.startswith("## ")]
  assert headings == [
    "## Experiments",
    "## Models and methods on synthetic taobao10, amazon 6 (as Table V)",
    "## Ablation of MLP+MAMDR on synthetic taobao10, amazon 6 (as Table VI)",
    "## Learning frameworks on amazon 6 (as Table X)",
    "## One method against the others",
    "## AUC per domain on amazon 6, MLP (as Table VII)",
    "## AUC per domain on amazon 6, WDL (as Table VII)",
    "## Rates of k2 on synthetic taobao10",
    "## Rates of k4 on synthetic taobao10",
    "## What was spent",
    "## Average ranks", "## Number of helpers (as Fig. 8)", "## Rates (as Fig. 9)",
    "## Methods over epochs", "## Domains over epochs",
  ]  # fmt: skip
  assert f"left out: not finished: {study / 'begun'}" in text
  assert (
    "Clark's min F′" in text and "Friedman's test asks" in text and "† A run of it diverged" in text
  )
  assert "paper" not in text


def test_one_experiment_compares_nothing(study, tmp_path):
  written = report.write_report([study / "mlp" / "mamdr"], tmp_path / "out")
  names = [path.name for path in written]
  assert names == ["report.md", "runs.csv", "auc_amazon_6_mlp_mamdr.png"]
  assert [x for x in written[0].read_text().splitlines() if x.startswith("#")] == [
    *("# Report", "## Experiments", "## Domains over epochs")
  ]


def test_command(study):
  command = [sys.executable, "-m", "mamdr_jax.report", str(study / "wdl"), "--paper"]
  printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
  assert "(0.7449)" in printed and "**on its own data**" in printed


def test_bad_command_line_is_one_sentence(tmp_path):
  with pytest.raises(SystemExit, match=f"error: {tmp_path}: no result.json in it or below it"):
    __main__.main([tmp_path], None, False, None)
  with pytest.raises(SystemExit, match="error: give at least one workdir"):
    __main__.main([], tmp_path, False, None)
