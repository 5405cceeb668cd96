"""The report as a document: which tables and figures the results at hand allow."""

from collections.abc import Iterable
from pathlib import Path

from mamdr_jax.record import write_aside
from mamdr_jax.report import comparison, files, names, sweeps
from mamdr_jax.report.cells import Cell, by_data, by_model, choose
from mamdr_jax.report.curves import learning_curves, method_curves
from mamdr_jax.report.figures import grid_figure, helpers_figure, rank_figure
from mamdr_jax.report.results import by_setting
from mamdr_jax.report.runs import write_runs
from mamdr_jax.report.significance import paired_table
from mamdr_jax.report.tables import DIVERGED, method_table, setting_table

RULES = """\
Rates, and which experiment stands for a model and a method, are chosen by validation AUC, its mean
over domains and seeds; test figures are only reported. AUC is the plain mean over domains, ± the
sample standard deviation over seeds. `passes` are gradient evaluations of an epoch, the mean over
epochs and seeds. The best is in bold."""
PAPER = """\
In parentheses, where the paper has a value in that place: the paper's, **on its own data**. Those
beside learning frameworks are on its Taobao-10, whatever the data here."""
RANKS = """\
RANK is the rank within a domain among all rows of the data set, 1 the best and ties half, averaged
over domains; a row's AUC on a domain is first averaged over its seeds."""
PAIRS = """\
Two-sided signed-rank test of the differences in test AUC, a pair being one domain under one seed
that both methods ran. Domains of one seed share their training and are not independent, so p is
too small where they move together. Nothing corrects for several tests."""
LOST = f"{DIVERGED} A run of it diverged; its setting is chosen only where no other is left."


def write_report(workdirs: Iterable[Path], out: Path, with_paper: bool = False) -> list[Path]:
  """Writes `report.md`, its pictures and `runs.csv` to `out`.

  Args:
    workdirs: experiments, or studies, which are folders of them (`files.find`).
    out: the folder.
    with_paper: put the paper's values beside.

  Returns:
    The files.

  Raises:
    ValueError: a workdir holds no result, or a file is not what it should be.
  """
  workdirs, out = list(workdirs), Path(out)
  found = files.find(workdirs)
  results = {name: files.read(path) for name, path in found.items()}
  out.mkdir(parents=True, exist_ok=True)
  text, pictures = compose(results, files.unfinished(workdirs), with_paper), []
  for heading, drawn in _figures(results, found, out):
    text += f"\n## {heading}\n\n" + "\n\n".join(f"![{says}]({path.name})" for says, path in drawn)
    text += "\n"
    pictures += [path for _, path in drawn]
  written = [out / "report.md", out / "runs.csv"]
  write_aside(written[0], lambda aside: aside.write_text(text))
  write_runs(results, written[1])
  return written + pictures


def compose(
  results: dict[str, dict], unfinished: Iterable[Path] = (), with_paper: bool = False
) -> str:
  """The report's tables as Markdown; name -> result as `files.read` has it."""
  cells = choose(results)
  sections = [("Experiments", method_table(results))]
  sections += _averages(cells, with_paper)
  paired = paired_table(cells)
  if paired:
    sections.append(("MAMDR, or the best method, against the best other", f"{paired}\n\n{PAIRS}"))
  for (data, _), group in by_model(cells).items():
    if len(group) > 1:
      heading = f"AUC per domain on {data}, {names.model_name(group[0].model)} (as Table VII)"
      sections.append((heading, comparison.domain_comparison(group, with_paper)))
  data = names.data_names(results)
  for name, result in results.items():
    if len(by_setting(result)) > 1:
      sections.append((f"Rates of {name} on {data[name]}", setting_table(result)))
  notes = _notes(cells) + [f"- not finished, and left out: {path}" for path in unfinished]
  head = (
    ["# Report", RULES] + ([PAPER] if with_paper else []) + (["\n".join(notes)] if notes else [])
  )
  text = "\n\n".join(head)
  text += "".join(f"\n\n## {heading}\n\n{body}" for heading, body in sections)
  return (text + f"\n\n{LOST}" if DIVERGED in text else text) + "\n"


def _averages(cells: list[Cell], with_paper: bool) -> list[tuple[str, str]]:
  """Forms V, VI and X, each where there is something to compare."""
  sections = []
  if len(cells) > 1:
    where = ", ".join(by_data(cells))
    said = [comparison.average_table(cells, with_paper), RANKS, *comparison.improvements(cells)]
    sections.append((f"Models and methods on {where} (as Table V)", "\n\n".join(said)))
  for model in dict.fromkeys(cell.model for cell in cells):
    group = [cell for cell in cells if cell.model == model and cell.method in comparison.ABLATION]
    methods = {cell.method for cell in group}
    if "mamdr" in methods and len(methods & {"domain_negotiation", "domain_regularization"}):
      where = ", ".join(by_data(group))
      table = comparison.ablation_table(cells, model, with_paper)
      heading = f"Ablation of {names.model_name(model)}+MAMDR on {where} (as Table VI)"
      sections.append((heading, table))
  for data, group in by_data(cells).items():
    if min(len({c.model for c in group}), len({c.method for c in group})) > 1:
      table = comparison.framework_table(group, with_paper)
      sections.append((f"Learning frameworks on {data} (as Table X)", table))
  return sections


def _notes(cells: list[Cell]) -> list[str]:
  """Which experiment stands where several could."""
  return [
    f"- {cell.row} on {cell.data} is {cell.experiment}, the best of {cell.candidates} experiments; "
    f"seeds: {len(cell.runs)}"
    for cell in cells
    if cell.candidates > 1
  ]


def _figures(results: dict[str, dict], found: dict[str, Path], out: Path):
  """(heading, [(caption, picture)]) of every kind of figure that the results allow, drawn."""
  taken = set()

  def place(kind: str, *parts: str) -> Path:
    name = names.slug("_".join([kind, *parts]))
    while name in taken:
      name += "+"
    taken.add(name)
    return out / f"{name}.png"

  cells = choose(results)
  drawn = {}
  for data, group in by_data(cells).items():
    if len(group) > 1:
      path = place("ranks", data)
      rank_figure(group, path)
      drawn.setdefault("Average ranks", []).append((f"average ranks on {data}", path))
  for helpers in sweeps.over_k(results):
    path = place("k", helpers.data, helpers.label)
    helpers_figure(helpers, path)
    said = f"AUC over k on {helpers.data}: {helpers.label}. Ring: validation's choice"
    drawn.setdefault("Number of helpers (as Fig. 8)", []).append((said, path))
  for grid in sweeps.over_rates(results):
    path = place("rates", grid.data, grid.label)
    grid_figure(grid, path)
    said = f"AUC over α and β on {grid.data}: {grid.label}. Frame and ring: validation's choice"
    drawn.setdefault("Rates (as Fig. 9)", []).append((said, path))
  for (data, model), group in by_model(cells).items():
    if len(group) > 1:
      path = place("methods", data, model)
      title = f"{data}: {names.model_name(model)}"
      labels = [names.method_name(cell.method) for cell in group]
      method_curves([found[cell.experiment] for cell in group], path, labels, title)
      said = f"{title}. A dot is the mean best epoch and AUC of the runs"
      drawn.setdefault("Methods over epochs", []).append((said, path))
  for cell in cells:
    path = place("auc", cell.data, cell.model, cell.method)
    learning_curves(found[cell.experiment], path)
    drawn.setdefault("Domains over epochs", []).append((f"{cell.data}: {cell.row}", path))
  return drawn.items()
