"""Replicates: runs that differ only in what chance drew, and experiments that are such runs."""

import json
from collections.abc import Iterable, Mapping, Sequence

from mamdr_jax.report import names
from mamdr_jax.report.results import RATES

SEEDS = ("data_seed", "split_seed", "seed")  # of a run


def pool(results: Mapping[str, dict]) -> dict[str, dict]:
  """Experiments that differ in seeds only as one: name -> config of the first, runs of all.

  The others stay. Each run gets its `data_seed` and `split_seed`, whether the latter draws
  `negatives`, the `experiment` it is of and its `index` there, and the `ceiling`, `baselines` and
  `rows` of its data. A name that stands for several is what their paths have in common, else that
  of the first "and 2 more". A second time changes nothing.
  """
  groups = {}
  for name, result in results.items():
    rates = sorted({json.dumps([run[rate] for rate in RATES]) for run in result["runs"]})
    groups.setdefault((names.identity(result), *rates), []).append(name)
  called = [common_name(group) for group in groups.values()]
  pooled = {}
  for name, group in zip(called, groups.values(), strict=True):
    name = name if called.count(name) == 1 else several(group)
    runs = merged({"runs": told(member, results[member])} for member in group)
    pooled[name] = results[group[0]] | {"runs": runs}
  return pooled


def told(name: str, result: Mapping) -> list[dict]:
  """The runs of an experiment, each with what `pool` adds to it."""
  data = result["config"]["data"]
  seeds = {"data_seed": data.get("seed"), "split_seed": data.get("split_seed")}
  shared = {key: result.get(key) for key in ("ceiling", "baselines", "seconds", "rows")}
  shared["negatives"] = draws_negatives(data)
  return [
    seeds | shared | {"experiment": name, "index": i} | run for i, run in enumerate(result["runs"])
  ]


def draws_negatives(data: Mapping) -> bool:
  """Whether negatives are drawn, with `split_seed`: not where the rows come with labels."""
  return not (data.get("label") or data.get("negatives") == "rated" or "seed" in data)


def replicate(run: Mapping) -> tuple:
  """The seeds of a run: methods are paired by them."""
  return tuple(run.get(seed) for seed in SEEDS)


def merged(results: Iterable[Mapping]) -> list[dict]:
  """The runs of several results, of those with the same seeds at the same rates the first only."""
  kept = {}
  for run in (run for result in results for run in result["runs"]):
    kept.setdefault((replicate(run), *(run[rate] for rate in RATES)), run)
  return list(kept.values())


def common_name(group: Sequence[str]) -> str:
  """What experiments are called together: the folders that all their paths have."""
  if len(group) == 1:
    return group[0]
  paths = [name.split("/") for name in group]
  shared = [part for part in paths[0] if all(part in path for path in paths)]
  return "/".join(shared) or several(group)


def several(group: Sequence[str]) -> str:
  """What experiments without a name in common are called."""
  return f"{group[0]} and {len(group) - 1} more" if len(group) > 1 else group[0]


def over(runs: Sequence[Mapping]) -> str:
  """What the runs of a setting differ in: "3 seeds", "5 replicates of split and negatives"."""
  varied = [seed for seed in SEEDS if len({run.get(seed) for run in runs}) > 1]
  if varied in ([], ["seed"]):
    return f"{len(runs)} seed{'s' * (len(runs) > 1)}"
  split = ["split", "negatives"] if any(run.get("negatives") for run in runs) else ["split"]
  drawn = {"data_seed": ["data"], "split_seed": split, "seed": ["initialisation"]}
  *first, last = [what for seed in varied for what in drawn[seed]]
  return f"{len(runs)} replicates of {', '.join(first)}{' and ' * bool(first)}{last}"
