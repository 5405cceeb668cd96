"""A compilation cache on disk, and the small data and models that most tests share."""

import functools
import gc
import importlib
import os
import tempfile
from pathlib import Path

import handmade
import jax
import pytest
import shops as of_shops
from innergrad_in_numpy import Reference
from made_results import a_result, a_run, save
from measured_run import measured_run
from scripts import printed
from tiny_experiment import tiny

from mamdr_jax import assembly, experiment, files, training
from mamdr_jax.descent import minibatch
from mamdr_jax.models import MODELS
from mamdr_jax.objective import objective

AS_USERS_COMPILE = "MAMDR_JAX_TESTS_AS_USERS_COMPILE"


def cache_dir() -> str:
  """`.jax_cache` beside the tests, or a temporary folder where that cannot be written."""
  folder = Path(__file__).resolve().parent.parent / ".jax_cache"
  try:
    folder.mkdir(exist_ok=True)
    if os.access(folder, os.W_OK):
      return str(folder)
  except OSError:
    pass
  return tempfile.mkdtemp(prefix="jax_cache_")


# Nearly all the time goes into compiling small programs: do that quickly, and keep every one.
# XLA reads its flags when the first program is compiled, so it is not too late for them here.
if not os.environ.get(AS_USERS_COMPILE):  # see test_as_users_compile.py
  flags, quickly = os.environ.get("XLA_FLAGS", ""), "--xla_cpu_use_fusion_emitters=false"
  if quickly not in flags:  # a worker has them from the process that started it
    os.environ["XLA_FLAGS"] = f"{flags} {quickly}"
  jax.config.update("jax_disable_most_optimizations", True)
  os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # for the commands that tests start as well
# JAX writes a program in place, where another worker might read the half of it: a folder for each.
folder = Path(jax.config.jax_compilation_cache_dir or cache_dir())
folder /= os.environ.get("PYTEST_XDIST_WORKER", "")
jax.config.update("jax_compilation_cache_dir", str(folder))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
# Traces are many small objects that stay: looking for garbage less often saves a tenth of the work.
gc.set_threshold(100_000)
# Commands share the cache, and none writes into the user's cache folder.
os.environ["JAX_COMPILATION_CACHE_DIR"] = jax.config.jax_compilation_cache_dir
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"


@pytest.fixture(scope="module", autouse=True)
def cleared():
  """Programs go at the end of a file, since few serve another: they would come to gigabytes."""
  yield
  jax.clear_caches()


@pytest.fixture(scope="session")
def train():
  """4 domains of 5, 8, 13 and 21 rows as 1, 1, 2 and 3 minibatches of 8 rows."""
  return handmade.batches()


@pytest.fixture(scope="session")
def valid():
  """Other rows of the same 4 domains."""
  return handmade.batches(seed=1)


@pytest.fixture(scope="session")
def params():
  """Parameters of the logistic model, a bias per domain among them."""
  return jax.jit(handmade.init)(jax.random.key(7))


@pytest.fixture(scope="session")
def reference(params, train):
  """Gradients and Hessian products of the logistic model at `params`, in NumPy."""
  return Reference(params, train)


@pytest.fixture(scope="session")
def mlp():
  """The objective of a tiny MLP with dropout, the domain a field."""
  model = MODELS["mlp"](handmade.VOCAB, embedding_size=4, hidden=(6,), dropout=0.5)
  return objective(model)


@pytest.fixture(scope="session")
def mlp_params(mlp, train):
  return jax.jit(mlp.init)(jax.random.key(0), minibatch(train, 0))


@pytest.fixture(scope="module")
def compiled_once():
  """Experiments of `tiny("alternate")` share their programs, where each would trace its own.

  They may differ in what no program knows: seeds, rates, lanes, epochs, checkpoints.
  """
  built, fit = assembly.build(tiny("alternate")), importlib.import_module("mamdr_jax.train.fit")
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(assembly, "build", lambda *_: built)
    patch.setattr(training, "measuring", functools.cache(training.measuring))
    patch.setattr(fit, "compiled", functools.cache(fit.compiled))
    yield


@pytest.fixture(scope="session")
def measured(tmp_path_factory):
  """A run of `tiny("alternate")` with measures: see `measured_run.Measured`."""
  return measured_run(tmp_path_factory.mktemp("measured"))


@pytest.fixture(scope="session")
def shops(tmp_path_factory):
  """Rows of shops and a model of some: see `shops.opened`."""
  return of_shops.opened(tmp_path_factory.mktemp("shops"))


@pytest.fixture(scope="session")
def grown(shops):
  """That model with two shops more: see `shops.grown`."""
  return of_shops.grown(shops)


@pytest.fixture
def x64():
  with jax.enable_x64():
    yield


@pytest.fixture(scope="module")
def negotiated(tmp_path_factory):
  """A workdir of DN on tables of ids, and its result."""
  workdir = tmp_path_factory.mktemp("scripts") / "dn"
  config = tiny("domain_negotiation", **{"data.features": "ids", "alpha": 0.05})
  return workdir, experiment.run(config, workdir)


@pytest.fixture
def tables(capsys, monkeypatch):
  """(script, arguments, sizes) -> the tables that it prints, each as rows."""
  return printed(capsys, monkeypatch)


@pytest.fixture
def study(tmp_path):
  """Models MLP and WDL, four and two methods, two seeds, three domains."""
  scores = {
    ("mlp", "alternate"): [(0.70, 0.60, 0.80), (0.72, 0.62, 0.80)],
    ("mlp", "domain_negotiation"): [(0.71, 0.60, 0.70), (0.73, 0.62, 0.70)],
    ("mlp", "domain_regularization"): [(0.60, 0.50, 0.75), (0.60, 0.50, 0.75)],
    ("mlp", "mamdr"): [(0.75, 0.66, 0.78), (0.77, 0.68, 0.78)],
    ("wdl", "alternate"): [(0.80, 0.60, 0.60), (0.80, 0.60, 0.60)],
    ("wdl", "mamdr"): [(0.60, 0.60, 0.60), (0.60, 0.60, 0.60)],
  }
  for (model, method), test in scores.items():
    runs = [a_run(auc, seed=seed) for seed, auc in enumerate(test)]
    save(tmp_path / "study" / model / method, a_result(runs, model, method))
  files.write_json(tmp_path / "study" / files.CONFIG, {"study": "its own config"})
  return tmp_path / "study"
