"""Files that nobody wrote so: right rows or one sentence with the file, in little memory."""

import csv
import gzip
import random

import numpy as np
import pytest

from mamdr_jax.data import amazon, delimited, features, files, parquet, split, table

HEAD = "user,item,domain,label\n"
ROWS = "".join(f"u{n % 7},i{n},a,{n % 2}\n" for n in range(40))


def told(call, *args, **options) -> str:
  with pytest.raises(ValueError) as caught:
    call(*args, **options)
  message = str(caught.value)
  assert "\n" not in message and len(message) < 300
  return message


@pytest.mark.parametrize(
  "text, message",
  [
    (HEAD + ROWS + "x" * 1001 + ",i,a,1\n", "line 42: the user has more than 1,000 characters"),
    (HEAD + ROWS + "u\0,i,a,1\n", "line 42: the user has a line end or a NUL in it"),
    (HEAD + '"u\nv",i,a,1\n' + ROWS, "line 2: the user has a line end or a NUL in it"),
    (HEAD + '"u1,i,a,1\n' + ROWS + '"u2,i,a,1\n', "line 2: the user has a line end or a NUL"),
    (HEAD + ROWS + f"u,i,a,{'z' * 10**5}\n", "line 42: the label is 'zzz"),
    ("z" * 10**5 + HEAD + ROWS, "has no column 'user', only zzz"),
    ("user,item,domain,label,user\n", "has two columns 'user', expected one"),
    (HEAD + ROWS + "\n\nu,i,a\n", "line 44: expected 4 cells, found 3"),
    (HEAD + ROWS + 'u,"i\ni",a,1,5\n', "line 42: expected 4 cells, found 5"),
    (HEAD.strip(), "has no rows"),
    ("\n\n", "is empty"),
    (HEAD + "u,i,a,1\n" * 9, "no domain is left of 1, because a domain needs 5 positives and 5"),
  ],
)
def test_a_table_that_cannot_be_is_a_sentence(tmp_path, text, message):
  path = tmp_path / "t.csv"
  path.write_text(text)
  sentence = told(table.load, path, label="label")
  assert str(path) in sentence and message in sentence


def test_blanks_and_byte_order_marks_in_a_header_are_no_part_of_names(tmp_path):
  text = "\ufeff\ufeff" + HEAD.replace("user", " user ").replace("item,", "item\t,") + ROWS
  (tmp_path / "t.csv").write_text(text, encoding="utf-8")
  assert len(table.load(tmp_path / "t.csv", label="label").label) == 40


def test_ids_are_compared_without_the_blanks_around_them(tmp_path):
  (tmp_path / "t.csv").write_text(HEAD + ROWS + " u1 , i1,\ta,1\n")
  dataset = table.load(tmp_path / "t.csv", label="label")
  assert len(dataset.label) == 41 and dataset.domains == ("a",)
  assert sorted(dataset.vocab["user"]) == [f"u{n}" for n in range(7)]


def test_what_is_not_text_in_a_column_that_nobody_names_does_not_matter(tmp_path):
  lines = (HEAD[:-1] + ",title\n" + ROWS.replace("\n", ",\xe9\n")).encode("latin-1")
  (tmp_path / "t.csv").write_bytes(lines)
  assert len(table.load(tmp_path / "t.csv", label="label").label) == 40
  assert "has no column 'titel'" in told(
    table.load, tmp_path / "t.csv", label="label", categorical=("titel",)
  )
  message = told(table.load, tmp_path / "t.csv", label="label", categorical=("title",))
  assert "line 2 is not UTF-8" in message


@pytest.mark.parametrize("name", ["t.csv.gz", "Gift_Cards.json.gz"])
def test_a_line_that_unpacks_without_end_is_refused_before_it_is_held(tmp_path, monkeypatch, name):
  monkeypatch.setattr(files, "LONGEST_LINE", 2**12)
  for head in ("", HEAD) if name == "t.csv.gz" else ("",):
    with gzip.open(tmp_path / name, "wt") as file:
      file.write(head + "a" * 2**25)
    if head:
      monkeypatch.setattr(delimited, "BLOCK", 2**12)
    message = told(
      *(
        (table.load, tmp_path / name) if "csv" in name else (amazon.load, tmp_path, ("Gift_Cards",))
      )
    )
    assert str(tmp_path / name) in message


def test_features_that_unpack_to_more_than_can_be_are_refused(tmp_path, monkeypatch):
  monkeypatch.setattr(features, "SMALL", 2**20)
  np.savez_compressed(tmp_path / "f.npz", id=np.arange(4), feature=np.zeros((2**18, 1)))
  assert "it unpacks to 2,097," in told(features.read_features, tmp_path / "f.npz")
  np.save(tmp_path / "f.npy", np.array([[1e39], [1.0]]))
  ident, feature = features.read_features(tmp_path / "f.npy")
  assert "the features of id 0 are not all finite" in told(
    features.align, tmp_path / "f.npy", ident, ident, feature
  )
  whole = (tmp_path / "f.npy").read_bytes()
  for broken in (whole[:-8], whole[:20], whole.replace(b"descr", b"des\xffr"), b""):
    (tmp_path / "f.npy").write_bytes(broken)
    assert "f.npy is damaged or no .npy file" in told(features.read_features, tmp_path / "f.npy")


def test_one_long_id_among_many_does_not_widen_them_all():
  ids = [str(n) for n in range(2**17)] + ["x" * 900]
  assert "one of 131,073 ids has 900 characters ('xxxx" in told(split.as_vocab, ids)
  assert split.as_vocab(ids[:100] + ids[-1:]).dtype == "<U900"


def test_a_number_that_float32_cannot_hold_is_refused(tmp_path):
  (tmp_path / "t.csv").write_text(
    HEAD[:-1] + ",x\n" + ROWS.replace("\n", ",1\n") + "u,i,a,1,1e39\n"
  )
  options = dict(label="label", dense=("x",))
  assert "line 42: the x is '1e+39', expected a number that float32 holds" in told(
    table.load, tmp_path / "t.csv", **options
  )


@pytest.mark.parametrize("few", [0, 20, 10_000])
def test_texts_have_one_code_in_whatever_blocks_they_are_read(tmp_path, monkeypatch, few):
  rng = np.random.default_rng(0)
  users, numbers = rng.integers(900, size=5000), rng.random(5000)
  rows = [f"u{user},{n % 7},{x}\n" for n, (user, x) in enumerate(zip(users, numbers, strict=True))]
  (tmp_path / "t.csv").write_text("user,item,x\n" + "".join(rows))
  monkeypatch.setattr(delimited, "BLOCK", 2**12)  # some 30 of them
  monkeypatch.setattr(delimited, "FEW", few)
  columns = {"user": "user", "item": "item", "x": "x"}
  frame = delimited.read_columns(tmp_path / "t.csv", columns, numbers=("x",))
  assert frame["user"].tolist() == [f"u{user}" for user in users]
  assert frame["user"].cat.categories.tolist() == frame["user"].drop_duplicates().tolist()
  assert frame["item"].cat.categories.tolist() == [str(n) for n in range(7)]
  np.testing.assert_array_equal(frame["x"], numbers)


def plain(path):
  """The rows of a table as the csv module has them, or None where a cell cannot be."""
  with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
    rows = [row for row in csv.reader(file) if row]
  header = [name.strip() for name in rows[0]]
  at = [header.index(name) for name in ("user", "item", "domain", "label")]
  return [tuple(row[k].strip() for k in at) for row in rows[1:]]


@pytest.mark.parametrize("seed", range(4))
def test_altered_bytes_give_the_rows_of_the_csv_module_or_a_sentence(tmp_path, seed):
  rng = random.Random(seed)
  path, read = tmp_path / "t.csv", 0
  for _ in range(60):
    text = bytearray((HEAD[:-1] + ",text\n" + ROWS.replace("\n", ',"a ""b"", c"\n')).encode())
    for _ in range(rng.randint(0, 2)):
      at = rng.randrange(len(text))
      text[at : at + rng.randint(0, 2)] = rng.choice(
        [b"", b'"', b",", b"\n", b" ", b"x", b"\xff", b"\0", b"\r\n", b"1"]
      )
    path.write_bytes(text)
    try:
      dataset = table.load(path, label="label")
    except ValueError as error:
      message = str(error)
      assert str(path) in message and "\n" not in message and len(message) < 300
      continue
    read += 1
    rows = [
      (dataset.vocab["user"][u], dataset.vocab["item"][i], dataset.domains[d], str(y))
      for u, i, d, y in zip(
        *(dataset.ids["user"], dataset.ids["item"], dataset.domain, dataset.label), strict=True
      )
    ]
    assert rows == [row for row in plain(path) if row[2] in dataset.domains]
  assert read > 10


def test_altered_bytes_of_a_parquet_are_a_sentence(tmp_path):
  (tmp_path / "t.csv").write_text(HEAD + ROWS)
  columns = {name: name for name in ("user", "item", "domain", "label")}
  frame = delimited.read_columns(tmp_path / "t.csv", columns)
  path = tmp_path / "t.parquet"
  frame.astype(str).to_parquet(path)
  whole, rng, refused = path.read_bytes(), random.Random(0), 0
  for _ in range(150):
    text = bytearray(whole)
    for _ in range(3):
      text[rng.randrange(len(text))] = rng.randrange(256)
    path.write_bytes(text[: rng.choice([len(text), len(text), rng.randrange(len(text))])])
    try:
      assert set(parquet.read_columns(path, columns)) == set(columns)
    except ValueError as error:
      refused += 1
      message = str(error)
      assert str(path) in message and "\n" not in message and len(message) < 300
  assert refused > 30
