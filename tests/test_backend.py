"""XLA's flags, and the folder of compiled programs."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from mamdr_jax import backend

OPTION = "--xla_backend_extra_options=-nvptx-allow-ftz-atomics"
CUDA = ["jax_cuda13_plugin"]


@pytest.mark.parametrize(
  ("given", "expected"),
  [
    ("", OPTION),
    ("--xla_a=1", f"--xla_a=1 {OPTION}"),
    ("--xla_backend_extra_options=-b --xla_c=2", f"{OPTION},-b --xla_c=2"),
    (f"--xla_a=1 {OPTION}", f"--xla_a=1 {OPTION}"),
  ],
)
def test_on_cuda_a_slow_jaxlib_gets_the_option_once(given, expected):
  assert backend.with_fast_scatter(given, "0.10.2", CUDA) == expected


@pytest.mark.parametrize(
  ("jaxlib", "plugins"), [("0.10.2", []), ("0.10.1", CUDA), ("0.11.1", CUDA)]
)
def test_other_installations_keep_their_flags(jaxlib, plugins):
  assert backend.with_fast_scatter("--xla_a=1", jaxlib, plugins) == "--xla_a=1"


def test_importing_the_library_sets_the_flag_where_a_plugin_lies(tmp_path):
  (tmp_path / "jax_cuda13_plugin.py").touch()
  code = "import os, sys, mamdr_jax; print(os.environ['XLA_FLAGS'], 'jax' in sys.modules)"
  env = os.environ | {
    "XLA_FLAGS": "--xla_a=1",
    "PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[1]}",
  }
  said = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
  jaxlib = backend.importlib.metadata.version("jaxlib")
  assert said.stdout.split() == [
    *backend.with_fast_scatter("--xla_a=1", jaxlib, CUDA).split(),
    "False",
  ]


@pytest.fixture
def settings(monkeypatch):
  """JAX's settings as a fresh process has them, and as they were when the test is over."""
  names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
  held = {name: getattr(jax.config, name) for name in names}
  jax.config.update(names[0], None)
  yield lambda: jax.config.jax_compilation_cache_dir
  for name, value in held.items():
    jax.config.update(name, value)


def test_programs_are_kept_in_the_users_cache_folder(settings, tmp_path, monkeypatch):
  monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
  backend.keep_compiled()
  assert Path(settings()) == tmp_path / "mamdr_jax" / f"xla-{backend.processor()}"
  assert Path(settings()).stat().st_mode & 0o077 == 0
  home = backend.own_folder({"XDG_CACHE_HOME": ""}, "p")
  assert home == Path.home() / ".cache/mamdr_jax/xla-p"


def test_a_folder_that_jax_was_told_stays(settings, tmp_path):
  jax.config.update("jax_compilation_cache_dir", str(tmp_path))
  backend.keep_compiled()
  assert settings() == str(tmp_path)


def test_no_folder_keeps_none(settings, tmp_path):
  jax.config.update("jax_compilation_cache_dir", str(tmp_path))
  backend.keep_compiled("")
  assert settings() is None


def test_a_folder_that_cannot_be_written_is_said_and_done_without(settings, tmp_path, capsys):
  (tmp_path / "file").touch()
  backend.keep_compiled(str(tmp_path / "file" / "folder"))
  assert settings() is None
  said = capsys.readouterr().err
  assert said.startswith("compiled programs are not kept: ") and len(said.splitlines()) == 1


def test_what_was_used_longest_ago_is_deleted(tmp_path):
  for age, name in enumerate(("new", "mid", "old")):
    path = tmp_path / f"jit_{name}-cache"
    path.write_bytes(b"x" * 10)
    os.utime(path, (1e9 - age, 1e9 - age))
  (tmp_path / "other").write_bytes(b"x" * 100)
  backend.prune(tmp_path, 20)
  assert {path.name for path in tmp_path.iterdir()} == {"jit_new-cache", "jit_mid-cache", "other"}
