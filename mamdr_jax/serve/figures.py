"""The figures of rows as a table, as JSON and as CSV."""

import csv
from pathlib import Path

import numpy as np

from mamdr_jax import files, measures
from mamdr_jax.distribution import domain_rows, spectrum
from mamdr_jax.markdown import table
from mamdr_jax.measures import COUNTED, LEFT_OUT
from mamdr_jax.report.measures import title
from mamdr_jax.report.runs import harmless
from mamdr_jax.report.tables import MEAN, decimal
from mamdr_jax.serve.evaluate import Figures

KINDS = (".json", ".csv")  # of files that `write` knows
NOTE = f"""\
GAUC is the AUC of a user's rows in a domain, averaged over users by their rows; PCOC the mean
prediction over the rate of positives; ECE is over ten bins of equal mass.

{measures.SAMPLED}"""
ALL = """
With /all, a user's positives stand among all items of the domain that the user has not had, exact,
for the users that were drawn."""


def table_of(figures: Figures) -> str:
  """Markdown: a row a domain, then the plain mean over those that have a figure.

  Of very many domains the quantiles over them, and those of the largest, the best and the worst by
  AUC.
  """
  values = [of.value for of in figures.measures.values()]
  listed = domain_rows(figures.domains, figures.rows, figures.measures["auc"].value)
  rows = [[name, "", *map(decimal, of)] for name, of in spectrum(values)]
  rows += [[name, f"{figures.rows[d]:,}", *(decimal(v[d]) for v in values)] for name, d in listed]
  means = [decimal(measures.mean(v)) for v in values]
  rows.append([MEAN, f"{figures.rows.sum():,} in all", *means])
  return table(["domain", "rows", *map(title, figures.measures)], rows)


def note(figures: Figures) -> str:
  """What the figures are, and over which users."""
  said = [
    f"{title(name)} {of.users.counted.sum():,} ({of.users.left_out.sum():,} left out)"
    for name, of in figures.measures.items()
    if of.users is not None
  ]
  more = ALL if any(name.endswith("/all") for name in figures.measures) else ""
  return f"{NOTE}{more}\nUsers of all domains that count: {', '.join(said)}."


def check(out: Path) -> None:
  """Raises a ValueError if a file is of no kind that `write` knows."""
  if out.suffix not in KINDS:
    raise ValueError(f"{out}: expected a name that ends in {' or '.join(KINDS)}")


def write(figures: Figures, out: Path) -> None:
  """Writes the figures of every domain, as the name of the file ends.

  CSV is a line a domain, with the users that each mean is over; JSON is as in a `result.json`, with
  `rows` and `positives`.
  """
  columns = {"domain": figures.domains, "rows": figures.rows, "positives": figures.positives}
  if out.suffix == ".json":
    by_name = lambda x: dict(zip(figures.domains, x.tolist(), strict=True))
    told = {name: by_name(columns[name]) for name in ("rows", "positives")}
    files.write_json(out, told | measures.told(figures.measures, figures.domains))
    return
  for name, (value, users) in figures.measures.items():
    columns[name] = ["" if np.isnan(x) else x for x in value.tolist()]
    if users is not None:
      columns |= {f"{name} {COUNTED}": users.counted, f"{name} {LEFT_OUT}": users.left_out}

  def fill(aside):
    with aside.open("w", newline="", encoding="utf-8") as file:
      writer = csv.writer(file)
      writer.writerow(columns)
      rows = zip(*columns.values(), strict=True)
      writer.writerows([harmless(cell) for cell in row] for row in rows)

  files.write_aside(out, fill)
