"""What an installed copy holds, and where its command line looks for configs."""

import tomllib
from pathlib import Path

import pytest

from mamdr_jax import launch

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


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
