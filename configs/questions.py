"""Where paper, released code and common sense differ: results/questions.md.

  python launch.py --config=configs/questions.py --config.data.root=PATH --workdir=DIR
  python -m mamdr_jax.report DIR --out=DIR/report

One change at a time to DN or to MAMDR on amazon-small, three seeds each. `--only='dn*'` runs some.

Time: 93 s on 2 cores of an AMD EPYC for `--only=dn`, one of the eighteen cases, 84 s of them
training. Expect of it a mean validation AUC of 0.809 ± 0.003; results/questions.md has what the
others gave.
Often overridden: `sweep.seed`, `epochs`.
"""

from mamdr_jax import configure

DN = {
  "dn": {},
  "dn_fresh": {"method.carry": False},
  "dn_same_minibatches": {"reshuffle": False},
  "dn_adagrad": {"outer.name": "adagrad"},
  "dn_adam": {"outer.name": "adam", "beta": 0.001},
  "dn_no_l2": {"l2": 0.0},
  "dn_dense": {"method.sparse": False},
}
MAMDR = {
  "mamdr": {},
  "mamdr_carried": {"method.specific_carry": True},
  "mamdr_random": {"method.specific_scale": 0.01},
  "mamdr_help_self": {"method.help_self": True},
  "mamdr_visits_10": {"method.visit_steps": 10},
  "mamdr_k_1": {"method.k": 1},
  "mamdr_k_1_whole_visits": {"method.k": 1, "method.visit_steps": None},
  "mamdr_tables": {"method.specific": ("tables",)},
  "mamdr_both": {"method.specific": ("tables", "net")},
  "mamdr_gamma_0.1": {"gamma": 0.1},
  "mamdr_decay": {
    "specific_inner.name": "adamw",
    "specific_inner.options": (("weight_decay", 3.0),),
  },
}


def get_config(arg: str = ""):
  if arg:
    raise ValueError(f"configs/questions.py takes no argument; got {arg!r}")
  config = configure.make("amazon-small", "mlp", "mamdr")
  config.model.update(embedding_size=32, hidden=(128, 64))
  config.update(alpha=1e-2, beta=0.2, gamma=0.01, l2=1e-4, epochs=30, patience=10)
  config.method.update(visit_steps=5, specific=("net",))
  config.sweep.seed = (0, 1, 2)
  cases = {name: {"method.name": "domain_negotiation"} | changes for name, changes in DN.items()}
  config.cases = configure.cases(cases | MAMDR)
  return config
