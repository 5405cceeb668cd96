"""A model in other processes: exported, asked over HTTP, and killed."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import jax
import numpy as np
import pytest
from made_results import ROOT
from test_serve import moved, of_model
from tiny_experiment import tiny

from benchmarks import serving
from mamdr_jax import files, serve
from mamdr_jax.serve import export, function

# Calls what is exported to some folders, where that package is not imported.
CALLER = """
import importlib.util, json, sys
import numpy as np
for folder in sys.argv[1:]:
  spec = importlib.util.spec_from_file_location("score", f"{folder}/score.py")
  score = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(score)
  exported, rows = score.Exported(), json.load(open(f"{folder}.json"))
  cut = lambda n: {name: column[:n] for name, column in rows.items()}
  np.savez(f"{folder}.npz", **{str(n): exported.score(cut(n)) for n in (1, 7, 1000)})
assert not [name for name in sys.modules if name.split(".")[0] in ("mamdr_jax", "flax", "optax")]
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
  """Deltas on tables of ids, and STAR, which has moments, on given features."""
  configs = {
    "mlp": tiny("domain_regularization", epochs=1, **{"data.features": "ids"}),
    "star": of_model("star", "alternate", epochs=1),
  }
  return {name: moved(config, tmp_path_factory.mktemp(name))[0] for name, config in configs.items()}


def rows_of(model, num=1000):
  """Rows with raw ids, each tenth of a user and some of items that training never saw."""
  rng = np.random.default_rng(0)
  user, item = (rng.choice(model.stored.vocab[field], num).tolist() for field in ("user", "item"))
  user[::10], item[5::20] = ["nobody"] * len(user[::10]), [10**6] * len(item[5::20])
  return {"user": user, "item": [str(x) for x in item]}


def test_another_process_without_this_package_scores_alike(models, tmp_path):
  """Bit for bit, since the function takes minibatches of the same size as the model does."""
  for name, model in models.items():
    model.export("D2", tmp_path / name)
    (tmp_path / f"{name}.json").write_text(json.dumps(rows_of(model)))
  done = subprocess.run(
    [sys.executable, "-c", CALLER, *map(str, map(tmp_path.joinpath, models))],
    cwd=tmp_path, capture_output=True, text=True,
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  for name, model in models.items():
    rows = rows_of(model)
    expected = model.score(user=[str(x) for x in rows["user"]], item=rows["item"], domain="D2")
    found = files.read_arrays(tmp_path / f"{name}.npz")
    for n in (1, 7, 1000):
      np.testing.assert_array_equal(found[str(n)], expected[:n])


@pytest.fixture(scope="module")
def exported(models, tmp_path_factory):
  folder = tmp_path_factory.mktemp("exported") / "D1"
  models["mlp"].export("D1", folder)
  return folder


def loaded(folder):
  spec = importlib.util.spec_from_file_location("score", folder / "score.py")
  score = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(score)
  return score.Exported()


def test_the_function_is_for_all_platforms_and_tables_of_any_length(models, exported):
  made = loaded(exported)
  assert made.about["platforms"] == ["cpu", "cuda", "tpu"]
  assert "6 months" in (exported / "README.md").read_text()
  columns = {"user": ["3", "4"], "item": ["1", "2"]}
  longer = lambda x: np.concatenate([x, 0 * x[:5]])
  for name in [name for name in made.parameters if "/tables/user/" in name]:
    made.parameters[name] = longer(made.parameters[name])
  scores = models["mlp"].score(**columns, domain="D1")
  np.testing.assert_array_equal(made.score(columns), scores)
  told = made.call(made.parameters, *made.numbered(columns))
  np.testing.assert_allclose(told["probability"], scores, rtol=1e-6)


def test_what_is_there_is_of_one_domain_and_nothing_of_it_is_in_the_function(models, exported):
  model, made = models["mlp"], loaded(exported)
  sizes = {name: x.shape[0] for name, x in made.parameters.items() if "/tables/" in name}
  known = model.stored.vocab | {"domain": ()}  # of these one row, of others one more
  assert sorted(sizes.values()) == sorted(len(raw) + 1 for raw in known.values())
  net = sum(x.size for name, x in made.parameters.items() if "/net/" in name)
  assert net == sum(x.size for x in jax.tree.leaves(model.stored.light.shared.params["net"]))
  text = function.exported_of(model.stored, *function.merged(model.predict, 0), 16).mlir_module()
  constants = re.findall(r"constant dense<.*?> : tensor<(.*?)>", text)
  assert constants and not [kind for kind in constants if re.search(r"\d{3}|\dx\d", kind)]


def test_without_minibatches_few_rows_score_alike_but_for_rounding(models, tmp_path):
  model, columns = models["mlp"], {"user": ["3", "4", "nobody"], "item": ["1", "2", "3"]}
  model.export("D3", tmp_path / "D3", exact=False)
  made = loaded(tmp_path / "D3")
  assert "while" not in made.call.lower(made.parameters, *made.numbered(columns)).as_text()
  np.testing.assert_allclose(made.score(columns), model.score(**columns, domain="D3"), rtol=1e-5)
  assert "about 1e-6" in (tmp_path / "D3" / "README.md").read_text()


def test_what_cannot_be_exported_is_told(models, exported, tmp_path, monkeypatch):
  model = models["mlp"]
  with pytest.raises(ValueError, match="has no domain 'D11'; did you mean 'D1'"):
    model.export("D11", tmp_path / "x")
  (tmp_path / "mine").mkdir()
  with pytest.raises(ValueError, match="mine is there and was not exported; name another folder"):
    model.export("D1", tmp_path / "mine")
  path = exported / export.FUNCTION
  whole = path.read_bytes()
  path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
  with pytest.raises(ValueError, match=r"function.bin was altered: its checksum is another"):
    loaded(exported)
  path.write_bytes(whole)
  monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
  with pytest.raises(ValueError, match="pip install flatbuffers"):
    model.export("D1", exported)
  assert loaded(exported) and list(tmp_path.iterdir()) == [tmp_path / "mine"]


def test_a_service_answers_over_http_and_tells_what_it_cannot(models):
  model = models["mlp"]

  def ask(port, path, body):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/{path}", body.encode())
    try:
      with urllib.request.urlopen(request) as answer:
        return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
      return error.code, json.loads(error.read())

  with serving.started(str(model.stored.path)) as port:
    columns = {"user": ["3", "nobody"], "item": [1, 1], "domain": "D1"}
    status, told = ask(port, "score", json.dumps(columns))
    assert (status, told) == (200, {"probability": model.score(**columns).tolist()})
    status, told = ask(port, "recommend", json.dumps({"user": 3, "domain": "D2", "top": 2}))
    best = model.recommend(user=3, domain="D2", top=2)
    assert (status, told) == (200, {name: column.tolist() for name, column in best.items()})
    bad = {
      "{": "Expecting property name",
      "[1]": "expected an object of columns and options",
      json.dumps({"user": 3, "item": 1}): "has no column 'domain'",
      json.dumps({**columns, "domain": "D11"}): "did you mean 'D1'?",
      json.dumps({**columns, "user": [3, "nobody"]}): "column 'user'",
    }
    for body, said in bad.items():
      status, told = ask(port, "score", body)
      assert status == 400 and said in told["error"], (body, told)
    status, told = ask(port, "recommend", '{"user": 3, "domain": "D2", "top": "x"}')
    assert (status, told) == (400, {"error": "top='x'; choose a whole number from 1 up"})


def test_scoring_that_is_killed_leaves_no_file_that_looks_whole(models, tmp_path):
  source, out = tmp_path / "rows.csv", tmp_path / "scores.csv"
  few = rows_of(models["mlp"], 50_000) | {"domain": ["D1"] * 50_000}
  lines = (",".join(map(str, row)) for row in zip(*few.values(), strict=True))
  source.write_text("\n".join(["user,item,domain", *lines]) + "\n")
  command = [sys.executable, "-m", "mamdr_jax.serve", "score", models["mlp"].stored.path, source]
  env = os.environ | {"PYTHONPATH": str(ROOT)}
  process = subprocess.Popen([*command, f"--out={out}"], env=env, stderr=subprocess.DEVNULL)
  aside = tmp_path / f"{out.name}.{process.pid}{files.PART}"
  while not aside.exists():
    assert process.poll() is None
    time.sleep(0.01)
  process.kill()
  assert process.wait() == -signal.SIGKILL
  assert sorted(tmp_path.iterdir()) == [source, aside]
  source.write_text("user,item,domain\n3,1,D1\n")
  serve.score_file(models["mlp"], source, out)
  assert sorted(tmp_path.iterdir()) == [source, out]
