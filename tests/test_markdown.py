"""Tables in Markdown hold any name as it is."""

import pytest

from mamdr_jax import markdown


@pytest.mark.parametrize(
  ("name", "expected"),
  [
    ("plain", "plain"),
    ("Amazon_Fashion", "Amazon_Fashion"),
    ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
    ("a|b", r"a\|b"),
    ('=HYPERLINK("http://x")', '=HYPERLINK("http://x")'),
    ("![x](http://evil/p.png)", r"!\[x\](http://evil/p.png)"),
    ("$5-$10", r"\$5-\$10"),
    ("_hidden_", r"\_hidden\_"),
    ("__init__", r"\_\_init\_\_"),
    (r"$\frac{$", r"\$\\frac{\$"),
    ("two\nlines\r\n", "two lines"),
    ("日本", "日本"),
    ("**a** `b` ~c~ &lt;", r"\*\*a\*\* \`b\` \~c\~ \&lt;"),
    ("# a", r"\# a"),
    ("- a", r"\- a"),
    ("-0.5", "-0.5"),
    ("\x1b[31mred\x00", r"\[31mred"),
  ],
)
def test_name_is_shown_as_it_is(name, expected):
  assert markdown.escape(name) == expected
  assert markdown.escape(markdown.escape(name)) == expected


def test_table_is_aligned_and_escaped():
  rows = [["a|b", 0.5], [markdown.Markdown("**c**"), 7]]
  assert markdown.table(["name", "x"], rows).splitlines() == [
    "| name  | x      |",
    "|-------|--------|",
    r"| a\|b  | 0.5000 |",
    "| **c** | 7      |",
  ]
  assert markdown.table(["name"], [["x"]], right=True).splitlines() == [
    "| name |",
    "|-----:|",
    "|    x |",
  ]
