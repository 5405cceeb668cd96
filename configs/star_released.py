"""STAR as the code of Luo et al. has it by default: no normalisation, no auxiliary net, no dropout.

  python launch.py --config=configs/star_released.py:synthetic-taobao10,alternate --workdir=DIR

Time: 42 s on 2 cores of an AMD EPYC, 33 s of them training, 22 epochs. Expect a mean test AUC of
0.834 (seed 0). `configs/synthetic.py:taobao10,star,mamdr` and the like are STAR whole (Sheng et
al. 2021).
Often overridden: `alpha`, `model.dropout`.
"""

from mamdr_jax import configure


def get_config(arg: str = ""):
  """`data,method`; by default `synthetic-taobao10,alternate`."""
  data, method = configure.parts_of(arg, ("synthetic-taobao10", "alternate"))
  config = configure.make(data, "star", method)
  config.model.update(normalize=False, auxiliary=False, dropout=0.0)
  config.update(alpha=3e-3, beta=0.7)
  return config
