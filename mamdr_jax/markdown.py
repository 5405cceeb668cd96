"""Tables in Markdown, in which a name from a file or a config cannot be anything but text."""

import re


class Markdown(str):
  """Text that is Markdown already, and is not escaped again."""

  __slots__ = ()


def escape(text) -> Markdown:
  """`text` on one line, shown as it is: neither markup, HTML, mathematics nor a column of a table.

  An underscore within a word is none of these, and stays.
  """
  if isinstance(text, Markdown):
    return text
  text = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
  text = re.sub(r"[\\`*\[\]|$~&]|(?<![^\W_])_|_(?![^\W_])|^[#>+-](?= )", r"\\\g<0>", text)
  return Markdown(text.replace("<", "&lt;"))


def table(header, rows, right: bool = False) -> str:
  """An aligned Markdown table of cells of any type; floats with four digits.

  `right` aligns all columns to the right, as numbers are. Cells are escaped unless `Markdown`.
  """
  text = [
    [escape(f"{cell:.4f}" if isinstance(cell, float) else cell) for cell in row]
    for row in [header, *rows]
  ]
  widths = [max(map(len, column)) for column in zip(*text, strict=True)]
  pad = str.rjust if right else str.ljust
  lines = [" | ".join(map(pad, row, widths)) for row in text]
  rule = "|".join("-" * (width + 1) + ("-:"[right]) for width in widths)
  return "\n".join([f"| {lines[0]} |", f"|{rule}|", *(f"| {line} |" for line in lines[1:])])
