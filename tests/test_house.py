"""The floors of the house: a file imports from lower floors only."""

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "mamdr_jax"
FLOORS = {
  "backend": 0,
  "tree": 0,
  "markdown": 0,
  "core": 1,
  "view": 1,
  "descent": 2,
  "metrics": 2,
  "conflict": 3,
  "baselines": 3,
  "data": 2,
  "models": 3,
  "objective": 3,
  "methods": 4,
  "innergrad": 4,
  "train": 5,
  "record": 6,
  "configure": 6,
  "progress": 6,
  "report": 6,
  "resume": 6,
  "experiment": 6,
  "study": 6,
  "launch": 7,
}
# Who may use whom on one floor. In a folder, files also share what its last entry names.
NEIGHBOURS = {
  ("view", "core"),
  ("objective", "models.layers"),
  ("report.files", "record"),
  ("report.runs", "record"),
  ("report.canvas", "record"),
  ("report.document", "record"),
  ("resume", "record"),
  ("experiment", "record"),
  ("experiment", "resume"),
  ("experiment", "report"),
  ("experiment", "configure"),
  ("experiment", "progress"),
  ("study", "experiment"),
  ("study", "record"),
  ("study", "report"),
  ("study", "configure"),
}
FENCED = {
  "pandas": ("data",),
  "flax": ("models", "objective", "record"),
}


def name_of(path: Path) -> str:
  """The module in a file: "methods.mamdr", "methods" for its `__init__.py`."""
  parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
  return ".".join(part for part in parts if part != "__init__")


FILES = {name_of(path): path for path in sorted((ROOT / PACKAGE).rglob("*.py"))}
FILES = {name: path for name, path in FILES.items() if name}


def imports(path: Path) -> tuple[set[str], set[str]]:
  """What a file imports anywhere in it: modules of the package, and other packages."""
  inside, outside = set(), set()
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Import):
      found = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0, f"{path}: imports are absolute"
      submodules = [f"{node.module}.{alias.name}" for alias in node.names]
      known = lambda dotted: dotted.removeprefix(PACKAGE + ".") in FILES
      found = [dotted if known(dotted) else node.module for dotted in submodules]
    else:
      continue
    for dotted in found:
      if dotted == PACKAGE or dotted.startswith(PACKAGE + "."):
        inside.add(dotted.removeprefix(PACKAGE + "."))
      else:
        outside.add(dotted.partition(".")[0])
  return inside, outside


def room(name: str) -> str:
  return name.partition(".")[0]


def allowed(name: str, other: str) -> bool:
  if FLOORS[room(other)] < FLOORS[room(name)]:
    return True
  if room(name) != room(other):
    return (name, other) in NEIGHBOURS
  # In its own room: a folder lists its files; a model is built of layers only.
  return name == room(name) or room(name) != "models" or other == "models.layers"


@pytest.mark.parametrize("name", FILES)
def test_imports_come_from_lower_floors(name):
  assert room(name) in FLOORS, f"{name} has no floor"
  inside, _ = imports(FILES[name])
  assert [other for other in sorted(inside) if not allowed(name, other)] == []


@pytest.mark.parametrize("package", FENCED)
def test_pandas_and_flax_stay_in_their_rooms(package):
  users = {name for name, path in FILES.items() if package in imports(path)[1]}
  assert users and {room(name) for name in users} <= set(FENCED[package])


def test_nothing_imports_in_a_circle():
  graph = {name: imports(path)[0] for name, path in FILES.items()}
  graphlib.TopologicalSorter(graph).prepare()


def test_every_floor_is_lived_in():
  assert set(FLOORS) == {room(name) for name in FILES}
