"""Your own table: any CSV or Parquet file with columns of users, items and domains.

  python launch.py --config=configs/table.py:mlp,mamdr --config.data.path=clicks.csv \\
    --config.data.user=customer --config.data.item=product --config.data.domain=shop \\
    --config.data.label=clicked --config.method.k=2 --config.epochs=2 --workdir=DIR

Time: 32 s on 2 cores of an AMD EPYC, with the `clicks.csv` that docs/extending.md draws. Expect a
mean test AUC of 0.568 (seed 0) after these two epochs. Rates are the defaults.
Often overridden: `alpha`, `data.categorical`, `data.dense`.
"""

from mamdr_jax import configure


def get_config(arg: str = ""):
  """`model,method`; by default `mlp,mamdr`."""
  model, method = configure.parts_of(arg, ("mlp", "mamdr"))
  return configure.make("table", model, method)
