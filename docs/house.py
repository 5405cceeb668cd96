"""Draws the table of docs/house.md: python docs/house.py [OUT], by default docs/house.png."""

import re
import sys
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

HERE = Path(__file__).resolve().parent
COLUMNS = 4  # rooms side by side; a floor with more has two rows
WIDTH, HEIGHT, GAP = 2.35, 0.36, 0.1  # of a room, and between rooms, in inches
COLOURS = ("#E8EEF4", "#D5E3F0")  # of even and odd floors


def floors() -> dict[int, list[str]]:
  """floor -> its rooms, as the table has them."""
  found = {}
  table = (HERE / "house.md").read_text(encoding="utf-8")
  for floor, room in re.findall(r"^\| (\d+) \| `(.*?)`", table, re.MULTILINE):
    found.setdefault(int(floor), []).append(room)
  return found


def draw(out: Path) -> None:
  """A row of boxes a floor, the ground at the bottom."""
  boxes, labels, y = [], [], 0.0
  for floor, rooms in sorted(floors().items()):
    bottom = y
    for start in range(0, len(rooms), COLUMNS):
      row = rooms[start : start + COLUMNS]
      left = (COLUMNS - len(row)) * (WIDTH + GAP) / 2
      boxes += [(left + i * (WIDTH + GAP), y, floor, room) for i, room in enumerate(row)]
      y += HEIGHT + GAP / 2
    labels.append((bottom, y - GAP / 2, floor))
    y += GAP
  width, edge = COLUMNS * (WIDTH + GAP), 0.6
  figure = Figure(figsize=(width + edge + 0.1, y + 0.1))
  axes = figure.add_axes((0, 0, 1, 1))
  axes.set(xlim=(-edge, width + 0.1), ylim=(-0.1, y))
  axes.axis("off")
  for x, bottom, floor, room in boxes:
    shape = {"boxstyle": "round,pad=0,rounding_size=0.06", "edgecolor": "#5B7083"}
    box = FancyBboxPatch((x, bottom), WIDTH, HEIGHT, facecolor=COLOURS[floor % 2], **shape)
    axes.add_artist(box)
    axes.text(x + WIDTH / 2, bottom + HEIGHT / 2, room, ha="center", va="center", fontsize=11)
  for bottom, top, floor in labels:
    axes.text(-edge / 2, (bottom + top) / 2, str(floor), ha="center", va="center", fontsize=13)
  figure.savefig(out, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
  draw(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "house.png")
