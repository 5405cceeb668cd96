"""Who wins where: synthetic data over two dials, all ways to train in every cell of the map.

  python launch.py --config=configs/map.py:rows,conflict --workdir=runs/map
  python -m results.map runs/map runs/map/report

The dials are `rows` of a domain, number of `domains`, `conflict`, `own` (how much of the truth is a
domain's own), `factors`, `noise`, `items` and `users` (the share that domains have in common), and
`skew` of popularity; a third part of the argument is `ids`, the default, or `frozen`, given
features, which are learnt more slowly: their budget is five times as large. Cells of few rows have
up to four draws of the data.

Time: 22 minutes for rows and conflict on a core of an AMD EPYC, 17 with given features.
Expect results/map.md.
Often overridden: `search.trials`, `--share=0/4`.
"""

from mamdr_jax import configure

DIALS = {
  "rows": ("data.rows", (200, 800, 3200, 12800)),  # of a domain
  "domains": ("data.num_domains", (5, 20, 80)),
  "conflict": ("data.conflict", (0.0, 0.5, 1.0)),
  "own": ("data.own_share", (0.0, 0.4, 0.8)),
  "factors": ("data.num_factors", (8, 24, 64)),
  "noise": ("data.noise", (0.2, 0.55, 1.5)),
  "items": ("data.shared_items", (0.0, 0.5, 1.0)),
  "users": ("data.shared_users", (0.0, 0.5, 1.0)),
  "skew": ("data.skew", (1.0, 1.5, 3.0)),
}
DOMAINS, ROWS = 10, 1600  # where they are no dial
ALPHA, BETA, GAMMA = ("alpha", 1e-3, 3e-2), ("beta", 0.1, 1.0), ("gamma", 0.03, 1.0)
METHODS = {
  "alternate": (ALPHA,),
  "alternate+finetune": (ALPHA,),
  "separate": (ALPHA,),
  "domain_negotiation": (ALPHA, BETA),
  "mamdr": (ALPHA, BETA, GAMMA),
  "mamdr+finetune": (ALPHA, BETA, GAMMA),
}


def get_config(arg: str = ""):
  """`dial,dial,features`; by default `rows,conflict,ids`."""
  first, second, features = configure.parts_of(arg, ("rows", "conflict", "ids"))
  if not {first, second} <= DIALS.keys() or first == second or features not in ("ids", "frozen"):
    raise ValueError(f"{arg!r}: choose two of {', '.join(DIALS)}, and ids or frozen")
  config = configure.make("synthetic", "mlp", "alternate")
  config.data.update(zipf=0.0, features=features, feature_size=32)
  config.model.update(embedding_size=16, hidden=(64, 32))
  config.update(batch_size="auto", patience=6, l2=1e-4 * (features == "ids"))
  config.epochs, passes = {"ids": (60, 40.0), "frozen": (200, 200.0)}[features]
  config.search.update(trials=4, draw="halton", space=(ALPHA,), passes=passes)
  config.cases = configure.cases(
    {
      f"{first}={x:g}/{second}={y:g}/{method}/{seed}": of_cell({first: x, second: y})
      | {"method.name": method, "search.space": space, "data.seed": seed, "seed": seed}
      | (
        {"method.k": 1, "method.visit_steps": 5, "method.specific": branches(features)}
        if method.startswith("mamdr")
        else {}
      )
      for x in DIALS[first][1]
      for y in DIALS[second][1]
      for method, space in METHODS.items()
      for seed in range(num_seeds({first: x, second: y}))
    }
  )
  return config


def num_seeds(dials: dict) -> int:
  """How many draws of the data a cell has: more of them where there are few rows to test."""
  return max(1, min(4, ROWS // dials.get("rows", ROWS)))


def branches(features: str) -> tuple[str, ...]:
  """What has deltas, as validation chose it for ids and for given features."""
  return ("tables",) if features == "ids" else ("net",)


def of_cell(dials: dict) -> dict:
  """What the dials of a cell change in the config."""
  domains = int(dials.get("domains", DOMAINS))
  changes = {DIALS[name][0]: value for name, value in dials.items()}
  return changes | {"data.num_domains": domains, "data.rows": domains * dials.get("rows", ROWS)}
