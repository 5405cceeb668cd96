"""A stored model at the command line.

python -m mamdr_jax.serve score MODEL ROWS --out=SCORES [--rank] [--unknown_domain=shared]
                     [--user_features=FILE] [--item_features=FILE] [--base_rates=FILE]
python -m mamdr_jax.serve evaluate MODEL ROWS [--out=FIGURES.json|.csv] [--top=10] [as for score]
                     [--all_items=USERS --seen=FILE,...]             figures of rows with labels
python -m mamdr_jax.serve recommend MODEL USERS --out=BEST [--top=10] [--items=FILE|domain]
                                                [--seen=FILE|training]
python -m mamdr_jax.serve export MODEL --domain=NAME --out=FOLDER [--noexact]
                                                                     a function that needs JAX alone
python -m mamdr_jax.serve add MODEL ROWS --out=MODEL [--helpers=FILE] [--k=N] [--alpha=A,...]
                         [--gamma=G,...] [--epochs=N] [--patience=N]                 one domain more
python -m mamdr_jax.serve store WORKDIR --out=MODEL [--run=N] [--trust]    that of any run
python -m mamdr_jax.serve check MODEL                            reads all of it, for its checksums

MODEL is the folder `model` of a workdir, or a copy of it. ROWS and SCORES are .csv, .csv.gz or
.parquet files. Names of options may have - for _.
"""

import sys
import time
from pathlib import Path

from absl import app, flags, logging

from mamdr_jax import again, backend, stored
from mamdr_jax.serve import figures
from mamdr_jax.serve.all_items import over_all_items
from mamdr_jax.serve.choice import DOMAIN, TRAINING
from mamdr_jax.serve.evaluate import evaluate, of_some, read
from mamdr_jax.serve.lists import recommend_file
from mamdr_jax.serve.model import Model, load
from mamdr_jax.serve.raw import ERROR
from mamdr_jax.serve.score import score_file

FLAGS = flags.FLAGS
# What each command is given.
COMMANDS = {
  "score": ("MODEL", "ROWS"),
  "evaluate": ("MODEL", "ROWS"),
  "recommend": ("MODEL", "USERS"),
  "export": ("MODEL",),
  "add": ("MODEL", "ROWS"),
  "store": ("WORKDIR",),
  "check": ("MODEL",),
}


def main(argv: list[str]) -> None:
  given = argv[1:]
  if not given or given[0] not in COMMANDS:
    sys.exit(f"error: give a command, one of {', '.join(COMMANDS)}, and what it takes")
  command, paths = given[0], [Path(x) for x in given[1:]]
  needed = " ".join(COMMANDS[command])
  if len(paths) != len(COMMANDS[command]):
    sys.exit(f"error: python -m mamdr_jax.serve {command} {needed}: {len(paths)} were given")
  if command not in ("check", "evaluate") and not FLAGS.out:
    sys.exit(f"error: {command}: --out is lacking; name what is to be written")
  if command == "export" and not FLAGS.domain:
    sys.exit("error: export: --domain is lacking; name the domain whose scores are exported")
  logging.set_verbosity(logging.WARNING)
  backend.keep_compiled()
  try:
    run(command, paths)
  except KeyboardInterrupt:
    sys.exit(130)
  except (ValueError, OSError) as error:
    sys.exit(f"error: {' '.join(str(error).split())}")


def run(command: str, paths: list[Path]) -> None:
  """Does it, and says what was done."""
  begun = time.monotonic()
  if command == "store":
    again.store(paths[0], Path(FLAGS.out), FLAGS.run, trust=FLAGS.trust)
  elif command == "check":
    stored.check(paths[0])
    print(f"{paths[0]} is whole")
  elif command == "export":
    load(paths[0]).export(FLAGS.domain, Path(FLAGS.out), exact=FLAGS.exact)
    print(f"{FLAGS.out}: scores of {FLAGS.domain} by JAX alone; {FLAGS.out}/README.md says how")
  else:
    more = {name: FLAGS[name].value for name in ("user_features", "item_features", "base_rates")}
    model = load(paths[0], **more)
    if command == "evaluate":
      print(evaluated(model, paths[1], FLAGS.out and Path(FLAGS.out)))
      return
    loaded = time.monotonic()
    told = {"score": score, "recommend": recommend, "add": add}[command](
      model, paths[1], Path(FLAGS.out)
    )
    seconds = time.monotonic() - loaded
    print(f"{FLAGS.out}: {told}; {seconds:.1f} s, and {loaded - begun:.1f} s to load the model")


def score(model: Model, source: Path, out: Path) -> str:
  begun = time.monotonic()
  options = {"rank": FLAGS.rank, "unknown_domain": FLAGS.unknown_domain}
  counts = score_file(model, source, out, **options)
  rate = counts.rows / (time.monotonic() - begun)
  return (
    f"{counts.rows:,} rows, {counts.unknown:,} of them with what training never saw; "
    f"{rate:,.0f} rows/s"
  )


def evaluated(model: Model, source: Path, out: Path | None) -> str:
  """The figures as text; a file has them, too, if one is named."""
  if out:
    figures.check(out)
  if FLAGS.top < 1:
    raise ValueError(f"top={FLAGS.top}; choose 1 or more")
  if FLAGS.all_items is not None and (FLAGS.all_items < 1 or not FLAGS.seen):
    raise ValueError("--all_items=USERS needs a number from 1 up, and --seen=FILE, what users had")
  labelled = read(model, source, FLAGS.unknown_domain)
  found = evaluate(labelled, FLAGS.top)
  if FLAGS.all_items:
    seen = [Path(path) for path in FLAGS.seen.split(",")]
    options = {"num_users": FLAGS.all_items, "k": FLAGS.top}
    found = found._replace(
      measures=found.measures | over_all_items(model, labelled, seen, **options)
    )
  found = of_some(found)
  if out:
    figures.write(found, out)
  return f"{figures.table_of(found)}\n\n{figures.note(found)}"


def recommend(model: Model, source: Path, out: Path) -> str:
  listed = lambda given, name: Path(given) if given and given != name else given
  items, seen = listed(FLAGS.items, DOMAIN), listed(FLAGS.seen, TRAINING)
  options = {"top": FLAGS.top, "items": items, "seen": seen}
  num = recommend_file(model, source, out, **options, unknown_domain=FLAGS.unknown_domain)
  return f"{num:,} rows"


def add(model: Model, source: Path, out: Path) -> str:
  names = ("k", "alpha", "gamma", "epochs", "patience")
  plan = {name: FLAGS[name].value for name in names if FLAGS[name].value is not None}
  plan |= {name: tuple(map(float, plan[name])) for name in ("alpha", "gamma") if name in plan}
  told = model.add(source, out, FLAGS.helpers, **plan)
  auc = "; ".join(
    f"{split} AUC {each['own']:.4f}, {each['shared']:.4f} by what all domains share"
    for split, each in told["auc"].items()
  )
  helped = f"with {told['plan']['k']} helpers an epoch" if told["helpers"] else "on its own rows"
  kept = "" if told["serves"] == "own" else "; it is served by what all domains share"
  return f"{told['rows']['train']:,} training rows, {told['epochs']} epochs {helped}; {auc}{kept}"


def define() -> None:
  flags.DEFINE_string("out", None, "What is to be written.")
  flags.DEFINE_bool("rank", False, "Add the rank of a row among those of its domain and user.")
  flags.DEFINE_string("unknown_domain", ERROR, "error or shared: see the docs.")
  flags.DEFINE_string("user_features", None, "Features of users that training never saw.")
  flags.DEFINE_string("item_features", None, "Features of items that training never saw.")
  flags.DEFINE_string("base_rates", None, "True rates of positives: columns domain and rate.")
  flags.DEFINE_integer("top", 10, "How many items for each row; of evaluate the K of NDCG and HR.")
  flags.DEFINE_integer("all_items", None, "Of how many users all items are scored.")
  flags.DEFINE_string("items", None, "A file of the items to choose from, or domain: its own.")
  flags.DEFINE_string("seen", None, "A file of users and items not to come again, or training.")
  flags.DEFINE_string("domain", None, "Of which domain the scores are exported.")
  flags.DEFINE_bool("exact", True, "Export scores to the last bit; if not, few rows cost little.")
  flags.DEFINE_string("helpers", None, "A file of rows of domains that help a new one.")
  flags.DEFINE_integer("k", None, "How many of them help in an epoch.")
  flags.DEFINE_list("alpha", None, "Rates to train a new domain with; validation chooses.")
  flags.DEFINE_list("gamma", None, "The same of outer rates of its delta.")
  flags.DEFINE_integer("epochs", None, "At most so many.")
  flags.DEFINE_integer("patience", None, "Epochs without a better validation AUC before it stops.")
  flags.DEFINE_bool("trust", False, "Let the config of a workdir say which files are read.")
  flags.DEFINE_integer("run", None, "The number of the run; by default the best on validation.")


def underscored(argument: str) -> str:
  """An option as absl knows it.

  >>> underscored("--unknown-domain=a-b"), underscored("a-b.csv")
  ('--unknown_domain=a-b', 'a-b.csv')
  """
  if not argument.startswith("--"):
    return argument
  name, equals, value = argument[2:].partition("=")
  return f"--{name.replace('-', '_')}{equals}{value}"


if __name__ == "__main__":
  define()
  app.run(main, argv=[underscored(x) for x in sys.argv])
