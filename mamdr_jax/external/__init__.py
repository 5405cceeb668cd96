"""Other systems beside the methods here: rows for them, and their scores in a report."""

from mamdr_jax.external.result import import_scores
from mamdr_jax.external.rows import write_rows

__all__ = ["import_scores", "write_rows"]
