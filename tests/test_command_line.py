"""Commands as users type them: killed while they train, and told what nobody knows."""

import json
import signal
import subprocess
import sys

import pytest
from made_results import ROOT

from mamdr_jax import files


def launch(*arguments):
  command = [sys.executable, "launch.py", *arguments]
  return subprocess.Popen(
    command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
  )


SMALL = (
  "--config=configs/synthetic.py:taobao10,mlp,alternate",
  "--config.data.feature_size=8",
  "--config.model.embedding_size=8",
  "--config.model.hidden=(8,)",
)


def test_kill_between_epochs_leaves_readable_files(tmp_path):
  """SIGKILL after the second epoch line: config and metrics are whole."""
  process = launch(*SMALL, "--config.epochs=100000", f"--workdir={tmp_path}/run")
  seen = 0
  for line in process.stderr:
    seen += line.startswith("epoch")
    if seen == 2:
      break
  process.send_signal(signal.SIGKILL)
  process.communicate()
  assert json.loads((tmp_path / "run" / files.CONFIG).read_text())["config"]["epochs"] == 100000
  lines = [json.loads(x) for x in (tmp_path / "run" / files.METRICS).read_text().splitlines()]
  assert [line["epoch"] for line in lines][:2] == [1, 2]
  assert not (tmp_path / "run" / files.RESULT).exists()


@pytest.mark.parametrize(
  ("argument", "said"),
  [
    ("--config.alhpa=1", 'Did you mean "alpha"'),
    ("--config=configs/synthetic.py:taobao10,mlpp,mamdr", "did you mean 'mlp'"),
    ("--config=configs/synthetc.py", "configs/synthetc.py"),
    ("--config.alpha=much", "--config.alpha=much"),
    ("stray", "unexpected argument 'stray'"),
  ],
)
def test_bad_command_line_is_one_sentence(argument, said):
  process = launch(argument)
  _, err = process.communicate()
  assert process.returncode != 0
  assert err.startswith("error: ") and said in err
  assert len(err.splitlines()) == 1
