"""Every case of every shipped config passes the checks that a run makes before it compiles."""

import itertools
import re

import handmade
import pytest
from made_results import ROOT, a_result, a_run, save
from test_study import config_of

from mamdr_jax import assembly, check, keys, study
from mamdr_jax.files import RESULT

PATHS = {path.stem: path for path in sorted((ROOT / "configs").glob("*.py"))}
DATA = ("amazon-small", "synthetic-taobao10", "taobao-10", "table")
STUDIES = ("table5", "table6", "table10", "figure8", "figure9")
ABLATIONS = ("amazon-small", "synthetic", "synthetic-blind")
ARGUMENTS = {
  "paper": [",".join(parts) for parts in itertools.product(STUDIES, DATA, ("small", "full"))],
  "released": ["amazon-small,mlp,ablation"],
  "fair": ["synthetic,search,ids"],
  "ablation": [",".join(parts) for parts in itertools.product(ABLATIONS, ("tune", "final"))],
}
MADE = [(name, argument) for name in PATHS for argument in ["", *ARGUMENTS.get(name, [])]]


@pytest.fixture(scope="module")
def dataset():
  """Stands for whatever a config reads: the checks need its fields, and not its rows."""
  return handmade.dataset(sizes=(4,) * 10)


@pytest.mark.parametrize(("name", "argument"), MADE)
def test_every_case_of_a_config_can_be_built(name, argument, dataset):
  config = config_of(PATHS[name], argument)
  check.values(config.to_dict())
  for label, case in study.cases(config).items():
    study.check_name(label)
    assembly.assemble(case, dataset)
    assert case.method.get("k", 0) < len(dataset.domains)


def test_replicates_have_the_rates_that_the_search_has_chosen(tmp_path):
  methods = [name for name, _ in config_of(PATHS["fair"]).cases]
  for i, method in enumerate(methods):
    worse, best = a_run((0.6,), alpha=0.5), a_run((0.7,), alpha=0.001 * (i + 1), beta=0.3)
    save(tmp_path / method, a_result([worse, best], method=method))
  cases = study.cases(config_of(PATHS["fair"], f"table,{tmp_path}"))
  assert list(cases) == [f"{method}/{r}" for method in methods for r in range(1, 6)]
  for name, case in cases.items():
    method, r = name.split("/")
    assert case.alpha == 0.001 * (methods.index(method) + 1)
    assert case.data.split_seed == case.seed == int(r) and case.search.trials == 0
    reads = method.partition("+")[0] in ("reptile", "domain_negotiation", "mamdr")
    assert (case.beta == 0.3) == reads
  (tmp_path / "mamdr" / RESULT).unlink()
  assert len(config_of(PATHS["fair"], f"table,{tmp_path}").cases) == 5 * (len(methods) - 1)
  with pytest.raises(ValueError, match="no search has ended; expected the workdir of `table,sear"):
    config_of(PATHS["fair"], f"table,{tmp_path / 'mamdr'}")


def test_what_may_move_mamdr_is_around_the_rates_that_a_search_has_chosen(tmp_path):
  for method, rates in {"alternate": {}, "mamdr": {"beta": 0.3, "gamma": 0.4}}.items():
    run = a_run((0.7,), alpha=0.002, **rates)
    save(tmp_path / method, a_result([run], method=method))
  (tmp_path / "like.json").write_text("[[1, 0.5], [0.5, 1]]")
  cases = study.cases(config_of(PATHS["best"], f"table,{tmp_path},{tmp_path / 'like.json'}"))
  assert {case.alpha for case in cases.values()} == {0.002}
  assert cases["mamdr"].gamma == 0.4 and cases["gamma_x_5"].gamma == 1.0
  assert cases["gamma_x_0.2"].gamma == pytest.approx(0.08)
  assert list(map(tuple, cases["similar_helpers"].method.similarity)) == [(1, 0.5), (0.5, 1)]
  assert cases["from_fine_tuned"].warm_start == str(tmp_path / "alternate+finetune/model")
  assert "deltas_on_tables" not in cases  # that is MAMDR
  assert all(case.sweep.seed == (0, 1) for case in cases.values())


def test_the_questions_are_of_one_key_each():
  """Save where a key is nothing without another: Adam's rate, and the options of an optimizer."""
  config = config_of(PATHS["questions"])
  made = {name: keys.flat(case.to_dict()) for name, case in study.cases(config).items()}
  together = {"dn_adam": {"outer.name", "beta"}}
  together["mamdr_decay"] = {"specific_inner.name", "specific_inner.options"}
  against = {name: name.split("_")[0] for name in made}
  against["mamdr_k_1_whole_visits"] = "mamdr_k_1"
  for name, case in made.items():
    base = made[against[name]]
    changed = {key for key in base.keys() | case.keys() if base.get(key) != case.get(key)}
    assert name in ("dn", "mamdr") or changed == together.get(name) or len(changed) == 1, name


def test_the_configs_that_bound_visits_are_those_that_the_page_names():
  page = (ROOT / "docs/departures.md").read_text(encoding="utf-8")
  (said,) = re.findall(r"the configs ([^;|]*) bound them to 5 minibatches", page)
  bounds = {}
  for name, argument in MADE:
    for case in study.cases(config_of(PATHS[name], argument)).values():
      if "visit_steps" in case.method:
        key = name + " full" * argument.endswith(",full")
        bounds.setdefault(key, set()).add(case.method.visit_steps)
  assert bounds.pop("questions") == {5, 10, None}  # the default and what is asked of it
  assert bounds.pop("best") == {1, 5, 20, None}
  named = set(re.findall(r"\w+", said)) & PATHS.keys()
  assert named == {"questions"} | {name for name, found in bounds.items() if found == {5}}
  assert all(found in ({5}, {None}) for found in bounds.values())
  assert "at the small scale, paper" in said and bounds["paper full"] == {None}
