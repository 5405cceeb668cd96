"""Data sets: readers -> rows -> splits -> `DomainBatches`. pandas lives here only."""

from mamdr_jax.data import (
  aliccp,
  aliexpress,
  amazon,
  douban,
  kuairand,
  movielens,
  synthetic,
  table,
  taobao,
)
from mamdr_jax.data.batches import HostBatches, on_host, pack
from mamdr_jax.data.dataset import SPLITS, Dataset, renumber
from mamdr_jax.data.statistics import remarks, statistics

DATASETS = {
  "synthetic": synthetic.load,
  "amazon": amazon.load,
  "taobao": taobao.load,
  "table": table.load,
  "kuairand": kuairand.load,
  "aliccp": aliccp.load,
  "aliexpress": aliexpress.load,
  "movielens": movielens.load,
  "douban": douban.load,
}

__all__ = [
  "DATASETS", "SPLITS", "Dataset", "HostBatches", "on_host", "pack", "remarks", "renumber",
  "statistics",
]  # fmt: skip
