"""A study of your own, to copy: data, methods and models side by side, several seeds, a search.

  python launch.py --config=configs/study.py --workdir=runs/study

As it stands it takes synthetic data, which needs no files. Time: 6.5 minutes on a core of an
AMD EPYC that other work shared. Expect no more than an example: four trials are few. Every key of
docs/config.md can be set here, for all cases or for one.
Often overridden: `sweep.seed`, `search.trials`.
"""

from mamdr_jax import configure


def get_config(arg: str = ""):
  """Three methods on two models; `arg` names the data, by default `synthetic-taobao10`."""
  # Your data: "table", and config.data.path, user, item, domain, label.
  config = configure.make(arg or "synthetic-taobao10", "mlp", "alternate")
  config.model.update(embedding_size=16, hidden=(64, 32))
  config.update(batch_size=512, epochs=12, patience=4)
  # The same number of trials for all, and of passes over the data for a run. What is drawn has to
  # be read by the method: alternate training has no β and no γ.
  rates = (("alpha", 1e-3, 3e-2),)
  config.search.update(trials=4, space=rates, rungs=(2.0, 6.0), passes=24.0)
  config.sweep.seed = (0, 1)
  outer, specific = (("beta", 0.1, 1.0),), (("gamma", 0.03, 1.0),)
  methods = {
    "alternate": {},
    "dn": {"method.name": "domain_negotiation", "search.space": rates + outer},
    "mamdr": {
      "method.name": "mamdr", "method.visit_steps": 5, "search.space": rates + outer + specific,
    },
  }  # fmt: skip
  config.cases = configure.cases(
    {
      f"{model}/{method}": {"model.name": model} | changes
      for model in ("mlp", "shared_bottom")
      for method, changes in methods.items()
    }
  )
  return config
