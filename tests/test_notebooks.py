"""The notebooks run, and what is shown of them is what they hold.

A notebook is kept as text, NAME.py, and with its pictures as NAME.ipynb, which
`python notebooks/execute.py NAME.py` makes. As a Python file it runs without a kernel.
"""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jupytext
import nbformat
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("[0-9]*.py"))


def test_there_are_notebooks_and_none_without_its_text():
  assert len(NOTEBOOKS) >= 4
  assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NOTEBOOKS


# What the others and the README's pages do not do.
QUICK = {"01_two_domains_in_the_plane", "02_the_expansion_measured", "04_dr_and_the_sparse_domain"}


@pytest.mark.parametrize(
  "name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in NOTEBOOKS]
)
def test_a_notebook_runs(name):
  """With few epochs and seeds, in a process of its own: it sets how JAX compiles and computes."""
  environment = os.environ | {
    "QUICK": "1",
    "MPLBACKEND": "agg",
    "JAX_COMPILATION_CACHE_DIR": str(jax.config.jax_compilation_cache_dir),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
  }
  command = [sys.executable, "-W", "error", f"{name}.py"]
  done = subprocess.run(command, cwd=FOLDER, env=environment, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_what_is_shown_was_made_from_the_text(name):
  text = jupytext.read(FOLDER / f"{name}.py")
  shown = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
  cells = lambda notebook: [(cell.cell_type, cell.source) for cell in notebook.cells]
  assert cells(shown) == cells(text), f"python notebooks/execute.py notebooks/{name}.py"
  code = [cell for cell in shown.cells if cell.cell_type == "code"]
  assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
  outputs = [output for cell in code for output in cell.outputs]
  assert {output.output_type for output in outputs} <= {"display_data", "execute_result"}
  assert any("image/png" in output.data for output in outputs)
