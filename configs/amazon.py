"""Amazon reviews, a domain a category (Luo et al. 2023, §V-A): small, 6, 13, paper6, paper13.

  python launch.py --config=configs/amazon.py:small,mlp,mamdr --config.data.root=PATH \\
    --workdir=DIR

Time: 3 minutes on 2 cores of an AMD EPYC, 157 s of them training, 28 epochs. Expect a mean test
AUC of 0.794 (seed 0), with the paper's sizes of layers; results/amazon_small.md has 0.803 ± 0.002
over five seeds with smaller ones, and results/amazon_6.md the time and memory of amazon-6. Rates
and L2 are those that validation chose in results/amazon_small.md; short visits, and deltas on the
tables instead of the net, come from results/questions.md.
Often overridden: `data.cache` (a folder), `model.embedding_size`.
"""

from mamdr_jax import configure


def get_config(arg: str = ""):
  """`group,model,method`; by default `small,mlp,mamdr`."""
  group, model, method = configure.parts_of(arg, ("small", "mlp", "mamdr"))
  config = configure.make("amazon", model, method)
  config.data.domains = group
  configure.tuned(config, features=False)
  return config
