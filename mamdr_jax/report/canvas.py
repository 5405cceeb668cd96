"""What all figures are drawn on: the one file that imports matplotlib."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from mamdr_jax.files import write_aside

# Okabe and Ito's colours, which colour-blind readers tell apart; without the yellow, too light for
# a line. After seven lines the colours come again, dashed; 35 lines differ.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#666666")
DASHES = ("-", "--", ":", "-.", (0, (8, 2, 1, 2, 1, 2)))
MOST_BANDS = 10  # more would hide each other
MOST_LETTERS = 40  # of a name: a longer one would leave no room to draw
STYLE = {"font.size": 11, "axes.titlesize": 12, "axes.grid": False}


def label(name: str) -> str:
  """A name as matplotlib draws it as it is: on one line, and not too long for a picture.

  Between two dollars there would be mathematics, and what begins with an underscore is left out of
  legends.
  """
  name = " ".join(name.encode("utf-8", "replace").decode().split())
  name = name if len(name) <= MOST_LETTERS else name[: MOST_LETTERS - 1] + "…"
  name = name.replace("$", r"\$")
  return f" {name}" if name.startswith("_") else name


def style(i: int) -> dict:
  """Colour and dashes of line number i."""
  return {
    "color": COLORS[i % len(COLORS)],
    "linestyle": DASHES[i // len(COLORS) % len(DASHES)],
  }


def shade(fraction: float):
  """A colour of the ordered scale from 0 to 1, without its lightest end."""
  return matplotlib.colormaps["viridis"](0.9 * fraction)


@contextlib.contextmanager
def drawing(
  path: Path, size: tuple[float, float], panels: int = 1, rows: int = 1
) -> Iterator[tuple]:
  """(figure, axes) to draw on, written to `path` in whole at the end; size in inches.

  Axes are one, or `panels` beside each other, in `rows` of so many.

  Letters that the font lacks are drawn as boxes, without a warning.
  """
  with matplotlib.rc_context(STYLE), warnings.catch_warnings():
    warnings.filterwarnings("ignore", r"Glyph .* missing from font")
    figure = Figure(size, layout="constrained")
    yield figure, figure.subplots(rows, panels)
    write_aside(Path(path), lambda aside: figure.savefig(aside, format="png", dpi=150))


def whole_epochs(axes) -> None:
  """Labels x as epochs, ticks at whole ones, and adds a light grid."""
  axes.set_xlabel("epoch")
  axes.xaxis.set_major_locator(MaxNLocator(integer=True))
  axes.grid(alpha=0.3)


def band(axes, x, low, high, color, alpha: float = 0.15, label: str | None = None) -> None:
  """Shades what is between `low` and `high`, [n] over x."""
  axes.fill_between(x, low, high, color=color, alpha=alpha, linewidth=0, label=label)


def framed(axes, x: int, y: int) -> None:
  """Frames the cell (x, y) of a heat map."""
  corner, size = (x - 0.47, y - 0.46), (0.94, 0.92)
  axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=COLORS[1], linewidth=3))
