"""The types that everything else speaks in. A reader starts here.

Axis letters, used in every docstring:
  `R` runs, `D` domains, `T` minibatches of a split, `S` steps of a schedule,
  `B` rows of a minibatch, `N` rows of a table, `F` fields, `E` experts.

What only scales a number is traced and lives in `Hparams`; what changes a shape, a loop
length or a code path is a keyword-only argument of a constructor. Keys come first in
every signature and are consumed: a key is split, or numbers are folded into it, never both, since
the two can give the same keys.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax

Array = jax.Array
Key = jax.Array
Tree = Any

# {"tables": {field: {name: [N, ...]}}, "net": {...}}: a plain dict of arrays. A minibatch
# touches a few rows of each table and all of the net.
Params = dict[str, Any]


class Batch(NamedTuple):
  """A minibatch whose rows all come from one domain.

  In a view (see `view.py`) `ids` and `domain` are positions among the viewed rows.
  """

  ids: dict[str, Array]  # field -> [B] int32, rows of the trainable tables
  dense: dict[str, Array]  # field -> [B, f] float32, features that are given, not trained
  label: Array  # [B] float32 in {0, 1}
  weight: Array  # [B] float32, 0 marks padding
  domain: Array  # [] int32


# In place of a field, of an `Own` whose rows are the domains themselves, each of which has itself:
# where what is kept of some domains only is at hand, those.
HERE = "here"


class Own(NamedTuple):
  """Which rows of a table the data of each domain have: those of all domains, end to end."""

  ids: Array  # [M] int32, distinct and rising within a domain
  first: Array  # [D + 1] int32, where those of a domain begin, and where the last ones end


class DomainBatches(NamedTuple):
  """One split of a data set, contiguous by domain; only a domain's last batch is padded."""

  batch: Batch  # leaves [T, ...]
  start: Array  # [D] int32, a domain's first minibatch
  count: Array  # [D] int32, how many minibatches it has
  frozen: dict[str, Array]  # field -> [N, f] float32, given features of the ids of that field
  own: dict[str, Own]  # field of trainable tables, "domain", and `HERE`
  # [S] int32, which of the T minibatches are here, rising, where not all are: leaves [S, ...]
  which: Array | None = None


class Hparams(NamedTuple):
  """The rates that a sweep varies without compiling again."""

  alpha: Array  # [] float32, inner learning rate, α
  beta: Array  # [] float32, outer learning rate of the shared parameters, β
  gamma: Array  # [] float32, outer learning rate of the specific parameters, γ


# Decorates what measures: its products of matrices are float32 throughout, where training has the
# backend's default (TF32 on recent NVIDIA GPUs, bfloat16 on a TPU).
full_precision = jax.default_matmul_precision("highest")

Loss = Callable[[Params, Key, Batch], Array]  # weighted mean over the rows of the batch
Optimizer = Callable[[Array], optax.GradientTransformation]  # rate -> e.g. optax.adam(rate)


class Method(NamedTuple):
  """A learning framework: the same three pure functions for MAMDR and for every baseline."""

  # (key, params, training split) -> state
  init: Callable[[Key, Params, DomainBatches], Tree]
  epoch: Callable[[Key, Tree, DomainBatches, Hparams], tuple[Tree, dict[str, Array]]]
  # (state, domain, rows=None) -> what serves that domain; with rows, the view of it (`view.py`)
  params: Callable[..., Params]
  # If domains are trained apart, so that only d's data moves what serves d:
  # (condition [D], state, state) -> of each domain what the first has where the condition holds,
  # else what the second has. `fit` then stops each domain by its own AUC.
  choose: Callable[[Array, Tree, Tree], Tree] | None = None
  # Which of `Hparams` it reads; a sweep over another would train equal runs, and is refused.
  rates: tuple[str, ...] = ("alpha",)
  # Trained to its end before; in place of params, `init` gets its best state. Needs `choose`.
  base: "Method | None" = None
  # Whether it looks at `DomainBatches.own`, which takes a sort of the rows to make.
  own: bool = False
  # What of its state is kept for every domain, an `own.Kept`, and can be elsewhere than the rest.
  kept: Any = None
  # state -> the same with () in place of what `params` does not read, such as optimizers' states
  served: Callable[[Tree], Tree] = lambda state: state
  # What `epoch` consists of (`rounds.Stage`), so that it can be trained on data a part at a time.
  stages: tuple = ()
