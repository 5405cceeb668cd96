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

ALONE = (
  *(sys.executable, "launch.py", "--config=configs/synthetic.py:taobao10,mlp,mamdr"),
  *("--config.data.sizes=(120,90,60)", "--config.data.preset=", "--config.data.features=ids"),
  *("--config.data.num_users=30", "--config.data.num_items=20", "--config.batch_size=16"),
  *("--config.model.embedding_size=4", "--config.model.hidden=(4,)", "--config.method.k=1"),
  *("--config.method.visit_steps=1", "--config.method.round_steps=1", "--config.epochs=4"),
  *("--config.workers=2", "--config.stream=8", "--config.checkpoint_seconds=0"),
)
TWO = "--local=2"


def started(workdir, *flags):
  return subprocess.Popen(
    [*ALONE, *(flags or (TWO,)), f"--workdir={workdir}"],
    cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
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
def test_asked_to_stop_all_do_at_once_and_save(unbroken, tmp_path):
  workdir = tmp_path / "run"
  process = started(workdir)
  until(process, "epoch 1/")
  process.send_signal(signal.SIGTERM)
  status, said = ended(process)
  assert status == 0 and "asked to stop: saved as it was after epoch" in said
  status, said = ended(started(workdir))
  assert status == 0 and "going on" in said
  assert_same_states(workdir, unbroken)


@pytest.mark.slow
def test_one_process_goes_on_with_what_two_have_begun(unbroken, tmp_path):
  workdir = tmp_path / "run"
  process = started(workdir)
  until(process, "epoch 2/")
  os.kill(child_of(process), signal.SIGKILL)
  assert ended(process)[0] == processes.GONE
  status, said = ended(started(workdir, "--local=1"))
  assert status == 0 and "going on" in said
  of = lambda folder: files.read_json(folder / files.RESULT)["runs"][0]["test"]["mean_auc"]
  assert of(workdir) == pytest.approx(of(unbroken), abs=1e-3)


@pytest.mark.slow
def test_a_process_that_stands_still_is_named(tmp_path):
  process = started(tmp_path / "run", TWO, "--heartbeat=2", "--config.epochs=1000")
  until(process, "epoch 1/")
  os.kill(child_of(process), signal.SIGSTOP)
  status, said = ended(process)
  assert status == processes.GONE and "process 1 of 2 has stood still for 2 s" in said


@pytest.mark.slow
def test_of_processes_that_nobody_watches_each_watches_the_others(tmp_path):
  at, workdir = processes.address(), tmp_path / "run"
  of = lambda i: f"--distributed={at},{i},2"
  first, second = (
    started(workdir, of(i), "--heartbeat=3", "--config.epochs=1000") for i in range(2)
  )
  until(first, "epoch 1/")
  second.send_signal(signal.SIGSTOP)
  began = time.monotonic()
  status, said = ended(first)
  second.kill()
  second.communicate()
  assert status == processes.GONE and time.monotonic() - began < 9
  assert "process 1 of 2 has said nothing for 3 s; the same command goes on" in said
  assert "Check failed" not in said and "Traceback" not in said
