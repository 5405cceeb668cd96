"""Names that Markdown, matplotlib or a spreadsheet would read; other locales; broken files."""

import csv
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from made_results import ROOT, a_result, a_run, save

from mamdr_jax import files, report
from mamdr_jax.report import canvas

NAMES = (
  *("plain", "<script>alert(1)</script>", "a|b", '=HYPERLINK("http://x")', "$5-$10", "_hidden"),
  *("![x](http://evil/p.png)", r"$\frac{$", "mean", "two\nlines", "日本", "x" * 300),
)


def hostile(method="mamdr", **more):
  """Two runs on domains of these names; the data set and the model have such names too."""
  runs = []
  for seed in (0, 1):
    run = a_run((), seed=seed) | more
    auc = {name: 0.5 + 0.01 * i + 0.1 * seed for i, name in enumerate(NAMES)}
    figures = {"auc": auc, "mean_auc": 0.6, "weighted_auc": 0.6, "log_loss": 0.5}
    runs.append(run | {"valid": figures, "test": figures})
  data = {"name": "table", "path": "/x/$5|<b>.csv"}
  return a_result(runs, "_$m|x$", method, data=data)


@pytest.fixture
def hostile_study(tmp_path):
  for method in ("alternate", "mamdr"):
    save(tmp_path / "=study" / f"{method}|<i>$", hostile(method))
  return tmp_path / "=study"


def test_names_are_text_in_the_whole_report(hostile_study, tmp_path):
  written = report.write_report([hostile_study], tmp_path / "out")
  assert all(path.stat().st_size for path in written)
  assert len(written) == 2 + 4  # ranks, methods over epochs, and domains over epochs of two
  text = written[0].read_text(encoding="utf-8")
  assert not re.search(r"(?<!\\)<|(?<!\\)!\[x\]\(|(?<!\\)\$", text.replace("&lt;", ""))
  for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
    cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
    assert len(cells) == 1  # as many columns in every line
  for name in ("a\\|b", "two lines", "日本", "| mean ", "| mean over domains"):
    assert name in text
  pictures = re.findall(r"(?<!\\)!\[.*\]\((.*)\)", text)
  assert sorted(pictures) == sorted(path.name for path in written[2:])


def test_no_cell_of_the_flat_table_is_a_formula(hostile_study, tmp_path):
  results, _ = report.read_all(report.find([hostile_study]))
  results = {f"={name}": result for name, result in results.items()}
  report.write_runs(results, tmp_path / "runs.csv")
  with (tmp_path / "runs.csv").open(newline="", encoding="utf-8") as file:
    rows = list(csv.reader(file))
  assert len({len(row) for row in rows}) == 1 and len(rows) == 5
  assert not any(cell[:1] in tuple("=+-@\t\r") for row in rows for cell in row if cell)
  assert rows[1][0].startswith("'=")
  assert [column[9:] for column in rows[0] if column.startswith("test_auc/")] == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_legends_show_every_name(name, tmp_path):
  with canvas.drawing(tmp_path / "a.png", (3, 2)) as (figure, axes):
    axes.plot([0, 1], label=canvas.label(name))
    legend = figure.legend()
  (text,) = legend.get_texts()
  assert not text.get_text().count("\n") and len(text.get_text()) <= 60
  assert text.get_text().strip().replace(r"\$", "$")[:5] == " ".join(name.split())[:5]


def test_many_domains_are_drawn_as_quantiles(tmp_path):
  """As high as for a few."""
  auc = np.linspace(0.5, 0.9, 3000)
  run = a_run(())
  figures = {"auc": {f"D{i}": x for i, x in enumerate(auc)}, "mean_auc": 0.7}
  figures |= {"weighted_auc": 0.7, "log_loss": 0.5}
  save(tmp_path / "run", a_result([run | {"valid": figures, "test": figures}]))
  path = report.learning_curves(tmp_path / "run")
  width, height = np.frombuffer(path.read_bytes()[16:24], ">u4")  # of the header of a PNG
  assert (width, height) == (1350, 720)


@pytest.mark.parametrize(("key", "value"), [("alpha", None), ("gamma", float("nan"))])
def test_rates_that_are_no_numbers_are_named_and_left_out(study, key, value, tmp_path):
  path = study / "mlp" / "mamdr" / files.RESULT
  result = json.loads(path.read_text())
  result["runs"][1][key] = value
  path.write_text(json.dumps(result))
  with pytest.raises(ValueError, match=rf"{path}: the {key} of a run is .*, expected a number"):
    report.read(path.parent)
  text = report.write_report([study], tmp_path / "out")[0].read_text(encoding="utf-8")
  assert f"- left out: {path}: the {key} of a run is" in text and "MLP+DN" in text
  report.setting_table(result), report.method_table({"a": result})  # as launch prints them


def test_report_of_broken_files_alone_is_an_error(tmp_path):
  save(tmp_path / "run", a_result([a_run((0.5, 0.6), alpha=None)]))
  with pytest.raises(ValueError, match="the alpha of a run is null, expected a number"):
    report.write_report([tmp_path / "run"], tmp_path / "out")


def test_report_is_utf8_in_any_locale(tmp_path):
  save(tmp_path / "Bücher", hostile())
  locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
  command = [sys.executable, "-m", "mamdr_jax.report", str(tmp_path / "Bücher")]
  environment = os.environ | locale
  printed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
  assert "| Bücher |" in printed.stdout.decode("utf-8")
  command.append(f"--out={tmp_path / 'out'}")
  subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
  assert "| Bücher |" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
  assert "日本" in (tmp_path / "out" / "runs.csv").read_text(encoding="utf-8")
