"""docs/config.md: every key, as the constructors have it."""

from pathlib import Path

import pytest

from mamdr_jax import configure, keys, reference
from mamdr_jax.data import DATASETS
from mamdr_jax.methods import METHODS
from mamdr_jax.models import MODELS

PAGE = Path(__file__).parents[1] / "docs/config.md"


def test_the_page_is_up_to_date():
  """If not: python -m mamdr_jax.reference > docs/config.md."""
  assert PAGE.read_text(encoding="utf-8") == reference.page()


def test_every_key_of_every_config_has_a_line():
  page = PAGE.read_text(encoding="utf-8")
  combinations = [("table", "mlp", f"{method}+finetune") for method in METHODS]
  combinations += [("table", model, "mamdr") for model in MODELS]
  combinations += [(data, "mlp", "mamdr") for data in DATASETS]
  for names in combinations:
    for key in keys.flat(configure.make(*names).to_dict()):
      assert f"| `{key}` " in page or key.endswith(".name"), key


def test_arguments_are_read_from_a_docstring():
  text = """Does this.

    Args:
      a, b: two, which
        go on.
      c: one: with a colon.

    Returns:
      d: not an argument.
    """
  assert reference.arguments(text) == {"a": "two, which go on.", "b": "two, which go on."} | {
    "c": "one: with a colon."
  }


def test_an_argument_without_a_description_is_refused(monkeypatch):
  def bare(*, loss, inner, steps: int = 1):
    """Does something."""

  monkeypatch.setitem(METHODS, "bare", bare)
  with pytest.raises(ValueError, match="bare: its docstring has no entry 'steps' under Args"):
    reference.page()
