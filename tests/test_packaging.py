"""What an installed copy needs and holds, and where its command line looks for configs."""

import ast
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from mamdr_jax import launch

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


PROJECT_NEEDS = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"]


def pins(name: str) -> dict[str, Requirement]:
  """package -> its line in a file of requirements; without those of files it includes."""
  lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
  found = [Requirement(line) for line in lines if line and not line.startswith("-r")]
  return {pin.name: pin for pin in found}


@pytest.mark.parametrize(
  ("name", "needs"),
  [
    ("requirements.txt", PROJECT_NEEDS),
    ("requirements-dev.txt", [*EXTRAS["dev"], *EXTRAS["examples"], *EXTRAS["export"]]),
  ],
)
def test_each_need_of_the_project_is_pinned_to_a_version_that_will_do(name, needs):
  pinned = pins(name)
  needs = {need.name: need.specifier for need in map(Requirement, needs)}
  assert set(pinned) == set(needs)
  for package, pin in pinned.items():
    (clause,) = pin.specifier
    assert clause.operator == "==" and needs[package].contains(clause.version), pin


def test_accelerators_get_the_jax_that_is_pinned():
  (version,) = pins("requirements.txt")["jax"].specifier
  for extra in ("cuda", "tpu"):
    (jax,) = map(Requirement, EXTRAS[extra])
    assert jax.name == "jax" and str(jax.specifier) == str(version)


def test_what_the_library_imports_is_among_its_needs():
  imported = set()
  for path in (ROOT / "mamdr_jax").rglob("*.py"):
    for node in ast.walk(ast.parse(path.read_text())):
      if isinstance(node, ast.Import):
        imported |= {alias.name.partition(".")[0] for alias in node.names}
      elif isinstance(node, ast.ImportFrom):
        imported.add(node.module.partition(".")[0])
  needed = {name.removesuffix("-py") for name in pins("requirements.txt")}
  assert imported - sys.stdlib_module_names - {"mamdr_jax"} == needed


def test_the_citation_is_of_this_version_and_licence():
  citation, project = yaml.safe_load((ROOT / "CITATION.cff").read_text()), PROJECT["project"]
  for key in ("version", "license"):
    assert citation[key] == project[key]
  assert "Apache License" in (ROOT / "LICENSE").read_text()


def test_a_wheel_holds_every_folder_with_code_and_the_configs():
  folders = {path.parent for path in (ROOT / "mamdr_jax").rglob("*.py")}
  names = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
  setuptools = PROJECT["tool"]["setuptools"]
  assert set(setuptools["packages"]) == names | {"mamdr_jax.configs"}
  assert setuptools["package-dir"] == {"mamdr_jax.configs": "configs"}


def test_a_config_of_the_library_is_found_from_any_folder(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  own = ROOT / "configs/synthetic.py"
  assert launch.shipped("configs/synthetic.py") == str(own)
  assert launch.shipped("--config=configs/synthetic.py:a,b") == f"--config={own}:a,b"
  (tmp_path / "configs").mkdir()
  (tmp_path / "configs/synthetic.py").touch()
  assert launch.shipped("--config=configs/synthetic.py:a") == "--config=configs/synthetic.py:a"


@pytest.mark.parametrize(
  "argument", ["--config=configs/none.py:a", "--config=mine.py", "--only=configs/x"]
)
def test_other_arguments_stay_as_they_are(argument, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  assert launch.shipped(argument) == argument
