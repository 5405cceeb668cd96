"""Training on data that come in parts: `python -m benchmarks.stream FOLDER [ROWS [DOMAINS]]`.

An epoch over synthetic rows, by default 10⁸ of 69,102 domains, a million users and 200,000 items,
which are drawn into FOLDER first and mapped from there. `waited` is how long the device had nothing
to do because a part was not there yet. `peak` is the most memory of the process at a time, what is
imported included; of it the pages of files, which the system can drop, are not in `held`. `told` is
what was said of it before the first epoch.
"""

import contextlib
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.generator import gib
from mamdr_jax import configure, experiment, machine
from mamdr_jax.data import synthetic
from mamdr_jax.markdown import table
from mamdr_jax.train import streamed

ROWS, DOMAINS, IDS = 100_000_000, 69_102, {"num_users": 1_000_000, "num_items": 200_000}
BATCH, STREAM = 1024, 4096
MODEL = {"embedding_size": 16, "hidden": (256, 128, 64)}
METHODS = ("alternate", "domain_negotiation")


def main(folder: str, rows: int = ROWS, num_domains: int = DOMAINS) -> None:
  drawn = {"num_domains": num_domains, "rows": rows, "features": "ids", "cache": folder, **IDS}
  synthetic.load(**drawn)
  print(f"device: {machine.device()}; {rows:,} rows, {num_domains:,} domains\n")
  sizes = ("held, GiB", "told, GiB", "peak, GiB")
  names = ("method", "start-up, s", "epoch, s", "rows/s", "waited, %", *sizes)
  print(table(names, [case(method, drawn) for method in METHODS]))


def case(method: str, drawn: dict) -> list[str]:
  """A row of the table."""
  config = configure.make("synthetic", "mlp", method)
  config.data.update(drawn)
  config.model.update(MODEL)
  config.update(batch_size=BATCH, epochs=1, stream=STREAM)
  seen = Seen()
  with seen.watching(), tempfile.TemporaryDirectory() as folder:
    experiment.run(config, Path(folder))
  seconds = seen.ended - seen.began
  return [
    method, f"{seen.began - seen.asked:.1f}", f"{seconds:.1f}", f"{seen.rows / seconds:,.0f}",
    f"{100 * seen.waited / seconds:.1f}", f"{seen.held:.2f}", f"{seen.told:.2f}",
    f"{gib('VmHWM'):.2f}",
  ]  # fmt: skip


class Seen:
  """What happens in a run, looked at from outside: its training epoch and its memory."""

  def __init__(self):
    self.asked, self.began, self.ended, self.waited, self.rows = time.perf_counter(), 0, 0, 0, 0
    self.held, self.told, self.over = 0.0, 0.0, threading.Event()

  @contextlib.contextmanager
  def watching(self):
    """Puts itself around what it looks at, and goes."""
    epoch, parts, memory = streamed.epoch, streamed.parts, streamed.memory
    streamed.epoch, streamed.parts = self._epoch(epoch), self._parts(parts)
    streamed.memory = self._memory(memory)
    thread = threading.Thread(target=self._sample)
    thread.start()
    try:
      yield
    finally:
      self.over.set()
      thread.join()
      streamed.epoch, streamed.parts, streamed.memory = epoch, parts, memory

  def _sample(self):
    while not self.over.wait(0.02):
      self.held = max(self.held, gib("RssAnon"))

  def _epoch(self, epoch):
    def made(*args):
      trained = epoch(*args)

      def timed(key, state, train, *rest):
        self.began, self.rows = time.perf_counter(), int(train.first[-1])
        done = trained(key, state, train, *rest)
        self.ended = time.perf_counter()
        return done

      return timed

    return made

  def _parts(self, parts):
    def timed(*args, **options):
      found = parts(*args, **options)
      while True:
        asked = time.perf_counter()
        part = next(found, None)
        if not self.ended:
          self.waited += time.perf_counter() - asked
        if part is None:
          return
        yield part

    return timed

  def _memory(self, memory):
    def told(*args):
      more = memory(*args)
      self.told = gib("RssAnon") + more / 2**30
      return more

    return told


if __name__ == "__main__":
  main(sys.argv[1], *map(int, sys.argv[2:]))
