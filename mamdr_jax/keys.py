"""The keys of a config: what is the same whatever is trained, and what each is to a run."""

from collections.abc import Mapping
from typing import NamedTuple


class Key(NamedTuple):
  """A key that no constructor takes. What one takes is described with the constructor."""

  default: object
  what: str  # it is, for docs/config.md
  # "seed" and "rate": each run has its own; with `sweep` they give the runs of a config. "growing":
  # with more of it, what was trained counts. "running": it changes no result. Any other key makes
  # an experiment another one.
  role: str = ""
  kind: type | None = None  # of its values, where that is not the default's


TRAINING = {
  "inner.name": Key("adam", "optimizer of descents: one of optax's that are elementwise"),
  "inner.options": Key((), "its options besides the rate, e.g. (('b1', 0.8),)"),
  "outer.name": Key("sgd", "optimizer of outer steps; sgd makes them Eqs. 3 and 8"),
  "outer.options": Key((), "its options"),
  "specific_inner.name": Key("", "optimizer of the descents of deltas; none: that of inner"),
  "specific_inner.options": Key((), "its options"),
  "alpha": Key(1e-3, "inner rate, α", "rate"),
  "beta": Key(0.1, "outer rate of the shared parameters, β", "rate"),
  "gamma": Key(0.1, "outer rate of the specific parameters, γ", "rate"),
  "seed": Key(0, "of initial parameters and of all that is drawn while training", "seed"),
  "anneal": Key((), "what rates are multiplied by after every epoch, e.g. (('gamma', 0.9),)"),
  "average": Key(
    0.0,
    "weight of earlier epochs in a running mean of states, which is then what is measured and "
    "kept; 0: none",
  ),
  "sweep.seed": Key(
    (), "seeds in place of seed; runs are the product of what is given in sweep", "growing"
  ),
  "sweep.alpha": Key((), "rates in place of alpha", "growing"),
  "sweep.beta": Key((), "rates in place of beta", "growing"),
  "sweep.gamma": Key((), "rates in place of gamma", "growing"),
  "sweep.over": Key(
    (), "values of any other key, e.g. (('method.k', (1, 3)),): an experiment each", "growing"
  ),
  "search.trials": Key(
    0, "so many runs, whose rates are drawn from search.space; 0: those of sweep"
  ),
  "search.draw": Key(
    "random", "how: random; or halton, Halton's sequence, which spreads few trials evenly"
  ),
  "search.space": Key((), "rates and their bounds, e.g. (('alpha', 1e-4, 1e-1),)"),
  "search.rungs": Key(
    (), "passes over the training data after which a run ends that is not among the best"
  ),
  "search.keep": Key(3.0, "of the runs that have come to a rung one of so many goes on"),
  "search.passes": Key(0.0, "passes over the training data that a run has at most; 0: no limit"),
  "cases": Key((), "experiments by name, e.g. (('dn', (('method.name', 'domain_negotiation'),)),)"),
  "batch_size": Key(
    1024, "rows of a minibatch; auto: a power of two that pads a fifth at most", kind=object
  ),
  "reshuffle": Key(True, "whether rows are dealt into new minibatches every epoch"),
  "stream": Key(
    0, "minibatches on the device at a time, the next cut from the data meanwhile; 0: all, always"
  ),
  "rest": Key(
    "",
    "where what a method keeps for every domain is between its rounds: host, disk, or with the "
    "rest of the state; needs stream",
  ),
  "rest_dtype": Key("float32", "its type there: float32, or bfloat16 in half the bytes"),
  "workers": Key(
    0,
    "workers that hold domains and tables, and take rounds side by side; 0: one process trains",
  ),
  "l2": Key(0.0, "factor of Σ e² over the embeddings that a minibatch reads"),
  "warm_start": Key("", "folder of a stored model that runs begin from: what it knows is kept"),
  "epochs": Key(100, "at most so many", "growing"),
  "patience": Key(5, "epochs without a better validation AUC before a run stops", "growing"),
  "lanes": Key(
    0, "runs side by side on a device; 0: all that fit an accelerator, 1 on a CPU", "running"
  ),
  "devices": Key(
    0, "devices over which runs are dealt out; 0: all accelerators, 1 on a CPU", "running"
  ),
  "checkpoint_seconds": Key(60.0, "at most so much is lost when a run is interrupted", "running"),
  "probe_every": Key(
    0, "epochs between measurements of how gradients of domains conflict; 0: none", "running"
  ),
  "test_every_epoch": Key(
    False, "whether the metrics tell test AUC after every epoch too; nothing goes by it", "running"
  ),
  "model_lists": Key(
    2**24,
    "items at most in a list that `model/` has for recommendations: those of each domain, and "
    "those that its users had; a longer list is left out",
    "running",
  ),
  "measures": Key(
    (),
    "what a run's result has beside AUC: some of 'gauc', 'ndcg@10', 'hr@10' (or another number), "
    "'calibration', 'log_loss'; what has ended is measured again",
    "running",
  ),
}


def having(*roles: str) -> tuple[str, ...]:
  """The keys with one of these roles; of several in a section, the section."""
  found = (key.partition(".")[0] for key, about in TRAINING.items() if about.role in roles)
  return tuple(dict.fromkeys(found))


RATES = having("rate")
OF_RUN = (*having("seed"), *RATES)
GROWING = having("seed", "rate", "growing")
RUNNING = having("running")
# Of the readers of data: replicates of one data set; where the data lie, not which they are, and
# of these what has a name to tell.
DATA_SEEDS = ("data.seed", "data.split_seed")
FILES = ("data.path", "data.user_features", "data.item_features")
PLACES = ("data.root", "data.cache", *FILES)


def files_named(config: Mapping) -> list[str]:
  """The keys by which a config names files or folders of data."""
  return [key for key in PLACES if flat(config).get(key)]


def flat(config: Mapping) -> dict[str, object]:
  """The keys of a config by dotted name."""
  leaves = {}
  for key, value in config.items():
    nested = flat(value) if isinstance(value, Mapping) else {"": value}
    leaves |= {f"{key}.{inner}".rstrip("."): leaf for inner, leaf in nested.items()}
  return leaves


def identity(config: Mapping) -> dict[str, object]:
  """What makes an experiment another one, however many runs and epochs it has; dotted names.

  A key that an older config lacks has its default.
  """
  left_out = GROWING + RUNNING
  as_read = lambda value: list(value) if isinstance(value, tuple) else value
  missing = {key: as_read(about.default) for key, about in TRAINING.items()}
  kept = {key: value for key, value in (missing | flat(config)).items() if key not in PLACES}
  return {key: value for key, value in kept.items() if key.split(".")[0] not in left_out}
