"""Amazon reviews, a domain a category (Luo et al. 2023, §V-A): small, 6, 13, paper6, paper13.

python launch.py --config=configs/amazon.py:small,mlp,mamdr --config.data.root=PATH --workdir=DIR
"""

from mamdr_jax import configure


def get_config(arg: str = ""):
  """`group,model,method`; by default `small,mlp,mamdr`."""
  group, model, method = configure.split(arg, ("small", "mlp", "mamdr"))
  config = configure.make("amazon", model, method)
  config.data.domains = group
  return config
