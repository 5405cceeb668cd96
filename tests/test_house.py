"""The floors of the house, numbered by what is imported."""

import ast
import functools
import graphlib
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "mamdr_jax"
# Room -> floor, as the table of the house has it.
FLOORS = {
  room.removesuffix(".py").rstrip("/"): int(floor)
  for floor, room in re.findall(
    r"^\| (\d+) \| `(.*?)`", (ROOT / "docs" / "house.md").read_text(encoding="utf-8"), re.MULTILINE
  )
}
FENCED = {
  "pandas": ("data",),
  "flax": ("models", "objective", "machine"),
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


@functools.cache
def floor(name: str) -> int:
  """One above the highest room that a room imports from."""
  needed = set().union(*(imports(path)[0] for own, path in FILES.items() if room(own) == name))
  return 1 + max((floor(room(other)) for other in needed if room(other) != name), default=-1)


def test_rooms_stand_on_the_floors_of_the_table():
  assert {name: floor(name) for name in {room(name) for name in FILES}} == FLOORS


def test_a_model_is_built_of_layers_only():
  models = {name for name in FILES if room(name) == "models"} - {"models"}
  for name in models:
    needed = {other for other in imports(FILES[name])[0] if other in models}
    assert needed <= {"models.layers", "models.mixture"}


@pytest.mark.parametrize("package", FENCED)
def test_pandas_and_flax_stay_in_their_rooms(package):
  users = {name for name, path in FILES.items() if package in imports(path)[1]}
  assert users and {room(name) for name in users} <= set(FENCED[package])


def test_nothing_imports_in_a_circle():
  graph = {name: imports(path)[0] for name, path in FILES.items()}
  graphlib.TopologicalSorter(graph).prepare()


def test_the_picture_shows_the_table(tmp_path):
  spec = importlib.util.spec_from_file_location("house", ROOT / "docs" / "house.py")
  house = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(house)
  drawn = {room: floor for floor, rooms in house.floors().items() for room in rooms}
  assert {room.removesuffix(".py").rstrip("/"): floor for room, floor in drawn.items()} == FLOORS
  house.draw(tmp_path / "house.png")
  size = lambda path: path.read_bytes()[16:24]  # width and height, as PNG has them
  assert size(tmp_path / "house.png") == size(ROOT / "docs" / "house.png")
