"""What the training rows of a stored model had, out of the lists of `workdir/lists.py`."""

import numpy as np

from mamdr_jax.stored import Stored
from mamdr_jax.workdir.lists import LISTS


class Had:
  """The items of a domain, and those that a user had there with label 1.

  Raises:
    ValueError: the model has no such list.
  """

  def __init__(self, stored: Stored):
    self._stored, self._read = stored, {}

  def items(self, domain: int) -> np.ndarray:
    """Of all training rows of a domain: [k] int32, rows of the table of items, rising."""
    first, item = self._whole("items/first"), self._array("items/item")
    return item[np.arange(first[domain], first[domain + 1])]

  def by_user(self, domain: int, user: int) -> np.ndarray:
    """Those of a user, likewise; none of a user or a domain that training never saw."""
    first, begin, item = (self._whole(f"had/{x}") for x in ("first", "begin", "item"))
    if domain + 1 == first.size:
      return item[:0]
    users = self._array("had/user")[np.arange(first[domain], first[domain + 1])]
    at = int(np.searchsorted(users, user))
    if at == users.size or users[at] != user:
      return item[:0]
    place = first[domain] + at
    return item[begin[place] : begin[place + 1]]

  def _array(self, name: str):
    whole = f"{LISTS}/{name}"
    if whole not in self._stored.lists:
      raise ValueError(
        f"{self._stored.path} has no {whole!r}: config.model_lists had no room for it, or it was "
        "stored by an older version; give a file"
      )
    return self._stored.lists[whole]

  def _whole(self, name: str) -> np.ndarray:
    if name not in self._read:
      self._read[name] = np.asarray(self._array(name))
    return self._read[name]
