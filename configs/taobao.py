"""Taobao Cloud Theme clicks with frozen GraphSage features (Luo et al. 2023, §V-A).

  python launch.py --config=configs/taobao.py:10,mlp,mamdr --config.data.root=PATH --workdir=DIR

Neither time nor AUC has been measured here; the paper has its own in Table V. Rates are those that
validation chose on synthetic data of the same counts and form, which
`configs/synthetic.py:taobao10,mlp,mamdr` draws.
Often overridden: `alpha`, `data.cache` (a folder), `method.visit_steps`.
"""

from mamdr_jax import configure


def get_config(arg: str = ""):
  """`number of domains,model,method`; by default `10,mlp,mamdr`."""
  num_domains, model, method = configure.parts_of(arg, ("10", "mlp", "mamdr"))
  config = configure.make("taobao", model, method)
  config.data.num_domains = int(num_domains)
  configure.tuned(config, features=True)
  return config
