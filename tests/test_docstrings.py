"""The examples in docstrings give what they say."""

import doctest
import importlib

import pytest

# module -> what in it has an example; "" is its own docstring.
EXAMPLES = {
  "configure": ("make", "vary"),
  "data.batches": ("pack",),
  "data.synthetic": ("load",),
  "experiment": ("run",),
  "methods.domain_negotiation": ("domain_negotiation",),
  "metrics": ("grouped_auc", "rank"),
  "train.fit": ("fit",),
  "tree": ("", "branches", "within"),
  "view": ("merge", "view"),
}


@pytest.mark.parametrize("module", EXAMPLES)
def test_examples_run(module):
  module_name = f"mamdr_jax.{module}"
  found = doctest.DocTestFinder().find(importlib.import_module(module_name), module_name)
  tests = {test.name.removeprefix(module_name).lstrip("."): test for test in found if test.examples}
  assert sorted(tests) == sorted(EXAMPLES[module])
  for test in tests.values():
    said = []
    outcome = doctest.DocTestRunner().run(test, out=said.append)
    assert not outcome.failed, "".join(said)
