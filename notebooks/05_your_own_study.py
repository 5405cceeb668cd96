# %% [markdown]
# # Your own study
#
# How to describe an experiment, sweep its rates, sweep anything else, read what comes out, and add
# a method, from Python. All of it is what `launch.py` and `python -m mamdr_jax.report` do from the
# command line; the data are small and synthetic, and so are the figures that come out.

# %%
import contextlib
import io
import tempfile
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import pandas as pd
from common import QUICK, say
from IPython.display import Image, display

from mamdr_jax import configure, experiment, methods, report, study, tree
from mamdr_jax.core import Method, Params, Tree
from mamdr_jax.descent import descend
from mamdr_jax.schedule import full_pass
from mamdr_jax.view import view

FOLDER = Path(tempfile.mkdtemp())
quiet = contextlib.redirect_stderr(io.StringIO())  # progress goes there; it would fill these pages
NUM_EPOCHS, SEEDS = (1, (0, 1)) if QUICK else (15, (0, 1, 2))

# %% [markdown]
# ## An experiment is a config
#
# `configure.make` names data, model and method; the keys of each section are the arguments of its
# constructor, so that there is no key without effect, and one that does not exist is an error.

# %%
config = configure.make("synthetic", "mlp", "mamdr")
config.data.update(sizes=(1500, 1000, 700, 400), feature_size=16, conflict=0.5)
config.model.update(embedding_size=16, hidden=(32, 16), domain_feature=False)
config.method.update(k=2, visit_steps=2, specific=("net",))
config.update(batch_size=128, alpha=3e-3, beta=0.5, gamma=0.3, epochs=NUM_EPOCHS, patience=5)
config.sweep.seed = SEEDS
try:
  config.alhpa = 0.1
except AttributeError as error:
  say(
    f"`config.alhpa = 0.1` says: *Did you mean{str(error).split('Did you mean')[-1].rstrip(chr(39))}*"
  )

# %%
with quiet:
  result = experiment.run(config, FOLDER / "first")
say(report.domain_table(result))

# %% [markdown]
# The folder holds all there is to know of it, and the best state, from which every domain can be
# served: for MAMDR $\theta_S + \theta_i$.

# %%
loaded, state = experiment.load(FOLDER / "first")
distance = [
  float(jnp.sqrt(sum((leaf[d] ** 2).sum() for leaf in jax.tree.leaves(state.specific))))
  for d in range(len(loaded.dataset.domains))
]
say("Files: " + ", ".join(f"`{path.name}`" for path in sorted((FOLDER / "first").iterdir())))
say("Lengths of θᵢ: " + ", ".join(f"{x:.2f}" for x in distance))

# %% [markdown]
# ## Sweep the rates
#
# Rates and seeds are traced, so that one program trains the whole grid: it is compiled once. Rates
# are chosen by validation AUC, its mean over seeds.

# %%
config.sweep.update(alpha=(3e-2, 1e-2, 3e-3, 1e-3), beta=(1.0, 0.5, 0.1), seed=SEEDS[:2])
dn = configure.vary(config, {"method.name": "domain_negotiation"})
with quiet:
  swept = experiment.run(dn, FOLDER / "rates")
say(report.setting_table(swept))

# %%
(grid,) = report.over_rates({"rates": swept})
report.grid_figure(grid, FOLDER / "rates.png")
display(Image(FOLDER / "rates.png"))
a, b = grid.best
say(rf"""Validation chooses $\alpha$ = {grid.alpha[a]:g} and $\beta$ = {grid.beta[b]:g}, with a test AUC
of {grid.mean[a, b]:.3f}; the best and worst cells are {grid.mean.max():.3f} and {grid.mean.min():.3f}.
What the best cell has more than the chosen one is what choosing on test data would have feigned.""")

# %% [markdown]
# ## Sweep anything else
#
# What changes a shape or a code path, here $k$, is swept by `sweep.over`: an experiment for each
# value, in a folder of its own. Run again, it finds them finished; interrupted, it goes on.

# %%
config.sweep.update(
  alpha=(), beta=(), seed=SEEDS, over=(("method.k", (1, 2) if QUICK else (1, 2, 3)),)
)
with quiet:
  results = study.run(config, FOLDER / "k")
(helpers,) = report.over_k(results)
report.helpers_figure(helpers, FOLDER / "k.png")
display(Image(FOLDER / "k.png"))

# %% [markdown]
# `runs.csv` is flat, a line a run, for any tool:

# %%
runs = pd.read_csv(FOLDER / "k" / "runs.csv")
display(runs[["experiment", "k", "seed", "best_epoch", "valid_mean_auc", "test_mean_auc"]].head())

# %% [markdown]
# ## Add a method
#
# A method is three pure functions. DN averages out the order of the domains (notebook 1). So does
# a running mean of the parameters, at the same cost and without slowing training down:
#
# $$\theta \leftarrow \text{a pass over all domains from } \theta, \qquad
#   \bar\theta \leftarrow \bar\theta + \beta\,(\theta - \bar\theta),$$
#
# where $\bar\theta$ is served. Is that as good as DN?


# %%
class RunningMean(NamedTuple):
  params: Params  # θ
  mean: Params  # its running mean, which is served
  inner: Tree  # state of the optimizer


def running_mean(*, loss, inner) -> Method:
  """Alternate training, of which a mean over epochs is served; β is the weight of the newest."""

  def init(key, params, train):
    return RunningMean(params, tree.copy(params), inner(0.0).init(params))

  def epoch(key, state, data, hparams):
    order_key, descent_key = jax.random.split(key)
    order = full_pass(order_key, data)
    params, opt_state, mean_loss = descend(
      descent_key, state.params, state.inner, data, order, loss=loss, tx=inner(hparams.alpha)
    )
    mean = jax.tree.map(lambda m, p: m + hparams.beta * (p - m), state.mean, params)
    info = {"loss": mean_loss, "passes": jnp.float32(order.size)}
    return RunningMean(params, mean, opt_state), info

  return Method(
    init, epoch, lambda state, domain, rows=None: view(state.mean, rows), rates=("alpha", "beta")
  )


methods.METHODS["running_mean"] = running_mean

# %% [markdown]
# That is all: configs, sweeps and reports know it now. We compare it with the others, each with
# three trials of its rates; $\alpha$ is 0.01 where it is not tried.

# %%
trials = {
  "alternate": {"sweep.alpha": (3e-3, 1e-2, 3e-2)},
  "running_mean": {"sweep.beta": (0.5, 0.2, 0.1)},
  "domain_negotiation": {"sweep.beta": (1.0, 0.5, 0.2)},
  "mamdr": {"sweep.gamma": (0.1, 0.3, 1.0)},
}
cases = {name: {"method.name": name, "sweep.over": ()} | tried for name, tried in trials.items()}
cases["mamdr"] |= {"method.k": 2, "method.visit_steps": 2, "method.specific": ("net",)}
compared = configure.vary(config, {"method.name": "alternate", "sweep.over": (), "alpha": 1e-2})
compared.cases = configure.cases(cases)
with quiet:
  results = study.run(compared, FOLDER / "methods")
say(report.method_table(results))

# %%
cells = {cell.method: cell for cell in report.cells_of(results)}
tests = {
  name: report.paired(cells["running_mean"], cells[name])
  for name in ("alternate", "domain_negotiation", "mamdr")
}
say("\n".join(f"- running mean − {name.replace('_', ' ')}: {test.difference:+.4f}, better in {test.domains_won} of "
              f"{test.domains} domains and in {test.replicates_won} of {test.replicates} seeds, p = {test.pvalue:.2g}"
              for name, test in tests.items()))  # fmt: skip

# %% [markdown]
# p takes both seeds and domains as drawn by chance; but this is one small set of data that was
# drawn from a formula, and one split of it: `split_seed` can be swept as well, with `sweep.over`,
# and is then a replicate in all tables. To find out for real: the same config with
# `configs/amazon.py`, more seeds, and the paper's studies in `configs/paper.py`. To keep a method,
# put it into `mamdr_jax/methods/` and into the dict there: the tests that hold for every method
# will then hold it to the contract.
