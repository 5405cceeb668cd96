"""Synthetic data with the counts and ctr ratios of Taobao-10/20/30 (Luo et al. 2023, Table IV).

  python launch.py --config=configs/synthetic.py:taobao10,mlp,mamdr --workdir=runs/demo

Time: 70 s on 2 cores of an AMD EPYC, 47 s of them training. Expect a mean test AUC of 0.823 (seed
0); the ceiling is 0.850. Rates are near those that validation chose in results/synthetic.md; 12
epochs are a demo, where training to the end takes 100. Often overridden: `data.conflict`,
`data.features`, `epochs`.
"""

from mamdr_jax import configure


def get_config(arg: str = ""):
  """`preset,model,method`; by default `taobao10,mlp,mamdr`."""
  preset, model, method = configure.parts_of(arg, ("taobao10", "mlp", "mamdr"))
  config = configure.make("synthetic", model, method)
  config.data.preset = preset
  configure.tuned(config, features=True)
  config.epochs = 12
  return config
