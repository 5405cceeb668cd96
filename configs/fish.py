"""Fish (Shi et al. 2022): DN whose outer step follows one minibatch of each domain.

  python launch.py --config=configs/fish.py:synthetic-taobao10,mlp --workdir=DIR

Time: 44 s on 2 cores of an AMD EPYC, 34 s of them training, 26 epochs. Expect a mean test AUC of
0.837 (seed 0). With its many outer steps it wants a larger β than DN; results/methods.md has it
beside thirteen others. Often overridden: `alpha`, `beta`.
"""

from mamdr_jax import configure


def get_config(arg: str = ""):
  """`data,model`; by default `synthetic-taobao10,mlp`."""
  data, model = configure.parts_of(arg, ("synthetic-taobao10", "mlp"))
  config = configure.make(data, model, "domain_negotiation")
  config.method.round_steps = 1
  config.update(alpha=3e-3, beta=0.7)
  return config
