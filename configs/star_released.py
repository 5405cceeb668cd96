"""STAR as the code of Luo et al. has it by default: no normalisation, no auxiliary net, no dropout.

  python launch.py --config=configs/star_released.py:synthetic-taobao10,mamdr --workdir=DIR

`configs/synthetic.py:taobao10,star,mamdr` and the like are STAR whole (Sheng et al. 2021).
"""

from mamdr_jax import configure


def get_config(arg: str = ""):
  """`data,method`; by default `synthetic-taobao10,alternate`."""
  data, method = configure.split(arg, ("synthetic-taobao10", "alternate"))
  config = configure.make(data, "star", method)
  config.model.update(normalize=False, auxiliary=False, dropout=0.0)
  config.update(alpha=3e-3, beta=0.7)
  return config
