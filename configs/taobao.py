"""Taobao Cloud Theme clicks with frozen GraphSage features (Luo et al. 2023, §V-A).

python launch.py --config=configs/taobao.py:10,mlp,mamdr --config.data.root=PATH --workdir=DIR
"""

from mamdr_jax import configure


def get_config(arg: str = ""):
  """`number of domains,model,method`; by default `10,mlp,mamdr`."""
  num_domains, model, method = configure.split(arg, ("10", "mlp", "mamdr"))
  config = configure.make("taobao", model, method)
  config.data.num_domains = int(num_domains)
  return config
