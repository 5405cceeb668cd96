"""The report as a document: which tables and figures the results at hand allow."""

from collections.abc import Iterable
from pathlib import Path

from mamdr_jax.files import write_aside
from mamdr_jax.markdown import escape
from mamdr_jax.report import comparison, files, names, sweeps
from mamdr_jax.report.cells import Cell, by_data, by_model, cells_of, fewer_draws
from mamdr_jax.report.curves import domain_curves, method_curves
from mamdr_jax.report.figures import grid_figure, helpers_figure, rank_figure
from mamdr_jax.report.measures import measure_sections
from mamdr_jax.report.replicates import over, pool
from mamdr_jax.report.results import baselines, by_setting
from mamdr_jax.report.runs import write_runs
from mamdr_jax.report.significance import paired_table
from mamdr_jax.report.tables import DIVERGED, method_table, setting_table, spent_table

RULES = """\
Rates, and which experiment stands for a model and a method, are chosen by validation AUC, its mean
over domains and replicates; test figures are only reported. Experiments that differ in seeds only
are replicates of one: of initialisation and order of training (seed), of split and drawn negatives
(split_seed), of synthetic data (data_seed). AUC is the plain mean over domains, ± the sample
standard deviation over replicates. `passes` are gradient evaluations of an epoch, the mean over
epochs and replicates. The best is in bold."""
BASELINES = """\
Item popularity scores a row by the number of training positives that its item has in the domain.
The base rate predicts every row's domain's share of training positives. Neither is trained, ranked
or in bold; what does not beat them has learned nothing that counting does not tell."""
OTHERS = """\
What has the model `external` are scores of other systems, read from files: without validation
figures, passes or epochs, and tuned nobody here knows how. They are ranked, and paired with the
methods of every model."""
PAPER = """\
In parentheses, where the paper has a value in that place: the paper's, **on its own data**. Those
beside learning frameworks are on its Taobao-10, whatever the data here."""
RANKS = """\
RANK is the rank within a domain among all rows of the data set, 1 the best and ties half, averaged
over domains; a row's AUC on a domain is first averaged over its replicates."""
PAIRS = """\
Differences are paired by replicate and domain, ± their deviation over replicates, which are seeds
or, where there are several, draws of the data. What is tested is the mean difference, replicates
and domains both taken as drawn by chance: Clark's min F′ (1973) of the analyses over domains and
over replicates. Pairs taken as independent would give too small a p, as a seed moves all domains
together. Over one replicate it is the signed-rank test over domains, for that replicate only, and
over D domains its p is 2 / 2ᴰ at least: few domains, or few replicates, cannot make p small. p are
two-sided, and adjusted by Holm within a data set and model."""
FRIEDMAN = """\
Before ranks are told apart, Friedman's test asks whether there is any difference among them: in the
F form of Iman and Davenport, over domains and over replicates, joined as min F′; over one replicate
over domains alone. Only where its p is below 0.05 does the picture have Nemenyi's critical
distance, which takes the domains as the blocks."""
SPENT = """\
Over all runs that are there, those that were not chosen among them: rates that were tried, and
gradients of a minibatch's loss, by which methods are compared that look at more in an epoch."""
UNCHECKED = {  # of scores of another system, how far their rows are known to be the test rows
  "counts": "its scores are of as many rows and positives in each domain as the test split has; "
  "whether they are the same rows was not looked at",
  "nothing": "whether its scores are of the test rows could not be looked at",
}
LOST = (
  f"{DIVERGED} A run of it diverged, and counts with its best epoch, or comes last if it had none."
)


def write_report(
  workdirs: Iterable[Path], out: Path, with_paper: bool = False, first: str | None = None
) -> list[Path]:
  """Writes `report.md`, its pictures and `runs.csv` to `out`, all text in UTF-8.

  Args:
    workdirs: experiments, or studies, which are folders of them (`files.find`). What cannot be read
      of them is named in the report and left out.
    out: the folder.
    with_paper: put the paper's values beside.
    first: the method that is paired with the others; by default MAMDR, else the best.

  Returns:
    The files.

  Raises:
    ValueError: a workdir holds no result, or no result can be read.
  """
  workdirs, out = list(workdirs), Path(out)
  found = files.find(workdirs)
  results, left_out = files.read_all(found)
  out.mkdir(parents=True, exist_ok=True)
  left_out += [f"not finished: {path}" for path in files.unfinished(workdirs)]
  text, pictures = compose(results, left_out, with_paper, first), []
  for heading, note, drawn in _figures(results, found, out):
    shown = [f"![{escape(says)}]({path.name})" for says, path in drawn]
    text += f"\n## {heading}\n\n" + "\n\n".join([note] * bool(note) + shown) + "\n"
    pictures += [path for _, path in drawn]
  written = [out / "report.md", out / "runs.csv"]
  write_aside(written[0], lambda aside: aside.write_text(text, "utf-8", "replace"))
  write_runs(results, written[1])
  return written + pictures


def compose(
  results: dict[str, dict],
  left_out: Iterable[str] = (),
  with_paper: bool = False,
  first: str | None = None,
) -> str:
  """The report's tables as Markdown; name -> result as `files.read` has it.

  `left_out` are sentences about what is not in them; the rest is as in `write_report`.
  """
  results, cells = pool(results), cells_of(results)
  sections = [("Experiments", method_table(results))]
  sections += _averages(cells, with_paper)
  paired = paired_table(cells, first)
  if paired:
    sections.append(("One method against the others", f"{paired}\n\n{PAIRS}"))
  for (data, _), group in by_model(cells).items():
    if len(group) > 1:
      heading = f"AUC per domain on {data}, {names.model_name(group[0].model)} (as Table VII)"
      sections.append((heading, comparison.domain_comparison(group, with_paper)))
  sections += measure_sections(cells)
  data = names.data_names(results)
  for name, result in results.items():
    if len(by_setting(result)) > 1:
      sections.append((f"Rates of {name} on {data[name]}", setting_table(result)))
  if spent := spent_table(results):
    sections.append(("What was spent", f"{spent}\n\n{SPENT}"))
  notes = _notes(cells) + [f"- left out: {escape(sentence)}" for sentence in left_out]
  simple = any(baselines(result["runs"]) for result in results.values())
  others = len(cells) > len(_traced(cells))
  head = ["# Report", RULES] + [BASELINES] * simple + [OTHERS] * others + [PAPER] * with_paper
  text = "\n\n".join(head + ["\n".join(notes)] * bool(notes))
  text += "".join(f"\n\n## {escape(heading)}\n\n{body}" for heading, body in sections)
  return (text + f"\n\n{LOST}" if DIVERGED in text else text) + "\n"


def _averages(cells: list[Cell], with_paper: bool) -> list[tuple[str, str]]:
  """Forms V, VI and X, each where there is something to compare."""
  sections = []
  if len(cells) > 1:
    where = ", ".join(by_data(cells))
    said = [
      comparison.average_table(cells, with_paper),
      RANKS,
      *map(escape, comparison.improvements(cells)),
    ]
    sections.append((f"Models and methods on {where} (as Table V)", "\n\n".join(said)))
  for model in dict.fromkeys(cell.model for cell in cells):
    group = [cell for cell in cells if cell.model == model and cell.method in comparison.ABLATION]
    methods = {cell.method for cell in group}
    if "mamdr" in methods and len(methods & {"domain_negotiation", "domain_regularization"}):
      where = ", ".join(by_data(group))
      table = comparison.ablation_table(cells, model, with_paper)
      heading = f"Ablation of {names.model_name(model)}+MAMDR on {where} (as Table VI)"
      sections.append((heading, table))
  for data, group in by_data(_traced(cells)).items():
    if min(len({c.model for c in group}), len({c.method for c in group})) > 1:
      table = comparison.framework_table(group, with_paper)
      sections.append((f"Learning frameworks on {data} (as Table X)", table))
  return sections


def _notes(cells: list[Cell]) -> list[str]:
  """Which experiment stands where several could, and which ran on less of the data than others."""
  chosen = [
    f"{cell.row} on {cell.data} is {cell.experiment}, the best of {cell.candidates} experiments, "
    f"over {over(cell.runs)}"
    for cell in cells
    if cell.candidates > 1
  ]
  fewer = [
    f"{cell.row} on {cell.data} ran on {own} of {every} draws of the data, and its figures are "
    "means over those"
    for cell, own, every in fewer_draws(cells)
  ]
  unlike = [
    f"{cell.row} on {cell.data}: {UNCHECKED[run['checked']]}"
    for cell in cells
    for run in cell.runs[:1]
    if run.get("checked") in UNCHECKED
  ]
  return [f"- {escape(note)}" for note in chosen + fewer + unlike]


def _traced(cells: list[Cell]) -> list[Cell]:
  """Those that were trained here, and so have a model and epochs."""
  return [cell for cell in cells if cell.model != names.EXTERNAL]


def _figures(results: dict[str, dict], found: dict[str, Path], out: Path):
  """(heading, note, [(caption, picture)]) of every kind of figure that the results allow, drawn."""
  taken = set()

  def place(kind: str, *parts: str) -> Path:
    name = names.slug("_".join([kind, *parts]))
    while name in taken:
      name += "+"
    taken.add(name)
    return out / f"{name}.png"

  cells = cells_of(results)
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
  for (data, model), group in by_model(_traced(cells)).items():
    if len(group) > 1:
      path = place("methods", data, model)
      method_curves(group, found, path)
      said = f"{data}: {names.model_name(model)}. A dot is the mean best epoch and AUC of the runs"
      drawn.setdefault("Methods over epochs", []).append((said, path))
  for cell in _traced(cells):
    path = place("auc", cell.data, cell.model, cell.method)
    domain_curves(cell, found, path)
    drawn.setdefault("Domains over epochs", []).append((f"{cell.data}: {cell.row}", path))
  notes = {"Average ranks": FRIEDMAN}
  return [(heading, notes.get(heading, ""), pictures) for heading, pictures in drawn.items()]
