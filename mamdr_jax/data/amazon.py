"""Amazon reviews: a category is a domain, and has a file of its own.

Ni et al., EMNLP 2019 (the 2018 files that the paper uses), He & McAuley, WWW 2016 (2014), Hou et
al. 2024 (2023).
"""

import os
from collections.abc import Sequence
from pathlib import Path

from mamdr_jax.data import recipe
from mamdr_jax.data.cache import cached
from mamdr_jax.data.dataset import Dataset
from mamdr_jax.data.files import find_file
from mamdr_jax.data.reviews import read
from mamdr_jax.data.rules import Rules

# The order fixes the ctr ratios. The paper's groups are those of Luo et al. 2023, Tables II and
# III; "6" and "13" have other categories where the paper's files are hard to come by.
AMAZON = {
  "6": (
    *("Musical_Instruments", "Office_Products", "Arts_Crafts_and_Sewing"),
    *("Prime_Pantry", "Toys_and_Games", "Video_Games"),
  ),
  "13": (
    *("Arts_Crafts_and_Sewing", "Digital_Music", "Gift_Cards", "Industrial_and_Scientific"),
    *("Luxury_Beauty", "Magazine_Subscriptions", "Musical_Instruments", "Office_Products"),
    *("Sports_and_Outdoors", "Prime_Pantry", "All_Beauty", "Toys_and_Games", "Video_Games"),
  ),
  "small": (
    *("Gift_Cards", "Magazine_Subscriptions", "All_Beauty"),
    *("Amazon_Fashion", "Luxury_Beauty", "Industrial_and_Scientific"),
  ),
  "paper6": (
    *("Musical_Instruments", "Office_Products", "Patio_Lawn_and_Garden"),
    *("Prime_Pantry", "Toys_and_Games", "Video_Games"),
  ),
  "paper13": (
    *("Arts_Crafts_and_Sewing", "Digital_Music", "Gift_Cards", "Industrial_and_Scientific"),
    *("Luxury_Beauty", "Magazine_Subscriptions", "Musical_Instruments", "Office_Products"),
    *("Patio_Lawn_and_Garden", "Prime_Pantry", "Software", "Toys_and_Games", "Video_Games"),
  ),
}
ENDINGS = (
  *("_5.json.gz", ".json.gz", "_5.json", ".json", ".jsonl.gz", ".jsonl", ".csv.gz", ".csv"),
)


def load(
  root: str | os.PathLike,
  domains: str | Sequence[str] = "6",
  *,
  positive_from: float | None = None,
  negatives: str = "sampled",
  split_by: str = "random",
  split_at: Sequence[float | str] = (0.6, 0.8),
  core: int = 0,
  split_seed: int = 0,
  cache: str | os.PathLike | None = None,
) -> Dataset:
  """Categories of Amazon as domains: a group of `AMAZON`, or any by name, a tuple or "A,B".

  Args:
    root: the folder, which holds `<category>` + one of `ENDINGS`, of several the first.
    domains: `small`, `6`, `13`, `paper6` or `paper13`, or categories, "A,B".
    positive_from: the lowest rating of a positive; by default every review is one.
    negatives: "sampled" draws them, "rated" takes the pairs that are rated lower.
    split_by: "random" splits 60/20/20; "time" and "last" go by the times of reviews, see
      `table.load`.
    split_at: the two times, or shares of the rows, of a split by time.
    core: drops rows until every user and every item has so many.
    split_seed: of the negatives and the splits.
    cache: a folder that keeps what was read for the next start; by default nothing is kept.
  """
  if isinstance(domains, str):
    if domains not in AMAZON and "," not in domains:
      groups = ", ".join(AMAZON)
      raise ValueError(f"unknown group {domains!r}; choose one of {groups}, or categories 'A,B'")
    domains = AMAZON.get(domains) or [name for name in domains.split(",") if name]
  options = {"positive_from": positive_from, "negatives": negatives}
  rules = Rules(split_by, tuple(split_at), split_seed, core).checked()
  recipe.check_options(positive_from, negatives)
  known = (*(("rating",) if positive_from is not None else ()),
           *(("timestamp",) if positive_from is not None or rules.timed else ()))  # fmt: skip
  files, notes = {}, []
  for name in domains:
    files[name], *others = find_file(Path(root), [name + ending for ending in ENDINGS])
    notes += [f"{other.name} was not read, {files[name].name} was" for other in others]
  return cached(
    lambda: recipe.build(
      {name: read(path, known) for name, path in files.items()},
      rules=rules,
      notes=notes,
      **options,
    ),
    files.values(),
    {"reader": "amazon", "files": {n: p.name for n, p in files.items()}, "notes": notes, **options}
    | rules._asdict(),
    cache,
  )
