"""Synthetic data with the counts and ctr ratios of Taobao-10/20/30 (Luo et al. 2023, Table IV).

python launch.py --config=configs/synthetic.py:taobao10,mlp,mamdr --workdir=runs/demo
"""

from mamdr_jax import configure


def get_config(arg: str = ""):
  """`preset,model,method`; by default `taobao10,mlp,mamdr`."""
  preset, model, method = configure.split(arg, ("taobao10", "mlp", "mamdr"))
  config = configure.make("synthetic", model, method)
  config.data.preset = preset
  return config
