"""How many runs go side by side: the estimate of their memory against what XLA says of four."""

from types import SimpleNamespace

import jax
import optax
import pytest

from mamdr_jax import tree
from mamdr_jax.configure import lookup
from mamdr_jax.descent import minibatch
from mamdr_jax.methods import METHODS
from mamdr_jax.models import MODELS
from mamdr_jax.objective import objective
from mamdr_jax.train import Setup, memory

NUM_ROWS = 5000  # of each table, so that states outweigh what else a program keeps
NUM_RUNS = 8


@pytest.fixture(
  scope="module", params=["alternate", pytest.param("alternate+finetune", marks=pytest.mark.slow)]
)
def estimated(request, train, valid):
  """A setup, what its runs share, what each adds, and the bytes of a run's parameters."""
  goal = objective(MODELS["mlp"]({"user": NUM_ROWS, "item": NUM_ROWS, "domain": 4}, 4, hidden=(6,)))
  method = lookup(METHODS, "method", request.param)(loss=goal.loss, inner=optax.adam)
  setup = Setup(goal, method, patience=1)
  params = jax.eval_shape(goal.init, jax.random.key(0), minibatch(train, 0))
  return setup, *memory.estimate(setup, train, valid), tree.num_bytes(params)


def test_memory_of_four_runs_is_foretold_within_a_fifth(estimated, train, valid):
  setup, shared, each, of_params = estimated
  four = memory.bytes_of_epoch(setup, train, valid, lanes=4)
  assert shared + 4 * each == pytest.approx(four, rel=0.2)
  # Parameters and two moments of Adam, and the best of them: what a run cannot do without.
  assert each >= 6 * of_params


def test_fewer_runs_go_side_by_side_in_less_memory(estimated, train, valid, monkeypatch, capsys):
  setup, shared, each, _ = estimated
  monkeypatch.setattr(memory, "estimate", lambda *_: (shared, each))

  def lanes(room):
    stats = {"bytes_limit": (shared + room * each) / memory.SHARE}
    device = SimpleNamespace(platform="gpu", memory_stats=lambda: stats)
    monkeypatch.setattr(memory.jax, "local_devices", lambda: [device])
    return memory.lanes_that_fit(NUM_RUNS, setup, train, valid)

  assert [lanes(room) for room in (100, 8.5, 5.5, 2.5, 0.5)] == [8, 8, 5, 2, 1]
  assert f"a run takes {each / 2**20:.1f} MiB" in capsys.readouterr().err


def test_on_a_cpu_runs_go_one_after_the_other(train, valid):
  assert memory.lanes_that_fit(NUM_RUNS, None, train, valid) == 1
