"""Your own table: any CSV or Parquet file with columns of users, items and domains.

  python launch.py --config=configs/table.py:mlp,mamdr --config.data.path=clicks.csv \\
    --config.data.user=customer --config.data.item=product --config.data.domain=shop \\
    --config.data.label=clicked --workdir=DIR

The third part of the argument is `ids`, the default, or `features` where users and items have given
ones: rates, L2, visits and patience are what validation chose for either (results/). Layers and
embeddings are smaller than the paper's, and one domain helps another, so that a first run is short.

Time: 4 s for the four runs on a core of an AMD EPYC, with programs compiled before and the
`clicks.csv` that docs/extending.md draws; 30 s beside other work. Expect a mean test AUC of 0.719
(seed 0), item popularity 0.670; real sets and a search beside are in results/defaults.md.
Often overridden: `sweep.alpha`, `sweep.beta`, `data.categorical`, `data.dense`.
"""

from mamdr_jax import configure


def get_config(arg: str = ""):
  """`model,method,kind`, the kind `ids` or `features`; by default `mlp,mamdr,ids`."""
  model, method, kind = configure.parts_of(arg, ("mlp", "mamdr", "ids"))
  if kind not in ("ids", "features"):
    raise ValueError(f"unknown kind {kind!r}; choose ids or features")
  config = configure.make("table", model, method)
  configure.tuned(config, features=kind == "features")
  for name, size in {"embedding_size": 32, "hidden": (128, 64)}.items():
    if name in config.model:
      config.model[name] = size
  if "k" in config.method:
    config.method.k = 1  # which two domains have, too
  if kind == "ids":  # tables that learn rows by heart want the lower α, others the higher
    config.sweep.alpha, config.patience = (1e-3, 1e-2), 10
    if method.partition("+")[0] in ("domain_negotiation", "reptile", "mamdr"):
      config.sweep.beta = (0.2, 0.5)  # of four real sets, two want the higher with DN
  return config
