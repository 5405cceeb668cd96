"""Who looks on while runs are trained: TensorBoard, Weights & Biases, the profiler.

What they need is imported when they are asked for, and not before.
"""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import matplotlib.image
import numpy as np

from mamdr_jax.distribution import many
from mamdr_jax.files import LOGS
from mamdr_jax.train import Epoch

PACKAGES = {"tensorboard": "tensorboardX", "wandb": "wandb"}


class Watcher:
  """Hears of an experiment as it goes, and does nothing."""

  def epoch(self, run: int, number: int, figures: Mapping[str, float]) -> None:
    """What a run had after an epoch."""

  def ended(self, run: int, point: Mapping, figures: Mapping[str, float]) -> None:
    """A run with these rates and this seed has ended, its best state having these figures."""

  def passed(self, number: int) -> None:
    """An epoch of some runs is over."""

  def picture(self, path: Path) -> None:
    """A picture of the whole."""

  def close(self) -> None:
    """All is over, or was interrupted."""


class TensorBoard(Watcher):
  """Events in `logs/tensorboard/` of a workdir, a folder a run."""

  def __init__(self, workdir: Path):
    self._make, self._folder, self._writers = _package("tensorboard").SummaryWriter, workdir, {}

  def _of(self, name: str):
    if name not in self._writers:
      self._writers[name] = self._make(str(self._folder / LOGS / "tensorboard" / name))
    return self._writers[name]

  def epoch(self, run, number, figures):
    for name, value in figures.items():
      self._of(f"{run:04d}").add_scalar(name, value, number)

  def ended(self, run, point, figures):
    told = {f"best/{name}": value for name, value in figures.items()}
    self._of(f"{run:04d}").add_hparams(dict(point), told, name="best")

  def picture(self, path):
    image = matplotlib.image.imread(path)[..., :3]
    self._of("all").add_image(path.stem, image, dataformats="HWC")

  def close(self):
    for writer in self._writers.values():
      writer.close()


class WandB(Watcher):
  """Runs of a project of Weights & Biases, a group an experiment; what goes on is gone on with."""

  def __init__(self, workdir: Path, project: str, config: Mapping):
    self._wandb, self._workdir, self._project = _package("wandb"), workdir, project
    self._config, self._runs = config, {}

  def _of(self, run: int):
    if run not in self._runs:
      folder = self._workdir / LOGS
      folder.mkdir(parents=True, exist_ok=True)
      name = f"{self._workdir.name}-{run:04d}"
      self._runs[run] = self._wandb.init(
        project=self._project, group=self._workdir.name, name=name, id=name, dir=str(folder),
        config=dict(self._config), resume="allow", reinit="create_new",
      )  # fmt: skip
    return self._runs[run]

  def epoch(self, run, number, figures):
    self._of(run).log(dict(figures), step=number)

  def ended(self, run, point, figures):
    one = self._of(run)
    one.config.update(dict(point), allow_val_change=True)
    one.summary.update({f"best/{name}": value for name, value in figures.items()})

  def picture(self, path):
    for one in list(self._runs.values())[-1:]:
      one.log({path.stem: self._wandb.Image(str(path))})

  def close(self):
    for one in self._runs.values():
      one.finish()


class Trace(Watcher):
  """A trace of one epoch in `logs/profile/` of a workdir, which Perfetto opens."""

  def __init__(self, workdir: Path, number: int):
    self._folder, self._number, self._at_work = workdir / LOGS / "profile", number, False
    self.passed(0)

  def passed(self, number):
    if self._at_work:
      jax.profiler.stop_trace()
      self._at_work, self._number = False, -1
    if number == self._number - 1:
      self._folder.mkdir(parents=True, exist_ok=True)
      jax.profiler.start_trace(self._folder, create_perfetto_trace=True)
      self._at_work = True

  def close(self):
    if self._at_work:
      jax.profiler.stop_trace()
      self._at_work = False


class Watchers(Watcher):
  """All who look on, told of epochs as `fit` tells them."""

  def __init__(self, each: Sequence[Watcher], domains: Sequence[str]):
    self._each, self._domains = each, () if many(len(domains)) else tuple(domains)

  def told(self, epoch: Epoch) -> None:
    """What `fit` told of the runs of a group."""
    if not self._each:
      return
    info = epoch.info
    for i, run in enumerate(np.asarray(info["run"]).tolist()):
      figures = {name: float(info[name][i]) for name in ("loss", "passes")}
      figures |= figures_of(jax.tree.map(lambda x, i=i: np.asarray(x)[i], info["valid"]), "valid",
                            self._domains)  # fmt: skip
      for one in self._each:
        one.epoch(run, epoch.number, figures)
    for one in self._each:
      one.passed(epoch.number)

  def ended(self, run, point, figures):
    for one in self._each:
      one.ended(run, point, figures)

  def picture(self, path):
    for one in self._each:
      one.picture(path)

  def close(self):
    for one in self._each:
      one.close()


def watchers(
  told: str, profile: int, workdir: Path, config: Mapping, domains: Sequence[str]
) -> Watchers:
  """Those that are asked for: "tensorboard", "wandb" or "wandb:PROJECT", with a comma between.

  Raises:
    ValueError: there is no such, or its package is not installed.
  """
  each = []
  for name in filter(None, told.split(",")):
    kind, _, project = name.partition(":")
    if kind == "tensorboard" and not project:
      each.append(TensorBoard(workdir))
    elif kind == "wandb":
      each.append(WandB(workdir, project or "mamdr_jax", config))
    else:
      raise ValueError(f"--watch={told}: expected tensorboard, wandb or wandb:PROJECT")
  if profile:
    each.append(Trace(workdir, profile))
  return Watchers(each, domains)


def figures_of(figures: Mapping, split: str, domains: Sequence[str] = ()) -> dict[str, float]:
  """The means of a run, and the AUC of each of `domains`, by name."""
  found = {
    f"{split}/{name}": float(value)
    for name, value in figures.items()
    if not isinstance(value, Mapping | str) and np.ndim(value) == 0
  }
  auc = figures["auc"]
  values = auc.values() if isinstance(auc, Mapping) else np.asarray(auc).tolist()
  if domains:
    pairs = zip(domains, values, strict=True)
    found |= {f"{split}/auc/{name}": float(value) for name, value in pairs if value is not None}
  return found


def _package(name: str):
  try:
    return importlib.import_module(PACKAGES[name])
  except ImportError:
    raise ValueError(
      f"--watch={name} needs the package {PACKAGES[name]}: pip install {PACKAGES[name]}"
    ) from None
