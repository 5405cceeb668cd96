"""What a config may ask for; what cannot be is one sentence, before it is built."""

import math
from collections.abc import Collection, Mapping

from mamdr_jax import keys, measures
from mamdr_jax.data.minibatches import AUTO
from mamdr_jax.search import DRAWS

MOST = 2**24  # of any number that counts or sizes something
MOST_ROWS = 2**31 - 1  # of data, and of their users and items, whose numbers are int32
SEEDS = 2**32  # as many keys there are
# key -> (least, most); of a rate 0 is allowed, which moves nothing.
RANGES = {
  "batch_size": (1, MOST), "epochs": (1, MOST), "patience": (1, MOST), "lanes": (0, MOST),
  "devices": (0, MOST), "stream": (0, MOST), "workers": (0, MOST),
  "model_lists": (0, MOST_ROWS), "search.trials": (0, MOST), "search.passes": (0, math.inf),
  "search.keep": (1, math.inf), "average": (0, 0.999),
  "probe_every": (0, MOST), "checkpoint_seconds": (0, math.inf), "l2": (0, math.inf),
  **dict.fromkeys(keys.RATES, (0, 3e38)),
}  # fmt: skip
CHOICES = {
  "rest": ("", "host", "disk"), "rest_dtype": ("float32", "bfloat16"), "search.draw": DRAWS,
}  # fmt: skip
FREE = (
  "anneal",
  "method.similarity",
  "sweep.over",
  "cases",
  "search.space",
  "search.rungs",
  "inner.options",
  "outer.options",
  "specific_inner.options",
)


def values(config: Mapping) -> None:
  """Raises a ValueError that names the first key whose value cannot be."""
  flat = keys.flat(config)
  for key, value in flat.items():
    if key == "batch_size":
      _batch_size(key, value)
    elif key in RANGES:
      _number(key, value, *RANGES[key])
    elif key == measures.MEASURES:
      measures.check(key, value)
    elif key == "seed" or key in keys.DATA_SEEDS:
      _seed(key, value)
    elif key.startswith("sweep.") and key != "sweep.over":
      _swept(key, value)
    elif key not in FREE:
      _plain(key, value)
  _pairs("sweep.over", flat["sweep.over"])
  _pairs("cases", flat["cases"])
  _search(flat)
  _anneal(flat["anneal"])
  if flat["average"] and flat["stream"]:
    told = f"average={flat['average']} and stream={flat['stream']}"
    raise ValueError(f"{told}: data that come in parts have no mean of states; expected average=0")
  if flat["workers"]:
    _workers(flat)
  for key in ("lanes", "devices"):
    if flat["stream"] and flat[key] > 1:
      told = f"stream={flat['stream']} and {key}={flat[key]}"
      one = f"data that come in parts train one run at a time; expected {key}=1"
      raise ValueError(f"{told}: {one}")
  for key, choices in CHOICES.items():
    if flat[key] not in choices:
      raise ValueError(f"{key}={_short(flat[key])}; choose one of {', '.join(map(repr, choices))}")
  if flat["rest"] and not flat["stream"]:
    raise ValueError(f"rest={flat['rest']!r} and stream=0; expected parts, e.g. stream=4096")
  if flat["rest"] and flat["probe_every"]:
    told = f"rest={flat['rest']!r} and probe_every={flat['probe_every']}"
    raise ValueError(f"{told}: a probe looks at all that serves; expected one of the two")
  if flat["rest_dtype"] != "float32" and not flat["rest"]:
    raise ValueError(f"rest_dtype={flat['rest_dtype']!r} and no rest; choose rest='host' or 'disk'")


def _search(flat: Mapping) -> None:
  """Raises a ValueError for a search that cannot be."""
  trials, space, rungs = (flat[f"search.{name}"] for name in ("trials", "space", "rungs"))
  there = set()
  for of in space:
    right = isinstance(of, tuple | list) and len(of) == 3 and of[0] in keys.RATES
    right = right and of[0] not in there and all(isinstance(x, int | float) for x in of[1:])
    if not right or not 0 < of[1] < of[2] < math.inf:
      raise ValueError(
        f"search.space={_short(space)}; expected rates with two bounds above 0, each rate once, "
        "such as (('alpha', 1e-4, 1e-1), ('beta', 0.03, 1.0))"
      )
    there.add(of[0])
  if bool(trials) != bool(space):
    raise ValueError(f"search.trials={trials} and search.space={_short(space)}; give both or none")
  if swept := [rate for rate in keys.RATES if trials and flat[f"sweep.{rate}"]]:
    raise ValueError(
      f"sweep.{swept[0]}: the rates of search.trials are drawn; expected one of both"
    )
  right = all(isinstance(x, int | float) and not isinstance(x, bool) for x in rungs)
  if not right or any(a >= b for a, b in zip((0, *rungs), rungs, strict=False)):
    raise ValueError(f"search.rungs={_short(rungs)}; expected numbers of passes that rise")
  if flat["workers"] and (len(rungs) or flat["search.passes"]):
    raise ValueError(f"workers={flat['workers']}: runs of workers do not end at rungs of a search")


def _anneal(value) -> None:
  """Raises a ValueError unless these are rates with a factor above 0, each once."""
  right = isinstance(value, list | tuple) and all(
    isinstance(pair, list | tuple)
    and len(pair) == 2
    and pair[0] in keys.RATES
    and isinstance(pair[1], int | float)
    and not isinstance(pair[1], bool)
    and 0 < pair[1] < math.inf
    for pair in value
  )
  if not right or len({rate for rate, _ in value}) < len(value):
    raise ValueError(
      f"anneal={_short(value)}; expected rates with a factor above 0, each once, "
      "e.g. (('gamma', 0.9),)"
    )


def rates_fit(method: str, reads: Collection[str], config: Mapping) -> None:
  """Raises a ValueError if a rate is swept or drawn that is none of those that a method `reads`."""
  drawn = [rate for rate, *_ in config["search"]["space"]] if config["search"]["trials"] else []
  for rate in keys.RATES:
    if (len(config["sweep"][rate]) > 1 or rate in drawn) and rate not in reads:
      where = "search.space" if rate in drawn else f"sweep.{rate}"
      raise ValueError(
        f"{where}: method {method!r} reads {', '.join(reads)} alone, so that these runs "
        "would be equal"
      )


def optimizers_fit(method: str, takes: Collection[str], config: Mapping) -> None:
  """Raises a ValueError if an optimizer is chosen that is no argument that a method `takes`."""
  for section, default in {"outer": "sgd", "specific_inner": ""}.items():
    name, options = config[section]["name"], config[section]["options"]
    if section not in takes and (name != default or len(options)):
      raise ValueError(f"{section}.name={name!r}: method {method!r} has no such one")


# What workers cannot have, since tables are spread over them, or visits are.
ALONE = {"method.sparse": True, "method.all_rows": False, "method.specific_carry": False,
         "method.specific_scale": 0.0, "probe_every": 0, "warm_start": "",
         "test_every_epoch": False, "anneal": ()}  # fmt: skip


def _workers(flat: Mapping) -> None:
  told = f"workers={flat['workers']}"
  if not flat["stream"]:
    raise ValueError(f"{told} and stream=0; expected parts, e.g. stream=4096")
  for key, expected in ALONE.items():
    if flat.get(key, expected) != expected:
      raise ValueError(f"{told} and {key}={_short(flat[key])}; expected {key}={expected!r}")


def _batch_size(key: str, value) -> None:
  whole = isinstance(value, int) and not isinstance(value, bool)
  if value != AUTO and not (whole and RANGES[key][0] <= value <= RANGES[key][1]):
    least, most = RANGES[key]
    told = f"expected a whole number from {least} to {most:,}, or {AUTO!r}"
    raise ValueError(f"{key}={_short(value)}; {told}")


def _number(key: str, value, least: float, most: float) -> None:
  real = isinstance(value, int | float) and not isinstance(value, bool)
  if not (real and least <= value <= most and math.isfinite(value)):
    limit = f" to {most:,}" if math.isfinite(most) else " up"
    raise ValueError(f"{key}={_short(value)}; expected a number from {least}{limit}")


def _seed(key: str, value) -> None:
  if not (isinstance(value, int) and 0 <= value < SEEDS):
    raise ValueError(f"{key}={_short(value)}; expected a whole number from 0 to 2³² - 1")


def _swept(key: str, value) -> None:
  if not isinstance(value, list | tuple):
    raise ValueError(f"{key}={_short(value)}; expected a tuple, e.g. (0, 1)")
  name = key.removeprefix("sweep.")
  for entry in value:
    _seed(key, entry) if name == "seed" else _number(key, entry, *RANGES[name])
  if len(set(value)) < len(value):
    raise ValueError(f"{key}={_short(value)}; a value comes twice, and its runs would be equal")


def _plain(key: str, value) -> None:
  """What a constructor is given: finite, of a size that can be, and not nested."""
  most = MOST_ROWS if key in ("data.rows", "data.num_users", "data.num_items") else MOST
  for entry in value if isinstance(value, list | tuple) else [value]:
    number = isinstance(entry, int | float) and not isinstance(entry, bool)
    if number and not (math.isfinite(entry) and abs(entry) <= most):
      raise ValueError(f"{key}={_short(value)}; expected numbers of at most {most:,}")
    if isinstance(entry, list | tuple | dict):
      raise ValueError(f"{key}={_short(value)}; expected plain values, and one is nested")
  if key.startswith("model.") or key == "data.sizes":
    _size(key, value)
  if key == "data.ctr":
    for entry in value:
      _number(key, entry, 0, MOST)
  if key in ("method.specific_scale", "method.finetune_rate"):
    _number(key, value, 0, MOST)
  counts = ("visit_steps", "round_steps", "inner_steps", "num_test")
  if key.startswith("method.") and key.removeprefix("method.") in counts and value is not None:
    _number(key, value, 1, MOST)


def _size(key: str, value) -> None:
  """Sizes of a model are whole numbers above 0."""
  entries = value if isinstance(value, list | tuple) else [value]
  if isinstance(value, list | tuple) and not all(type(entry) is int for entry in entries):
    raise ValueError(f"{key}={_short(value)}; expected whole numbers")
  if any(type(entry) is int and entry < 1 for entry in entries):
    raise ValueError(f"{key}={_short(value)}; expected numbers from 1 up")


def _pairs(key: str, value) -> None:
  """`sweep.over` and `cases` are pairs of a name and a sequence."""
  pairs = isinstance(value, list | tuple) and all(
    isinstance(pair, list | tuple)
    and len(pair) == 2
    and isinstance(pair[0], str)
    and isinstance(pair[1], list | tuple)
    and (pair[1] or key == "cases")
    for pair in value
  )
  if not pairs:
    raise ValueError(f"{key}={_short(value)}; expected pairs, e.g. (('method.k', (1, 3)),)")


def _short(value) -> str:
  text = repr(value)
  return text if len(text) <= 60 else text[:57] + "..."
