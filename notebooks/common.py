"""What notebooks share: the library on the path, the look of figures, text with numbers in it."""

import os
import sys
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown, display

sys.path.append(str(Path(__file__).resolve().parents[1]))

from mamdr_jax import markdown
from mamdr_jax.report import canvas
from mamdr_jax.report.names import METHOD_TITLES

# The programs are small, and most of the time goes into compiling them: do that quickly. XLA reads
# its flags when the first program is compiled.
QUICKLY = "--xla_backend_optimization_level=1 --xla_cpu_use_fusion_emitters=false"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {QUICKLY}"
# Fewer epochs and seeds: to see that a notebook runs, not what comes out of it.
QUICK = "QUICK" in os.environ
if QUICK:
  jax.config.update("jax_disable_most_optimizations", True)

NAMES = METHOD_TITLES | {"joint": "joint", "alternate": "alternate", "finetune": "fine-tuning"}
BLUE, RED, GREEN, PINK, ORANGE, SKY, GREY = canvas.COLORS
COLORS = {
  "joint": GREY, "alternate": ORANGE, "pcgrad": SKY, "reptile": PINK, "domain_negotiation": RED,
  "domain_regularization": GREEN, "mamdr": BLUE, "finetune": "#8a7500",
}  # fmt: skip

plt.rcParams.update({
  "figure.dpi": 100,
  "figure.constrained_layout.use": True,
  "font.size": 10,
  "axes.titlesize": 10,
  "axes.spines.top": False,
  "axes.spines.right": False,
  "axes.grid": True,
  "grid.alpha": 0.25,
  "legend.frameon": False,
  "lines.linewidth": 1.6,
})  # fmt: skip


def say(text: str) -> None:
  """Shows `text` as Markdown: sentences whose numbers were just computed."""
  display(Markdown(text))


def table(head, rows) -> None:
  """Shows a table of strings that are Markdown."""
  cells = lambda row: [markdown.Markdown(cell) for cell in row]
  say(markdown.table(cells(head), map(cells, rows)))


def band(ax, x, values, error=False, **style) -> None:
  """The mean over seeds with one standard deviation, or error of the mean, around: [seeds, ...]."""
  mean, spread = values.mean(0), values.std(0, ddof=1) / np.sqrt(len(values) if error else 1)
  (line,) = ax.plot(x, mean, **style)
  ax.fill_between(x, mean - spread, mean + spread, color=line.get_color(), alpha=0.12, lw=0)
