"""Which method suits a table: a short search of each, in the minutes that you give.

  python launch.py --config=configs/first.py --config.data.path=clicks.csv \\
    --config.data.user=customer --config.data.item=product --config.data.domain=shop \\
    --config.data.label=clicked --minutes=10 --workdir=runs/first

Alternate training, DN, MAMDR, a model a domain, and fine-tuning after the first and the third, four
trials each at the same number of passes; item popularity stands beside. The table says what each
reached, and the last line which to take. The argument names other data, as in
`configs/first.py:amazon-small`.
Time: about what you give; 10 minutes on 2 cores of an AMD EPYC for the 6 that were given, three
other processes beside, on 770,000 ratings of 27 domains. Expect a rough answer: trials are few.
Often overridden: `search.trials`, `model.embedding_size`, `data.*`.
"""

from mamdr_jax import configure

ALPHA = (("alpha", 1e-3, 3e-2),)
BETA, GAMMA = (("beta", 0.1, 1.0),), (("gamma", 1e-3, 0.3),)


def get_config(arg: str = ""):
  """`data,model`; by default `table,mlp`."""
  data, model = configure.parts_of(arg, ("table", "mlp"))
  config = configure.make(data, model, "alternate")
  config.model.update(embedding_size=16, hidden=(64, 32))
  config.update(batch_size="auto", epochs=200, patience=8, l2=1e-4)
  config.search.update(trials=4, space=ALPHA, rungs=(2.0, 6.0), passes=20.0)
  mamdr = {"method.visit_steps": 5, "method.specific": ("tables",), "method.k": 1}
  mamdr |= {"search.space": ALPHA + BETA + GAMMA}
  methods = {
    "alternate": {},
    "alternate+finetune": {},
    "separate": {},
    "domain_negotiation": {"search.space": ALPHA + BETA},
    "mamdr": mamdr,
    "mamdr+finetune": mamdr,
  }
  config.cases = configure.cases(
    {name: {"method.name": name} | changes for name, changes in methods.items()}
  )
  return config
