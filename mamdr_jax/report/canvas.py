"""What all figures are drawn on: the one file that imports matplotlib."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import matplotlib
from matplotlib.ticker import MaxNLocator

from mamdr_jax.record import write_aside

matplotlib.use("Agg")
from matplotlib import pyplot as plt

# Okabe and Ito's colours, which colour-blind readers tell apart; without the yellow, too light for
# a line. After seven lines the colours come again, dashed; 35 lines differ.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#666666")
DASHES = ("-", "--", ":", "-.", (0, (8, 2, 1, 2, 1, 2)))
MOST_BANDS = 10  # more would hide each other
FONTS = {"font.size": 11, "axes.titlesize": 12, "axes.grid": False}


def style(i: int) -> dict:
  """Colour and dashes of line number i."""
  return {
    "color": COLORS[i % len(COLORS)],
    "linestyle": DASHES[i // len(COLORS) % len(DASHES)],
  }


def shade(fraction: float):
  """A colour of the ordered scale from 0 to 1, without its lightest end."""
  return plt.get_cmap("viridis")(0.9 * fraction)


@contextlib.contextmanager
def drawing(path: Path, size: tuple[float, float], panels: int = 1) -> Iterator[tuple]:
  """(figure, axes) to draw on, written to `path` in whole at the end; size in inches."""
  with plt.rc_context(FONTS):
    figure, axes = plt.subplots(1, panels, figsize=size, layout="constrained")
    try:
      yield figure, axes
      write_aside(Path(path), lambda aside: figure.savefig(aside, format="png", dpi=150))
    finally:
      plt.close(figure)


def whole_epochs(axes) -> None:
  """Labels x as epochs, ticks at whole ones, and adds a light grid."""
  axes.set_xlabel("epoch")
  axes.xaxis.set_major_locator(MaxNLocator(integer=True))
  axes.grid(alpha=0.3)


def band(axes, x, low, high, color) -> None:
  """Shades what is between `low` and `high`, [n] over x."""
  axes.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)


def framed(axes, x: int, y: int) -> None:
  """Frames the cell (x, y) of a heat map."""
  corner, size = (x - 0.47, y - 0.46), (0.94, 0.92)
  axes.add_patch(plt.Rectangle(corner, *size, fill=False, edgecolor=COLORS[1], linewidth=3))
