"""The protocol of the code that Luo et al. released, as a whole, so that its runs can be followed.

  python launch.py --config=configs/released.py:synthetic-taobao10,mlp,mamdr+finetune --workdir=DIR

Adam at 0.001 inside, 0.1 outside for both parts, five helpers and the target itself, whole passes,
one state of Adam through all descents, deltas that start from noise, dropout 0.5, layers of 256,
128 and 64 on embeddings of 128, minibatches of 1,024 that stay as they are dealt, L2 of 1e-5 on
embeddings, patience 3, and then SGD at 0.001 for every domain. Alternate training and the others
have the same patience and rates.

What is still otherwise: AUC is exact, not of 500 thresholds; L2 is on the rows that a minibatch
reads; a domain's fine-tuning goes by its best AUC without a least difference; deltas start from
normal noise of 0.05 for each number, where the released code has the initialisers of its layers.

In place of a method, `ablation` takes the protocol apart: alternate training under it, with and
without its fine-tuning and with longer patience, and MAMDR with one thing changed at a time.

Time: 40 minutes for `ablation` on amazon-small, on a core of an AMD EPYC. Expect the table of
results/protocol.md.
Often overridden: `data.root`, `epochs`.
"""

from mamdr_jax import configure

FEWER = ("amazon-6", "amazon-paper6", "amazon-small")  # sets of six domains: three helpers
# case -> what it has otherwise than the protocol of MAMDR.
ABLATION = {
  "mamdr+finetune": {},
  "mamdr": {"method.name": "mamdr"},
  "mamdr_patience_10": {"method.name": "mamdr", "patience": 10},
  "mamdr_deltas_from_0": {"method.name": "mamdr", "method.specific_scale": 0.0},
  "mamdr_fresh_states": {"method.name": "mamdr", "method.one_state": False},
  "mamdr_whole_steps_of_dn": {"method.name": "mamdr", "beta": 1.0},
  "domain_negotiation": {"method.name": "domain_negotiation"},
  "alternate": {"method.name": "alternate"},
  "alternate_patience_10": {"method.name": "alternate", "patience": 10},
  "alternate+finetune": {"method.name": "alternate+finetune"},
}


def get_config(arg: str = ""):
  """`data,model,method`; by default `synthetic-taobao10,mlp,mamdr+finetune`."""
  defaults = ("synthetic-taobao10", "mlp", "mamdr+finetune")
  data, model, method = configure.parts_of(arg, defaults)
  if method == "ablation":
    config = get_config(f"{data},{model},{defaults[-1]}")
    config.cases = configure.cases(ABLATION)
    return config
  config = configure.make(data, model, method)
  config.update(alpha=1e-3, beta=0.1, gamma=0.1, l2=1e-5, epochs=1000, patience=3, reshuffle=False)
  if "dropout" in config.model:
    config.model.dropout = 0.5
  if "k" in config.method:
    config.method.update(k=3 if data in FEWER else 5, help_self=True, specific_scale=0.05)
  if "one_state" in config.method:
    config.method.one_state = True
  if "finetune_with" in config.method:
    config.method.finetune_with = "sgd"
  return config
