"""Amazon reviews, a domain a category (Luo et al. 2023, §V-A): small, 6, 13, paper6, paper13.

  python launch.py --config=configs/amazon.py:small,mlp,mamdr --config.data.root=PATH --workdir=DIR

Rates and L2 are those that validation chose in results/amazon_small.md, which also says what to
expect; short visits, and deltas on the tables instead of the net, come from results/questions.md.
Often overridden: `data.cache` (a folder), `model.embedding_size`.
"""

from mamdr_jax import configure


def get_config(arg: str = ""):
  """`group,model,method`; by default `small,mlp,mamdr`."""
  group, model, method = configure.split(arg, ("small", "mlp", "mamdr"))
  config = configure.make("amazon", model, method)
  config.data.domains = group
  config.update(alpha=1e-2, beta=0.2, gamma=0.001, l2=1e-4, patience=15)
  if "visit_steps" in config.method:
    config.method.update(visit_steps=5, specific=("tables",))
  return config
