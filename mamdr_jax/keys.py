"""What the keys of a config are to a run: which make it another one, and which do not."""

from collections.abc import Mapping

RATES = ("alpha", "beta", "gamma")
OF_RUN = ("seed", *RATES)  # each run has its own; with `sweep` they give the runs of a config
GROWING = ("epochs", "patience", *OF_RUN, "sweep")  # with more of them, what was trained counts
RUNNING = ("lanes", "checkpoint_seconds", "probe_every")  # they change no result
DATA_SEEDS = ("data.seed", "data.split_seed")  # replicates of one data set
FILES = ("data.path", "data.user_features", "data.item_features")  # of these the name is told
PLACES = ("data.root", "data.cache", *FILES)  # where the data lie, not which they are


def flat(config: Mapping) -> dict[str, object]:
  """The keys of a config by dotted name."""
  leaves = {}
  for key, value in config.items():
    nested = flat(value) if isinstance(value, Mapping) else {"": value}
    leaves |= {f"{key}.{inner}".rstrip("."): leaf for inner, leaf in nested.items()}
  return leaves


def identity(config: Mapping) -> dict[str, object]:
  """What makes an experiment another one, however many runs and epochs it has; dotted names."""
  left_out = GROWING + RUNNING
  kept = {key: value for key, value in flat(config).items() if key not in PLACES}
  return {key: value for key, value in kept.items() if key.split(".")[0] not in left_out}
