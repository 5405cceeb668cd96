"""Scores of the rows of a file, written beside the columns that it has, a block at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from mamdr_jax import files
from mamdr_jax.calibration import probability
from mamdr_jax.data import streams
from mamdr_jax.data.lookup import distinct
from mamdr_jax.serve.model import Model
from mamdr_jax.serve.predict import Rows
from mamdr_jax.serve.ranks import Pairs, ranks
from mamdr_jax.serve.raw import ERROR, Reader, Source
from mamdr_jax.serve.writers import writer
from mamdr_jax.train.parts import ahead

PROBABILITY, UNKNOWN, RANK = "probability", "unknown", "rank"  # the columns that are added
ADDED = {PROBABILITY: pa.float64(), UNKNOWN: pa.string(), RANK: pa.int32()}


class Counts(NamedTuple):
  """What was scored."""

  rows: int
  unknown: int  # rows of which something was not known


def score_file(
  model: Model, source: Path, out: Path, *, rank: bool = False, unknown_domain: str = ERROR
) -> Counts:
  """Writes the rows of a file with the probability of each, in their order.

  Columns are named as in the file that the model was trained on; all that are there are carried
  along, followed by `probability`, and `unknown`, which names the ids of the row that training
  never saw: "user", "user+item". `out` is there once all of it is whole.

  Args:
    model: what scores.
    source: a .csv, .csv.gz or .parquet file.
    out: likewise; its ending says which.
    rank: one more column, 1 + how many rows of the same domain and user have a higher probability.
      The file is then read twice, and about 60 bytes of each row are in memory.
    unknown_domain: see `Model.score`.

  Raises:
    ValueError: the file is broken, lacks a column or has one that is to be added, or a cell is not
      what it should be; the message names the line.
  """
  schema = streams.schema(source)
  names = [name for name in ADDED if rank or name != RANK]
  if taken := [name for name in names if name in schema.names]:
    raise ValueError(f"{source} has a column {taken[0]!r}, which is to be added; rename it")
  schema = pa.schema([*schema, *((name, ADDED[name]) for name in names)])
  reader = model.reader(unknown_domain)
  blocks, counts = ranked if rank else scored, Counts(0, 0)

  def fill(aside):
    nonlocal counts
    with writer(aside, out, schema) as write:
      for block, columns in ahead(blocks(model, reader, source)):
        unknown = columns[UNKNOWN]
        counts = Counts(counts.rows + unknown.size, counts.unknown + int((unknown > 0).sum()))
        made = columns | {UNKNOWN: reader.marks(unknown)}
        for name in names:
          block = block.append_column(name, pa.array(made[name]))
        write(block.cast(schema))

  files.clear_parts(out.parent, out.name)  # of one that was killed
  files.write_aside(out, fill)
  return counts


def scored(model: Model, reader: Reader, source: Path) -> Iterator[tuple[pa.Table, dict]]:
  """Block after block, and the probabilities and codes of what is not known: [n] each."""
  for of, rows, unknown in ahead(numbered(reader, source)):
    yield of.table, {PROBABILITY: probability(model.logits(rows, of.place)), UNKNOWN: unknown}


def numbered(reader: Reader, source: Path) -> Iterator[tuple[Source, Rows, np.ndarray]]:
  """Block after block, as it came and as the `reader` has it."""
  first = 0
  for block in _shown(streams.blocks(source), source, "scoring"):
    place = lambda row, first=first: streams.place(source, first + row)
    of = Source(source, block, place)
    yield of, *reader(of)
    first += block.num_rows


def ranked(model: Model, reader: Reader, source: Path) -> Iterator[tuple[pa.Table, dict]]:
  """As `scored`, with the rank of each row among those of its domain and user in all blocks."""
  pairs, pair, found = Pairs(), [], []
  for block, columns in scored(model, reader, source):
    of = lambda name, block=block: distinct(source, name, block[name])
    pair.append(pairs(of(reader.columns.domain), of(reader.columns.ids["user"])))
    found.append(columns)
  whole = {name: np.concatenate([columns[name] for columns in found]) for name in found[0]}
  whole[RANK], first = ranks(np.concatenate(pair), whole[PROBABILITY]), 0
  for block in _shown(streams.blocks(source), source, "writing"):
    rows = slice(first, first + block.num_rows)
    yield block, {name: column[rows] for name, column in whole.items()}
    first += block.num_rows


def _shown(blocks: Iterator[pa.Table], source: Path, what: str) -> Iterator[pa.Table]:
  """The same, with a bar over rows."""
  with tqdm(
    total=streams.num_rows(source), desc=what, unit=" rows", unit_scale=True, mininterval=1
  ) as bar:
    for block in blocks:
      yield block
      bar.update(block.num_rows)
