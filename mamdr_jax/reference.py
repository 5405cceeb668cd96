"""Every key of a config, with its default and what it is: a page that the constructors write.

python -m mamdr_jax.reference > docs/config.md
"""

import inspect
import re
import sys
from collections.abc import Iterator

import mamdr_jax.models
from mamdr_jax import configure
from mamdr_jax.configure import MISSING
from mamdr_jax.data import DATASETS
from mamdr_jax.keys import TRAINING
from mamdr_jax.markdown import Markdown, table
from mamdr_jax.methods import METHODS
from mamdr_jax.methods.arguments import docstrings
from mamdr_jax.methods.finetune import finetune
from mamdr_jax.models import MODELS

HEAD = """# The keys of a config

Written by `python -m mamdr_jax.reference > docs/config.md` from the constructors that take them.
On the command line each is a flag: `--config.method.k=5`, `--config.sweep.seed="(0, 1)"`. A key
that does not exist is an error that suggests the near one. What has no default is "needed"."""


def page() -> str:
  """The page, in Markdown.

  Raises:
    ValueError: a key is not described.
  """
  rows = [(f"`{key}`", default, what) for key, (default, what, *_) in TRAINING.items()]
  parts = [HEAD, f"## Training\n\n{_table(rows)}"]
  for section, named, shared in (
    ("data", DATASETS, ""),
    ("model", MODELS, mamdr_jax.models.__doc__),
    ("method", METHODS, ""),
  ):
    parts.append(f"## `config.{section}`")
    for name, constructor in named.items():
      first, *_ = inspect.getdoc(inspect.getmodule(constructor)).splitlines()
      parts.append(f"### `{section}.name={name}`\n\n{first}")
      if rows := list(_described(section, constructor, shared)):
        parts.append(_table(rows))
  parts.append(
    "### `method.name=...+finetune`\n\nThe keys of the method that goes before, and\n\n"
    + _table(row for row in _described("method", finetune, "") if "finetune_" in row[0])
  )
  return "\n\n".join(parts) + "\n"


def arguments(docstring: str) -> dict[str, str]:
  """argument -> what the section `Args` of a docstring says of it, on one line."""
  _, _, section = inspect.cleandoc(docstring).partition("\nArgs")
  section = re.split(r"\n(?=\S)", section.partition("\n")[2])[0]
  entries = re.findall(r"^  (\w[\w, ]*): (.*(?:\n    .*)*)", section, re.MULTILINE)
  return {name: " ".join(text.split()) for names, text in entries for name in names.split(", ")}


def _described(section: str, constructor, shared: str) -> Iterator[tuple]:
  """(key, default, what it is), of the arguments of a constructor that a config gives."""
  texts = [shared, *reversed(docstrings(constructor))]
  known = {name: what for text in texts for name, what in arguments(text).items()}
  for name, (default, _) in configure.arguments(constructor).items():
    if name not in known:
      raise ValueError(f"{constructor.__name__}: its docstring has no entry {name!r} under Args")
    yield f"`{section}.{name}`", default, known[name]


def _table(rows) -> str:
  shown = {MISSING: "needed", None: "none"}
  cells = lambda key, default, what: [
    Markdown(key),
    Markdown(shown[default]) if default in shown else Markdown(f"`{default!r}`"),
    Markdown(what.replace("|", "\\|")),
  ]
  return table(("key", "default", "what it is"), (cells(*row) for row in rows))


if __name__ == "__main__":
  sys.stdout.reconfigure(encoding="utf-8")
  print(page(), end="")
