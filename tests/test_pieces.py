"""Files of arrays, of which each piece is checked when it is first read."""

import numpy as np
import pytest

from mamdr_jax.workdir import arrays


@pytest.mark.parametrize("pieces", [True, False])
def test_a_piece_of_a_file_is_checked_when_it_is_first_read(pieces, tmp_path, monkeypatch):
  monkeypatch.setattr(arrays, "PIECE", 64)
  array = np.arange(200, dtype=np.float32).reshape(50, 4)
  told = arrays.write(tmp_path / "0000.npy", arrays.blocks(array))
  assert arrays.described(told) and len(told["pieces"]) == -(-told["bytes"] // 64)
  if not pieces:  # as it once was
    del told["pieces"]
  rows = np.array([3, 40, 3])
  np.testing.assert_array_equal(arrays.Checked(tmp_path, told)[rows], array[rows])
  np.testing.assert_array_equal(np.asarray(arrays.Checked(tmp_path, told)), array)
  path = tmp_path / "0000.npy"
  data = bytearray(path.read_bytes())
  data[128 + 16 * 20] ^= 1  # in row 20, after the header
  path.write_bytes(data)
  altered = arrays.Checked(tmp_path, told)
  if pieces:
    np.testing.assert_array_equal(altered[rows], array[rows])
  for rows in (np.array([0, 20]), np.array([23]), np.arange(50)):
    with pytest.raises(ValueError, match=r"0000.npy was altered: its checksum is another"):
      altered[rows]
  with pytest.raises(ValueError, match=r"0000.npy was altered"):
    np.asarray(altered)


def test_an_array_of_rows_longer_than_a_piece_or_of_none_is_checked(tmp_path, monkeypatch):
  monkeypatch.setattr(arrays, "PIECE", 64)
  for array in (np.arange(300, dtype=np.float32).reshape(3, 100), np.zeros((0, 4), np.int32)):
    told = arrays.write(tmp_path / "0000.npy", arrays.blocks(array))
    checked = arrays.Checked(tmp_path, told)
    rows = np.arange(len(array))[1:]
    np.testing.assert_array_equal(checked[rows], array[rows])
    np.testing.assert_array_equal(np.asarray(checked), array)
