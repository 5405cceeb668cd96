"""Your own table: any CSV or Parquet file with columns of users, items and domains.

  python launch.py --config=configs/table.py:mlp,mamdr --config.data.path=clicks.csv \
    --config.data.label=clicked --workdir=DIR
"""

from mamdr_jax import configure


def get_config(arg: str = ""):
  """`model,method`; by default `mlp,mamdr`."""
  model, method = configure.split(arg, ("mlp", "mamdr"))
  return configure.make("table", model, method)
