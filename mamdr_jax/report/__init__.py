"""Results on disk -> tables and figures: `python -m mamdr_jax.report RUNS... [--out=DIR]`.

A result is what an experiment's `result.json` holds; results are a dict of them by name.
"""

from mamdr_jax.report.cells import Cell, average_ranks, cells_of
from mamdr_jax.report.curves import learning_curves, method_curves
from mamdr_jax.report.document import compose, write_report
from mamdr_jax.report.figures import grid_figure, helpers_figure, rank_figure
from mamdr_jax.report.files import find, read, read_all, unfinished
from mamdr_jax.report.measures import measure_sections
from mamdr_jax.report.replicates import pool
from mamdr_jax.report.results import RATES, best_setting, by_setting, diverged, over_runs, standing
from mamdr_jax.report.runs import write_runs
from mamdr_jax.report.significance import critical_distance, friedman, paired
from mamdr_jax.report.sweeps import over_k, over_rates
from mamdr_jax.report.tables import domain_table, method_table, setting_table, spread, verdict

__all__ = [
  "RATES", "Cell", "average_ranks", "best_setting", "by_setting", "cells_of", "compose",
  "critical_distance", "diverged", "domain_table", "find", "friedman", "grid_figure",
  "helpers_figure", "learning_curves", "measure_sections", "method_curves", "method_table",
  "over_k", "over_rates", "over_runs", "paired", "pool", "rank_figure", "read", "read_all",
  "setting_table", "spread", "standing", "unfinished", "verdict", "write_report", "write_runs",
]  # fmt: skip
