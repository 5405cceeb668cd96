"""Workers in several processes: killed, asked to stop, standing still."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import handmade
import pytest
from made_results import ROOT
from tiny_experiment import assert_same_states

from mamdr_jax import files, processes

COMMAND = (
  *(sys.executable, "launch.py", "--config=configs/synthetic.py:taobao10,mlp,mamdr"),
  *("--config.data.sizes=(120,90,60)", "--config.data.preset=", "--config.data.features=ids"),
  *("--config.data.num_users=30", "--config.data.num_items=20", "--config.batch_size=16"),
  *("--config.model.embedding_size=4", "--config.model.hidden=(4,)", "--config.method.k=1"),
  *("--config.method.visit_steps=1", "--config.method.round_steps=1", "--config.epochs=4"),
  *("--config.workers=2", "--config.stream=8", "--config.checkpoint_seconds=0", "--local=2"),
)


def started(workdir):
  return subprocess.Popen(
    [*COMMAND, f"--workdir={workdir}"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    text=True,
  )  # fmt: skip


def child_of(process):
  """The last process that it started."""
  path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
  return int(path.read_text().split()[-1])


def until(process, told):
  """Reads what a process says up to a line that begins so."""
  for line in process.stderr:
    if line.startswith(told):
      return
  raise AssertionError(f"it never said {told!r}")


def ended(process):
  out, err = process.communicate(timeout=120)
  return process.returncode, out + err


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
  """A workdir that two processes have trained in without a break."""
  workdir = tmp_path_factory.mktemp("workers") / "run"
  status, said = ended(started(workdir))
  assert status == 0, said
  assert (workdir / "logs/process-1.log").exists() and not (workdir / files.SHARDS).exists()
  return workdir


def test_a_killed_process_ends_all_and_the_same_command_goes_on(unbroken, tmp_path):
  workdir = tmp_path / "run"
  process = started(workdir)
  until(process, "epoch 2/")
  os.kill(child_of(process), signal.SIGKILL)
  began = time.monotonic()
  status, said = ended(process)
  assert status == processes.GONE and time.monotonic() - began < 5
  assert "process 1 of 2 was ended by SIGKILL; the same command goes on" in said
  assert "Traceback" not in said and "SIGABRT" not in said
  status, said = ended(started(workdir))
  assert status == 0 and "going on" in said
  assert handmade.timeless(files.read_json(workdir / files.RESULT)) == handmade.timeless(
    files.read_json(unbroken / files.RESULT)
  )
  assert_same_states(workdir, unbroken)


@pytest.mark.slow
def test_asked_to_stop_all_save_after_the_same_epoch(unbroken, tmp_path):
  workdir = tmp_path / "run"
  process = started(workdir)
  until(process, "epoch 1/")
  process.send_signal(signal.SIGTERM)
  status, said = ended(process)
  assert status == 0 and "asked to stop: saved after epoch" in said
  status, said = ended(started(workdir))
  assert status == 0 and "going on" in said
  assert_same_states(workdir, unbroken)


@pytest.mark.slow
def test_a_process_that_stands_still_is_named(tmp_path):
  process = subprocess.Popen(
    [*COMMAND, "--heartbeat=2", "--config.epochs=1000", f"--workdir={tmp_path}/run"],
    cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
  )  # fmt: skip
  until(process, "epoch 1/")
  os.kill(child_of(process), signal.SIGSTOP)
  status, said = ended(process)
  assert status == processes.GONE and "process 1 of 2 has stood still for 2 s" in said
