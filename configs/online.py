"""Taobao-online (Luo et al. 2023, Table I) as synthetic data: 69,102 domains, a 40th of its rows.

  python launch.py --config=configs/online.py --config.data.cache=DIR/data --workdir=DIR/run

Time: 14 s on 2 cores of an AMD EPYC that other work shared, to draw the 12,246,321 rows of
2,107,694 users and 409,641 items, in 0.8 GiB of memory; from the cache they are there at once. Most
domains have fewer rows than a minibatch of the paper, so minibatches are small here, and so are the
layers, of which each domain has deltas. Rates are the defaults, not tuned: expect less than the
ceiling, the 0.837 that the truth has in the test rows. With `method.visit_steps=1`, deltas on
`net.Logit_0`, d = 16, layers of 64 and 32 and α = 0.003, three epochs of MAMDR took 87, 72 and 68 s
beside other work, and mean validation AUC was .521, .585 and .593 (one run), at up to 5.1 GiB.
Often overridden: `data.one_in`, `data.cache` (a folder), `model.hidden`.
"""

from mamdr_jax import configure


def get_config(arg: str = ""):
  """`model,method`; by default `mlp,mamdr`."""
  model, method = configure.parts_of(arg, ("mlp", "mamdr"))
  config = configure.make("synthetic-taobao_online", model, method)
  config.data.update(one_in=40, features="ids")
  config.batch_size = 128
  if model == "mlp":
    config.model.update(embedding_size=8, hidden=(32, 16))
  if "visit_steps" in config.method:
    config.method.update(k=1, visit_steps=5, specific=("net",))
  return config
