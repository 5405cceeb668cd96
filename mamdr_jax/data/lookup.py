"""Raw ids that come later are looked up among those that a run has seen."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from mamdr_jax.data.parquet import text

INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


def index(vocab: np.ndarray) -> pd.Index:
  """The raw ids of a table, `[N]`, to be asked for."""
  return pd.Index(vocab if vocab.dtype.kind in "iu" else vocab.astype(object))


def places(raw: np.ndarray, known: np.ndarray) -> np.ndarray:
  """Where each of the raw ids `raw: [n]` is among `known`, -1 for what is not: [n] int32."""
  return rows_of(index(known), np.arange(len(raw)), raw.astype(str).tolist())


def distinct(path: Path, name: str, column: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
  """A column as a code for each row, `[n]`, and the texts of these, without the blanks around."""
  chunk = text(path, name, column).combine_chunks()
  chunk = chunk.chunk(0) if isinstance(chunk, pa.ChunkedArray) else chunk
  return chunk.indices.to_numpy(), [cell.strip() for cell in chunk.dictionary.to_pylist()]


def rows_of(known: pd.Index, codes: np.ndarray, texts: list[str]) -> np.ndarray:
  """The row of every cell of a column as `distinct` gives it, `[n] int32`; -1 for one not known.

  Ids that were integers are compared as such.
  """
  if known.dtype.kind in "iu":
    asked = np.array([int(cell) if INTEGER.fullmatch(cell) else 0 for cell in texts], np.int64)
    odd = np.array([not INTEGER.fullmatch(cell) for cell in texts], bool)
    found = np.where(odd, -1, known.get_indexer(asked))
  else:
    found = known.get_indexer(pd.Index(texts, dtype=object))
  return found.astype(np.int32)[codes]
