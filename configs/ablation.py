"""alternate, DN, DR and MAMDR, tuned alike: results/amazon_small.md and results/synthetic.md.

  python launch.py --config=configs/ablation.py:amazon-small,tune --config.data.root=PATH \\
    --workdir=DIR/tune
  python launch.py --config=configs/ablation.py:amazon-small,final --config.data.root=PATH \\
    --workdir=DIR/final

tune    the trials of each method on seed 100, as many for each
final   the trial that validation chose (CHOSEN) on seeds 0-4

Data: amazon-small; synthetic; synthetic-blind, where the model does not see the domain.

Time: 99 s on 2 cores of an AMD EPYC for `synthetic-blind,final` with `--only=mamdr`, one of its
four cases, 90 s of them training. Expect of it a mean test AUC of 0.776 ± 0.010, five seeds; the
pages have the others.
Often overridden: `sweep.seed`.
"""

from mamdr_jax import configure

TRIALS = {
  "amazon-small": {  # eight: four, each with and without L2 on embeddings
    "alternate": {"alpha": (1e-3, 3e-3, 1e-2, 3e-2)},
    "domain_negotiation": {"alpha": (3e-3, 1e-2), "beta": (0.05, 0.2)},
    "domain_regularization": {"alpha": (3e-3, 1e-2), "gamma": (0.001, 0.01)},
    "mamdr": {"alpha": (1e-2,), "beta": (0.05, 0.2), "gamma": (0.001, 0.01)},
  },
  "synthetic": {  # six
    "alternate": {"alpha": (1e-3, 2e-3, 3e-3, 5e-3, 7e-3, 1e-2)},
    "domain_negotiation": {"alpha": (3e-3, 5e-3), "beta": (0.3, 0.5, 0.7)},
    "domain_regularization": {"alpha": (3e-3, 5e-3), "gamma": (0.03, 0.1, 0.3)},
    "mamdr": {"alpha": (3e-3,), "beta": (0.5, 0.7), "gamma": (0.03, 0.1, 0.3)},
  },
  "synthetic-blind": {  # four
    "alternate": {"alpha": (3e-4, 1e-3, 3e-3, 1e-2)},
    "domain_negotiation": {"alpha": (1e-3, 3e-3), "beta": (0.3, 0.7)},
    "domain_regularization": {"alpha": (1e-3, 3e-3), "gamma": (0.1, 0.5)},
    "mamdr": {"alpha": (1e-3, 3e-3), "beta": (0.7,), "gamma": (0.1, 0.5)},
  },
}
CHOSEN = {
  "amazon-small": {
    "alternate": {"alpha": 1e-2},
    "domain_negotiation": {"alpha": 1e-2, "beta": 0.05},
    "domain_regularization": {"alpha": 1e-2, "gamma": 0.001},
    "mamdr": {"alpha": 1e-2, "beta": 0.2, "gamma": 0.001},
  },
  "synthetic": {
    "alternate": {"alpha": 1e-3},
    "domain_negotiation": {"alpha": 3e-3, "beta": 0.7},
    "domain_regularization": {"alpha": 3e-3, "gamma": 0.3},
    "mamdr": {"alpha": 3e-3, "beta": 0.5, "gamma": 0.3},
  },
  "synthetic-blind": {
    "alternate": {"alpha": 1e-3},
    "domain_negotiation": {"alpha": 1e-3, "beta": 0.7},
    "domain_regularization": {"alpha": 1e-3, "gamma": 0.5},
    "mamdr": {"alpha": 1e-3, "beta": 0.7, "gamma": 0.5},
  },
}
EPOCHS = {  # at most so many, and the patience
  ("amazon-small", "tune"): (100, 15),
  ("amazon-small", "final"): (100, 15),
  ("synthetic", "tune"): (100, 15),
  ("synthetic", "final"): (150, 15),
  ("synthetic-blind", "tune"): (60, 10),
  ("synthetic-blind", "final"): (60, 10),
}


def get_config(arg: str = ""):
  """`data,stage`; by default `amazon-small,final`."""
  data, stage = configure.parts_of(arg, ("amazon-small", "final"))
  if data not in TRIALS or stage not in ("tune", "final"):
    raise ValueError(f"expected one of {', '.join(TRIALS)}, then tune or final; got {arg!r}")
  amazon, tuned = data == "amazon-small", stage == "tune"
  config = configure.make(data if amazon else "synthetic-taobao10", "mlp", "mamdr")
  config.model.update(embedding_size=32, hidden=(128, 64))
  config.method.update(visit_steps=5, specific=("net",))
  config.epochs, config.patience = EPOCHS[data, stage]
  if amazon:
    config.l2 = 1e-4
  else:
    config.data.feature_size = 32
    config.model.domain_feature = data == "synthetic"
  config.sweep.seed = (100,) if tuned else (0, 1, 2, 3, 4)
  if amazon and tuned:
    config.sweep.over = (("l2", (0.0, 1e-4)),)
  at = "sweep." if tuned else ""
  config.cases = configure.cases(
    {
      method: {"method.name": method} | {at + rate: value for rate, value in rates.items()}
      for method, rates in (TRIALS if tuned else CHOSEN)[data].items()
    }
  )
  return config
