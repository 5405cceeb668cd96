"""What has to be equal bit by bit, compiled with all of XLA's optimisations, as users compile it.

The other tests do without most of them (`conftest.py`), and an equality could rest on that.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import AS_USERS_COMPILE

HERE = Path(__file__).parent
QUICK = ("XLA_FLAGS", "JAX_DISABLE_MOST_OPTIMIZATIONS")  # what conftest.py sets
EQUALITIES = (
  "test_sparse.py::test_views_change_no_bit_of_plain_gradient_descent[mamdr]",
  "test_streamed.py::test_an_epoch_in_parts_is_an_epoch[alternate]",
  "test_identities.py::test_regularization_does_not_move_the_shared_parameters"
  "[domain_regularization-alternate-options0]",
)
OF_MANY_RUNS = (  # whose programs take two minutes to compile
  "test_identities.py::test_domain_negotiation_with_beta_0_moves_nothing",
  "test_resume.py::test_what_was_interrupted_goes_on_to_the_same_end[alternate-changes1-after1-4]",
  "test_train.py::test_results_do_not_depend_on_lanes_nor_on_a_neighbour",
  "test_train.py::test_a_single_run_is_a_sweep_of_one",
  "test_train.py::test_gamma_does_not_reach_the_shared_parameters",
  "test_resume.py::test_a_group_that_had_ended_in_part_goes_on_from_its_checkpoint",
)


@pytest.mark.skipif(AS_USERS_COMPILE in os.environ, reason="this is the run that is started")
@pytest.mark.parametrize(
  "equalities", [EQUALITIES, pytest.param(OF_MANY_RUNS, marks=pytest.mark.slow)]
)
def test_equalities_hold_with_all_optimisations(equalities):
  done = subprocess.run(
    [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *equalities],
    cwd=HERE,
    env={key: value for key, value in os.environ.items() if key not in QUICK}
    | {AS_USERS_COMPILE: "1"},
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0 and " passed" in done.stdout, done.stdout[-3000:]
