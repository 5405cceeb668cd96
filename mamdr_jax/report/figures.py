"""Figures 8 and 9 of Luo et al. 2023, and average ranks as in Demšar 2006, Fig. 1."""

from pathlib import Path

import numpy as np

from mamdr_jax.report.canvas import COLORS, band, drawing, framed, label, shade
from mamdr_jax.report.cells import Cell, average_ranks, ranked
from mamdr_jax.report.replicates import over
from mamdr_jax.report.significance import LEVEL, cliques, common, critical_distance, friedman
from mamdr_jax.report.sweeps import Grid, Helpers


def helpers_figure(helpers: Helpers, path: Path) -> None:
  """AUC over k: mean, a band of ± one deviation over replicates, a ring for validation's choice."""
  with drawing(path, (7, 4.6)) as (_, axes):
    series = (("test", helpers.test, "o-"), ("validation", helpers.valid, "s--"))
    for color, (name, values, line) in zip(COLORS, series, strict=False):
      mean = np.array([v.mean() for v in values])
      deviation = np.array([v.std(ddof=1) if len(v) > 1 else 0.0 for v in values])
      axes.plot(helpers.k, mean, line, color=color, label=name)
      band(axes, helpers.k, mean - deviation, mean + deviation, color)
    chosen = helpers.k[helpers.best], helpers.test[helpers.best].mean()
    ring = {"markersize": 15, "fillstyle": "none", "color": "black", "linewidth": 0}
    axes.plot(*chosen, "o", label="chosen by validation", **ring)
    for k, lost in zip(helpers.k, helpers.diverged, strict=True):
      if lost:
        axes.plot(k, 0.04, "x", color="black", transform=axes.get_xaxis_transform())
    if any(helpers.diverged):
      axes.plot([], [], "kx", label="a run diverged")
    axes.set(xlabel="helpers k", ylabel="mean AUC over domains", xticks=helpers.k)
    axes.set_title(f"{label(helpers.data)}: {label(helpers.label)}")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize="small")


def grid_figure(grid: Grid, path: Path) -> None:
  """Test AUC over α and β, as a heat map and as lines; × is where a run diverged.

  The ring, and the framed cell, are what validation chooses.
  """
  rows, columns = grid.mean.shape
  size = (6.2 + max(5.0, 0.85 * columns), max(4.6, 1.2 + 0.55 * rows))
  with drawing(path, size, panels=2) as (figure, (left, right)):
    image = left.imshow(grid.mean, cmap="viridis", origin="lower", aspect="auto")
    left.set_facecolor("0.9")  # shows where nothing is finite
    for a, b in np.ndindex(grid.mean.shape):
      value, dark = grid.mean[a, b], image.norm(grid.mean[a, b]) < 0.6
      text = f"{value:.4f}" if np.isfinite(value) else ("–" if grid.num_runs[a, b] else "")
      text = f"{text}\n×" if grid.diverged[a, b] else text
      ink = "white" if np.isfinite(value) and dark else "black"
      left.text(b, a, text, ha="center", va="center", color=ink, fontsize=10)
    a, b = grid.best
    framed(left, b, a)
    left.set_xticks(range(columns), [f"{x:g}" for x in grid.beta])
    left.set_yticks(range(rows), [f"{x:g}" for x in grid.alpha])
    left.set(xlabel="outer rate β", ylabel="inner rate α")
    figure.colorbar(image, ax=left, label="mean test AUC")

    for b, beta in enumerate(grid.beta):
      color = shade(b / max(columns - 1, 1))
      there = np.isfinite(grid.mean[:, b])
      x, mean, deviation = (
        np.array(v)[there] for v in (grid.alpha, grid.mean[:, b], grid.deviation[:, b])
      )
      right.plot(x, mean, "o-", color=color, label=f"β = {beta:g}")
      band(right, x, mean - deviation, mean + deviation, color)
      lost = np.array(grid.alpha)[grid.diverged[:, b]]
      heights = np.full(len(lost), 0.03 + 0.04 * b)  # those of several β side by side
      right.plot(lost, heights, "x", color=color, transform=right.get_xaxis_transform())
    a, b = grid.best
    ring = {"markersize": 14, "fillstyle": "none", "color": COLORS[1], "markeredgewidth": 2}
    right.plot(grid.alpha[a], grid.mean[a, b], "o", **ring)
    if grid.diverged.any():
      right.plot([], [], "kx", label="a run diverged")
    right.set(xscale="log", xlabel="inner rate α", ylabel="mean test AUC over domains")
    right.set_xticks(grid.alpha, [f"{x:g}" for x in grid.alpha])
    right.minorticks_off()
    right.grid(alpha=0.3)
    right.legend(frameon=False, fontsize="small")
    figure.suptitle(f"{label(grid.data)}: {label(grid.label)}")


def rank_figure(cells: list[Cell], path: Path) -> None:
  """Average RANK of the cells of one data set; bars join those that Nemenyi does not tell apart.

  Blocks are domains, each with its test AUC averaged over replicates: the ranks of form V. Where
  Friedman's test finds no difference among them all, there is no critical distance, and the title
  says so (Demšar 2006, §3.2.2).
  """
  ranks = average_ranks(cells)
  num_methods, num_domains = len(cells), int(ranked(cells).sum())
  p, distance = omnibus(cells), critical_distance(num_methods, num_domains)
  bars = cliques(ranks, distance) if p < LEVEL else []
  half = (num_methods + 1) // 2
  below = 0.5 + 0.28 * len(bars)  # where the first label is
  height = 2.4 + below + 0.5 * half
  with drawing(path, (10, 0.62 * height)) as (_, axes):
    axes.plot([1, num_methods], [0, 0], color="black", linewidth=1.5)
    for tick in range(1, num_methods + 1, 1 + num_methods // 16):
      axes.plot([tick, tick], [0, 0.14], color="black", linewidth=1.2)
      axes.text(tick, 0.2, str(tick), ha="center", va="bottom")
    wide = num_methods - 1
    order = np.argsort(ranks, kind="stable")
    for i, m in enumerate(order):
      left = i < half
      y = -below - 0.5 * (i if left else num_methods - 1 - i)
      end = 1 - 0.06 * wide if left else num_methods + 0.06 * wide
      axes.plot([ranks[m], ranks[m], end], [0, y, y], color="0.45", linewidth=1.0)
      row = label(cells[m].row)
      text = f"{row}  {ranks[m]:.1f}" if left else f"{ranks[m]:.1f}  {row}"
      axes.text(
        end + (-1 if left else 1) * 0.01 * wide,
        y,
        text,
        ha="right" if left else "left",
        va="center",
      )
    for i, (low, high) in enumerate(bars):
      y, past = -0.25 - 0.28 * i, 0.012 * wide
      axes.plot([low - past, high + past], [y, y], color=COLORS[1], linewidth=4.5)
    if p < LEVEL:
      shown = min(distance, wide)
      axes.plot(
        [1, 1, 1, 1 + shown, 1 + shown, 1 + shown], [1.0, 1.2, 1.1, 1.1, 1.0, 1.2], color="black"
      )
      more = "" if distance <= wide else ", wider than the axis"
      axes.text(1, 1.28, f"critical distance {distance:.2f}{more}", ha="left", va="bottom")
    axes.set_xlim(1 - 0.42 * wide, num_methods + 0.42 * wide)
    axes.set_ylim(-below - 0.5 * half, 1.9)
    axes.axis("off")
    found = "Nemenyi at 0.05" if p < LEVEL else "no differences that chance would not make as well"
    axes.set_title(
      f"{label(cells[0].data)}: RANK averaged over {num_domains:,} domains, the blocks\n"
      f"(AUC of each a mean over {over(max((c.runs for c in cells), key=len))})\n"
      f"Friedman {'p < 0.0001' if p < 1e-4 else f'p = {p:.2g}'}: {found}"
    )


def omnibus(cells: list[Cell]) -> float:
  """`friedman` on the replicates that all cells ran, or on each one's mean where there is none."""
  auc = common(cells)
  return friedman(auc if auc.shape[1] else np.stack([cell.auc() for cell in cells])[:, None])
