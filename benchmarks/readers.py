"""What it takes to read each public data set: `python -m benchmarks.readers FOLDER [ROWS]`.

Files of about so many rows, by default a million, are made in the forms that the sets are handed
out in, and read by a process each: rows of the files, rows that became those of the data set or
were told to be dropped, seconds of processor time, and the most memory beyond what an idle process
has. The files hold random ids, as many as in the sets in proportion.
"""

import argparse
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from mamdr_jax import machine
from mamdr_jax.data import DATASETS
from mamdr_jax.markdown import table

OPTIONS = {
  "table": {"user": "user", "label": "click", "categorical": ("page",), "dense": ("price",)},
  "amazon": {"domains": ("A", "B"), "positive_from": 4.0, "negatives": "rated"},
  "movielens": {},
  "douban": {},
  "kuairand": {"user_columns": ("user_active_degree",), "video_columns": ("tag",)},
  "aliexpress": {"countries": ("NL", "US")},
  "aliccp": {"fields": ("121", "206")},
  "taobao": {"num_domains": 10},
}
ONE_FILE = ("table",)  # that take a file in place of a folder
DRAWN = ("taobao",)  # whose negatives are of no file


def make(name: str, folder: Path, num: int) -> int:
  """Writes the files of a set to a folder, and gives how many rows they have."""
  folder.mkdir(parents=True, exist_ok=True)
  rng = np.random.default_rng(0)
  users, items = max(num // 30, 20), max(num // 100, 20)
  user, item = rng.integers(users, size=num), (rng.zipf(1.3, num) - 1) % items
  rating, when = rng.integers(1, 6, num), rng.integers(10**9, 2 * 10**9, num)
  label, of = rng.integers(2, size=num), rng.integers(5, size=num)
  return {
    "table": _table, "amazon": _amazon, "movielens": _movielens, "douban": _douban,
    "kuairand": _kuairand, "aliexpress": _aliexpress, "aliccp": _aliccp, "taobao": _taobao,
  }[name](folder, user, item, rating, when, label, of)  # fmt: skip


def _write(path: Path, header: str, *columns, separator: str = ",") -> None:
  path.parent.mkdir(exist_ok=True)
  with path.open("w") as file:
    file.write(header)
    for at in range(0, len(columns[0]), 2**16):
      rows = zip(*(column[at : at + 2**16].tolist() for column in columns), strict=True)
      file.writelines(separator.join(map(str, row)) + "\n" for row in rows)


def _table(folder, user, item, rating, when, label, of):
  _write(folder / "rows.csv", "user,item,domain,click,page,price\n", user, item, of, label, rating,
         when / 7)  # fmt: skip
  return len(user)


def _amazon(folder, user, item, rating, when, label, of):
  half = len(user) // 2
  for name, part in (("A", slice(half)), ("B", slice(half, None))):
    _write(folder / f"{name}.csv", "user_id,parent_asin,rating,timestamp\n", user[part], item[part],
           rating[part], when[part])  # fmt: skip
  return len(user)


def _movielens(folder, user, item, rating, when, label, of):
  _write(folder / "ratings.dat", "", user, item, rating, when, separator="::")
  every = np.arange(user.max() + 1)
  ages = np.array([1, 18, 25, 35, 45, 50, 56])[every % 7]
  _write(folder / "users.dat", "", every, np.array(["F", "M"])[every % 2], ages, every % 21, every,
         separator="::")  # fmt: skip
  return len(user)


def _douban(folder, user, item, rating, when, label, of):
  for k, name in enumerate(("book", "movie", "music")):
    part = of % 3 == k
    _write(folder / f"{name}reviews_cleaned.txt", f"user_id\t{name}_id\trating\ttime\n", user[part],
           item[part], rating[part], when[part], separator="\t")  # fmt: skip
  return len(user)


def _kuairand(folder, user, item, rating, when, label, of):
  half = len(user) // 2
  header = "user_id,video_id,date,hourmin,time_ms,is_click,is_like,play_time_ms,is_rand,tab\n"
  dates = ("4_08_to_4_21", slice(half)), ("4_22_to_5_08", slice(half, None))
  for name, part in dates:
    zero = 0 * label[part]
    _write(folder / f"log_standard_{name}_1k.csv", header, user[part], item[part], zero, zero,
           when[part], label[part], zero, zero, zero, of[part])  # fmt: skip
  users, items = np.arange(user.max() + 1), np.arange(item.max() + 1)
  _write(folder / "user_features_1k.csv", "user_id,user_active_degree\n", users, users % 4)
  _write(folder / "video_features_basic_1k.csv", "video_id,tag\n", items, items % 60)
  return len(user)


def _aliexpress(folder, user, item, rating, when, label, of):
  names = [f"categorical_{k}" for k in range(1, 5)] + [f"numerical_{k}" for k in range(1, 9)]
  header = ",".join(["search_id", *names, "click", "conversion"]) + "\n"
  numbers = [(when / (k + 3)).round(3) for k in range(8)]
  columns = [user, item, of, rating, label, *numbers, label, 0 * label]
  for k in range(4):
    path = folder / f"AliExpress_{('NL', 'US')[k // 2]}" / f"{('train', 'test')[k % 2]}.csv"
    _write(path, header, *(column[k::4] for column in columns))
  return len(user)


def _aliccp(folder, user, item, rating, when, label, of):
  half, people = len(user) // 2, np.arange(user.max() + 1)
  for name, part in (("train", slice(half)), ("test", slice(half, None))):
    with (folder / f"common_features_{name}.csv").open("w") as file:
      file.writelines(f"c{u},2,101\2{u}\0031.0\001121\2{u % 90}\0031.0\n" for u in people.tolist())
    with (folder / f"sample_skeleton_{name}.csv").open("w") as file:
      rows = zip(*(x[part].tolist() for x in (user, item, label, of)), strict=True)
      file.writelines(
        f"{n},{y},0,c{u},3,205\2{i}\0031.0\001206\2{i % 800}\0031.0\001301\2{d % 3}\0031.0\n"
        for n, (u, i, y, d) in enumerate(rows)
      )
  return len(user)


def _taobao(folder, user, item, rating, when, label, of):
  _write(folder / "theme_click_log.csv", "user_id,item_id,theme_id,reach_time\n", user, item,
         10 * of // 5 + label, when)  # fmt: skip
  numbers = " ".join(["0.125"] * 128)
  for name, size in (("user", user.max() + 1), ("item", item.max() + 1)):
    with (folder / f"{name}_embedding.csv").open("w") as file:
      file.writelines(f"{n},{numbers}\n" for n in range(size))
  return len(user)


def one(name: str, folder: Path) -> None:
  """Reads a set, and prints its rows, processor seconds and MiB."""
  before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
  path = next(folder.iterdir()) if name in ONE_FILE else folder
  dataset = DATASETS[name](path, **OPTIONS[name])
  spent = time.process_time() - began
  most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
  dropped = [re.match(r"([0-9,]+) .*were dropped", note) for note in dataset.notes]
  dropped = sum(int(found[1].replace(",", "")) for found in dropped if found)
  own = dataset.label == 1 if name in DRAWN else np.ones(len(dataset.label))
  print(len(dataset.label), int(own.sum()) + dropped, spent, most / 1024, sep="\t")


def main(folder: Path, num: int) -> None:
  print(f"device: {machine.device()}; made files, {num:,} rows each\n")
  rows = []
  for name in OPTIONS:
    made = make(name, folder / name, num)
    command = [sys.executable, "-m", "benchmarks.readers", str(folder / name), "--read", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    count, accounted, spent, most = (float(x) for x in done.stdout.split())
    each = f"{1e6 * spent / made:.2f}", f"{1e6 * most / made:.0f}"
    rows.append([name, *(f"{x:,.0f}" for x in (made, accounted, count)), *each])
    print(*rows[-1], file=sys.stderr, flush=True)
  header = ["reader", "rows of the files", "accounted for", "rows of the data set"]
  header += ["s a million rows", "MiB a million rows"]
  print(table(header, rows))


if __name__ == "__main__":
  parser = argparse.ArgumentParser()
  parser.add_argument("folder", type=Path)
  parser.add_argument("num", type=int, nargs="?", default=10**6)
  parser.add_argument("--read", choices=OPTIONS)
  given = parser.parse_args()
  if given.read:
    one(given.read, given.folder)
  else:
    main(given.folder, given.num)
