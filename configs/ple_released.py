"""PLE and CGC with the sizes of the files that Luo et al. released, which are not those of §V-C.

  python launch.py --config=configs/ple_released.py:synthetic-taobao10,cgc,alternate --workdir=DIR

For Taobao-10 and Taobao-20 those have experts of 256 units and towers of 64. The paper's text has
experts of 64 and towers of 256, and so have all other configs, such as
`configs/synthetic.py:taobao10,cgc,alternate`. The files have one level, which is `cgc`.

Neither time nor AUC has been measured here.
Often overridden: `alpha`, `model.num_specific`.
"""

from mamdr_jax import configure


def get_config(arg: str = ""):
  """`data,model,method`, the model ple or cgc; by default `synthetic-taobao10,cgc,alternate`."""
  defaults = ("synthetic-taobao10", "cgc", "alternate")
  config = configure.make(*configure.parts_of(arg, defaults))
  config.model.update(expert=(256,), tower=(64,))
  config.update(alpha=3e-3, beta=0.7)
  return config
