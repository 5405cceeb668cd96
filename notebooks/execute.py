"""Executes text notebooks and writes each with its pictures beside it, as NAME.ipynb.

python notebooks/execute.py notebooks/0*.py
"""

import os
import sys
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient


def execute(path: Path) -> None:
  notebook = jupytext.read(path)
  for number, cell in enumerate(notebook.cells):
    cell.id = f"cell-{number}"  # by default they are drawn, and every execution differs
  folder = {"metadata": {"path": str(path.parent)}}
  NotebookClient(notebook, timeout=600, kernel_name="python3", resources=folder).execute()
  for cell in notebook.cells:
    cell.metadata.pop("execution", None)  # times of the day
  nbformat.write(notebook, path.with_suffix(".ipynb"))


if __name__ == "__main__":
  os.environ.pop("QUICK", None)
  for name in sys.argv[1:]:
    started = time.monotonic()
    execute(Path(name).resolve())
    print(f"{name}: {time.monotonic() - started:.0f} s")
