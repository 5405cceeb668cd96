"""DN and what it is related to, side by side: docs/relatives.md says which is which.

  python launch.py --config=configs/relatives.py --workdir=runs/relatives

Time: 15 minutes on a core of an AMD EPYC that other work shared. Expect a mean test AUC between
0.719 and 0.735, see the page. Often overridden: `sweep.seed`, `epochs`.
"""

from mamdr_jax import configure

DN = {"method.name": "domain_negotiation"}
NESTEROV = {"outer.options": (("momentum", 0.9), ("nesterov", True))}
CASES = {
  "alternate": {"method.name": "alternate", "sweep.beta": ()},
  "dn": DN,
  "fish": DN | {"method.round_steps": 1},
  "rounds of 5": DN | {"method.round_steps": 5},
  "dn, Nesterov outside": DN | NESTEROV | {"sweep.beta": (0.03, 0.1, 0.3, 0.7)},
  "rounds of 5, Nesterov outside": DN
  | NESTEROV
  | {"method.round_steps": 5, "sweep.beta": (0.03, 0.1, 0.3, 0.7)},
  "dn, Adam outside": DN | {"outer.name": "adam", "sweep.beta": (3e-4, 1e-3, 3e-3, 1e-2)},
  "dn, Adagrad outside": DN | {"outer.name": "adagrad", "sweep.beta": (3e-3, 1e-2, 3e-2, 1e-1)},
  "reptile": {"method.name": "reptile"},
}


def get_config(arg: str = ""):
  """`data`; by default `synthetic-taobao10`. Every case has the same number of trials."""
  config = configure.make(arg or "synthetic-taobao10", "mlp", "domain_negotiation")
  config.model.update(embedding_size=16, hidden=(64, 32), domain_feature=False)
  config.update(batch_size=512, epochs=40, patience=8, alpha=3e-3)
  config.sweep.seed, config.sweep.beta = (0, 1, 2), (0.1, 0.3, 0.7, 1.0)
  alphas = {"sweep.alpha": (1e-3, 3e-3, 1e-2, 3e-2)}
  config.cases = configure.cases(
    {name: of | (alphas if name == "alternate" else {}) for name, of in CASES.items()}
  )
  return config
