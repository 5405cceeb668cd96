"""Public data sets: kuairand, aliccp, aliexpress, movielens, douban; docs/data.md says of each
where it is had and which files `root` has to hold.

  python launch.py --config=configs/public.py:movielens,mlp,mamdr --config.data.root=PATH \\
    --workdir=DIR

Neither time nor AUC has been measured here, since none of these sets came with the project; rates
are those of configs/amazon.py, for ids with trained tables. `--statistics` prints what was read.
Often overridden: `alpha`, `data.split_by`, `data.cache` (a folder).
"""

from mamdr_jax import configure


def get_config(arg: str = ""):
  """`data set,model,method`; by default `movielens,mlp,mamdr`."""
  data, model, method = configure.parts_of(arg, ("movielens", "mlp", "mamdr"))
  config = configure.make(data, model, method)
  configure.tuned(config, features=False)
  return config
