"""The tables that scripts of results/ and benchmarks/ print, at sizes that tests give them.

A script has its sizes as constants at its head, which are made small.
"""

import importlib
from pathlib import Path

import numpy as np
from made_results import ROOT, rows_of

from mamdr_jax.machine import device


def printed(capsys, monkeypatch):
  """A function (script, arguments, sizes) -> the tables that its `main` prints, each as rows."""

  def run(name, *arguments, **sizes):
    module = importlib.import_module(name)
    assert Path(module.__file__).parent == ROOT / name.split(".")[0]
    for constant, value in sizes.items():
      monkeypatch.setattr(module, constant, value)
    module.main(*arguments)
    first, *blocks = capsys.readouterr().out.split("\n\n")
    if name.startswith("benchmarks"):
      assert first.startswith(f"device: {device()}")
    return [rows_of(block) for block in [first, *blocks] if block.startswith("|")]

  return run


def numbers(rows, column):
  """A column of figures below its header, all finite and none below 0."""
  place = rows[0].index(column)
  found = np.array([float(row[place].replace(",", "")) for row in rows[1:] if row[place]])
  assert found.size and np.isfinite(found).all() and (found >= 0).all()
  return found
