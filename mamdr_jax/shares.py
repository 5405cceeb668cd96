"""The runs of one experiment over processes that share a workdir, and otherwise say nothing.

Each trains every W-th of them as an experiment of its own. The process that ends last puts all of
it together, as if one process had trained all.
"""

import sys
from pathlib import Path

import ml_collections

from mamdr_jax import assembly, experiment, files
from mamdr_jax.files import CONFIG, LOGS, RESULT
from mamdr_jax.workdir.journal import opened
from mamdr_jax.workdir.lock import locked
from mamdr_jax.workdir.shares import SHARES, folders, gather

PATIENCE = 600.0  # seconds that putting together may take


def run(
  config: ml_collections.ConfigDict, workdir: Path, share: tuple[int, int], **looking
) -> dict:
  """Trains a share of the runs of `config`, or finds them trained.

  Args:
    config: see `configure.make`.
    workdir: a folder, the same for all shares.
    share: (I, W): every W-th run from number I on; the others are left to other processes.
    looking: `watch` and `profile` of `experiment.run`.

  Returns:
    What `result.json` of the workdir holds; as long as others are at work, that of the share.

  Raises:
    ValueError: the share is empty, or the folder holds something else.
  """
  workdir, (first, step) = Path(workdir), share
  if (workdir / RESULT).exists():
    return experiment.run(config, workdir)
  if (workdir / CONFIG).exists() and not (workdir / SHARES).exists():
    raise ValueError(
      f"{workdir} holds what was begun without --share; go on without it, or choose another "
      "--workdir"
    )
  dataset, shares = assembly.read_data(config), folders(workdir, step)
  result = experiment.run(config, shares[first], dataset=dataset, share=share, **looking)
  with locked(workdir / SHARES, PATIENCE):
    if (workdir / RESULT).exists():
      return experiment.run(config, workdir, dataset=dataset)
    ended = sum((folder / RESULT).exists() for folder in shares)
    if ended < step:
      told = f"{ended} of {step} shares have ended; the last puts them together"
      print(f"{workdir}: {told}", file=sys.stderr)
      return result
    _, training = assembly.assemble(config, dataset)
    with opened(workdir, training.config, training.points, dataset):
      gather(workdir, shares)
    result = experiment.run(config, workdir, dataset=dataset)
    for folder in shares:
      if (folder / LOGS).exists():
        (workdir / LOGS).mkdir(exist_ok=True)
        (folder / LOGS).replace(workdir / LOGS / folder.name)
      files.remove(folder)
  return result
