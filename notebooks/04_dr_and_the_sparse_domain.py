# %% [markdown]
# # Domain Regularization and the sparse domain
#
# Domain Regularization (DR) gives domain $i$ parameters of its own, $\theta_S + \theta_i$, and lets
# $k$ other domains, its helpers, have a part in learning them: $\tilde\theta_i$ starts at
# $\theta_i$, descends over a helper $j$ and then over $i$ itself, and
#
# $$\theta_i \leftarrow \theta_i + \gamma\,(\tilde\theta_i - \theta_i) .$$
#
# The promise is to a domain with little data, which would overfit if it were fine-tuned alone. Here
# eight domains are drawn alike, and differ in how many training rows are left to them, from 12 to
# 1180. Does $\theta_i$ stay closer to 0 with helpers, is the gap between training and test smaller,
# and is the test AUC higher? And when does a helper hurt?

# %%
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from common import COLORS, QUICK, band, say, table

from mamdr_jax import tree
from mamdr_jax.core import Hparams
from mamdr_jax.data import pack, synthetic
from mamdr_jax.descent import descend, minibatch, reshuffle
from mamdr_jax.evaluate import score
from mamdr_jax.methods import METHODS
from mamdr_jax.metrics import domain_auc
from mamdr_jax.models import MODELS
from mamdr_jax.objective import objective
from mamdr_jax.schedule import follow, visit
from mamdr_jax.theory.conflict import cosines, domain_gradients, gram
from mamdr_jax.theory.probe import held

NUM_EPOCHS, NUM_SEEDS = (2, 2) if QUICK else (14, 8)

# %% [markdown]
# ## Data, model, methods
#
# Each domain is drawn with 2000 rows, 400 of them for validation and 400 for test, so that the AUC
# of a sparse domain is as exact as that of another; only the training rows are thinned out. Tastes
# take two sides (conflict 0.5), at random with regard to size, and every seed draws data of its
# own. The model is an MLP that does not see the domain, on given features of users and items.
#
# Inside is Adam at $\alpha = 0.003$, and $\theta_S$ is trained by alternating. A visit is at most 5
# minibatches of 64 rows, so that a visit to one of the three sparsest domains is a single step. *No
# helper* is DR with each domain as its own helper: it goes over its own data twice, where a helper
# would take the first half. Fine-tuning goes on from the best $\theta_S$, each domain until its own
# best epoch. All choose their rate ($\gamma$, or that of fine-tuning relative to $\alpha$) between
# 0.3 and 1 by validation AUC.

# %%
ROWS = (12, 30, 60, 120, 250, 400, 700, 1180)
D, VISIT, RATES = len(ROWS), 5, (0.3, 1.0)


def load(seed):
  """Training, validation and test split, the training rows thinned out."""
  dataset = synthetic.load(
    sizes=(2000,) * D, ctr=(0.4,) * D, conflict=0.5, feature_size=16, num_users=1500, num_items=500,
    seed=seed, split_seed=seed,
  )  # fmt: skip
  rng, keep = np.random.default_rng(seed), dataset.split > 0
  for domain, count in enumerate(ROWS):
    share = np.array([count - round(0.29 * count), round(0.29 * count)])  # of either label
    for label in range(2):
      here = (dataset.split == 0) & (dataset.domain == domain) & (dataset.label == label)
      keep[rng.choice(np.flatnonzero(here), share[label], replace=False)] = True
  rows = {name: getattr(dataset, name)[keep] for name in ("label", "domain", "split", "truth")}
  dataset = dataset._replace(ids={f: x[keep] for f, x in dataset.ids.items()}, **rows)
  return pack(dataset, "train", 64), pack(dataset, "valid", 410), pack(dataset, "test", 410)


TRAIN, VALID, TEST = jax.tree.map(lambda *x: jnp.stack(x), *map(load, range(NUM_SEEDS)))
MODEL = MODELS["mlp"]({"domain": D}, 16, hidden=(32, 16), dropout=0.0, domain_feature=False)
GOAL = objective(MODEL)
VARIANTS = {
  "no helper": {"k": 0, "help_self": True},
  "1 helper": {"k": 1},
  "3 helpers": {"k": 3},
  "5 helpers": {"k": 5},
}
# A run for each rate and seed.
RUNS = jax.tree.map(
  jnp.ravel, jnp.meshgrid(jnp.asarray(RATES), jnp.arange(NUM_SEEDS), indexing="ij")
)
KEYS = jax.random.split(jax.random.key(0), NUM_SEEDS)


def epochs(method, state, data, hparams, key, shared):
  """(served [D, ...], shared) at the start and after every epoch, stacked in front."""
  domains = jnp.arange(D)
  look = lambda s: (jax.vmap(lambda domain: method.params(s, domain))(domains), shared(s))

  def epoch(state, key):
    shuffle_key, method_key = jax.random.split(key)
    state, _ = method.epoch(method_key, state, reshuffle(shuffle_key, data), hparams)
    return state, look(state)

  later = jax.lax.scan(epoch, state, jax.random.split(key, NUM_EPOCHS))[1]
  return jax.tree.map(lambda x, xs: jnp.concatenate([x[None], xs]), look(state), later)


def regularized(name):
  """DR from scratch, over RUNS."""
  options = {"visit_steps": VISIT, "specific": ("net",)} | VARIANTS[name]
  method = METHODS["domain_regularization"](loss=GOAL.loss, inner=optax.adam, **options)

  def one(run):
    gamma, seed = run
    init_key, key, state_key = jax.random.split(KEYS[seed], 3)
    data = tree.take(TRAIN, seed)
    state = method.init(state_key, GOAL.init(init_key, minibatch(data, 0)), data)
    return epochs(method, state, data, Hparams(0.003, 1.0, gamma), key, lambda s: s.shared.params)

  return jax.jit(lambda: jax.lax.map(one, RUNS))()


def finetuned(starts):
  """Every domain by itself, over RUNS, from the shared parameters of each seed [seeds, ...]."""
  method = METHODS["separate"](loss=GOAL.loss, inner=optax.adam)

  def one(run):
    rate, seed = run
    start, data = tree.take(starts, seed), tree.take(TRAIN, seed)
    hparams = Hparams(0.003 * rate, 1.0, 1.0)
    return epochs(
      method,
      method.init(jax.random.key(0), start, data),
      data,
      hparams,
      KEYS[seed],
      lambda s: start,
    )

  return jax.jit(lambda: jax.lax.map(one, RUNS))()


@jax.jit
def measure(served, shared):
  """Over runs and epochs: AUC per domain on the three splits, and ‖θᵢ‖ / ‖θ_S‖: each [..., D]."""

  def one(run):
    served, shared, seed = run

    def at(now):
      served, shared = now
      predict = lambda batch: GOAL.predict(tree.take(served, batch.domain), batch)
      auc = lambda data: domain_auc(score(predict, data), data)
      far = lambda own: jnp.sqrt(tree.dot(tree.sub(own, shared), tree.sub(own, shared)))
      size = jnp.sqrt(tree.dot(shared, shared))
      splits = (tree.take(data, seed) for data in (TRAIN, VALID, TEST))
      aucs = dict(zip(("train", "valid", "test"), map(auc, splits), strict=True))
      return aucs | {"far": jax.vmap(far)(served) / size}

    return jax.lax.map(at, (served, shared))

  return jax.lax.map(one, (served, shared, RUNS[1]))


def measured(served, shared):
  """[rates, seeds, epochs, D]."""
  split = lambda x: np.asarray(x).reshape(len(RATES), NUM_SEEDS, NUM_EPOCHS + 1, D)
  return jax.tree.map(split, measure(served, shared))


with ThreadPoolExecutor(2) as pool:  # two variants side by side, on two cores
  TRAINED = dict(zip(VARIANTS, pool.map(regularized, VARIANTS), strict=True))
ALL = {name: measured(*trained) for name, trained in TRAINED.items()}

# Alternate training is DR's shared part, the same for every rate; fine-tuning starts from its best.
shared = jax.tree.map(lambda x: x[:NUM_SEEDS], TRAINED["no helper"][1])
tiled = jax.tree.map(lambda x: jnp.repeat(x[:, :, None], D, 2), shared)
thrice = lambda t: jax.tree.map(lambda x: jnp.tile(x, (len(RATES),) + (1,) * (x.ndim - 1)), t)
ALTERNATE = measured(thrice(tiled), thrice(shared))
BEST = ALTERNATE["valid"][0].mean(-1).argmax(-1)  # [seeds]
STARTS = jax.tree.map(lambda x: x[jnp.arange(NUM_SEEDS), BEST], shared)
TUNED = measured(*finetuned(STARTS))

# %% [markdown]
# ## Against the number of rows


# %%
def chosen(found, apart=False):
  """(rate, {what: [seeds, D]}) at the best rate, and at the best epoch of a run or of a domain."""
  auc = found["valid"] if apart else found["valid"].mean(-1, keepdims=True)
  rate = auc.max(2).mean((1, 2)).argmax()
  epoch = np.broadcast_to(auc[rate].argmax(1), (NUM_SEEDS, D))
  at = lambda x: np.take_along_axis(x[rate], epoch[:, None], 1)[:, 0]
  return RATES[rate], {what: at(x) for what, x in found.items()}


CHOSEN = {name: chosen(found) for name, found in ALL.items()}
CHOSEN["fine-tuning"] = chosen(TUNED, apart=True)
_, BASE = chosen(ALTERNATE)
STYLES = {
  "fine-tuning": {"color": COLORS["finetune"], "ls": "--"},
  "no helper": {"color": "#8c8c8c"},
  "1 helper": {"color": "#8fd3b6"},
  "3 helpers": {"color": COLORS["domain_regularization"]},
  "5 helpers": {"color": "#00543d"},
}
figure, axes = plt.subplots(1, 3, figsize=(12, 3.9))
for name, style in STYLES.items():
  _, now = CHOSEN[name]
  for ax, values in zip(
    axes, (now["far"], now["train"] - now["test"], now["test"] - BASE["test"]), strict=True
  ):
    band(ax, ROWS, values, label=name, marker="o", ms=4, error=True, **style)
band(
  axes[1], ROWS, BASE["train"] - BASE["test"], label="alternate", error=True, color="black", ls=":"
)
axes[2].axhline(0, color="black", ls=":")
axes[0].set(title=r"distance $\|\theta_i\| / \|\theta_S\|$", ylim=(0, None))
axes[1].set(title="AUC on training less test rows")
axes[2].set(title="test AUC above alternate training")
axes[1].legend(fontsize=8)
for ax in axes:
  ax.set(xscale="log", xlabel="training rows of the domain")
  ax.set_xticks(ROWS, ROWS, fontsize=8)
  ax.minorticks_off()
plt.show()


def number(values):
  """Mean and standard error over seeds."""
  return f"{values.mean():+.3f} ± {values.std(ddof=1) / np.sqrt(len(values)):.3f}"


def row(name):
  rate, now = CHOSEN[name]
  gain = now["test"] - BASE["test"]
  parts = gain[:, 0], gain[:, 1:4].mean(1), gain[:, 4:].mean(1), gain.mean(1)
  return [name, f"{rate:g}", *map(number, parts)]


table(
  ["test AUC above alternate", "rate", "12 rows", "30-120 rows", "250 rows and more", "all"],
  [row(name) for name in STYLES],
)
own, helped = CHOSEN["no helper"][1], CHOSEN["5 helpers"][1]
gap = lambda now: (now["train"] - now["test"])[:, :4].mean()
far = lambda now: now["far"][:, :4].mean()
sparse_gain = number(helped["test"][:, 0] - own["test"][:, 0])
rich_gain = number((helped["test"] - own["test"])[:, 4:].mean(1))
say(rf"""Bands and ± are standard errors over {NUM_SEEDS} draws of data. In the four sparsest
domains the gap is {gap(own):.2f} without helpers and {gap(helped):.2f} with five, the distance
{far(own):.2f} and {far(helped):.2f} of $\theta_S$; the test AUC with five less that without is
{sparse_gain} with 12 rows and {rich_gain} with 250 and more.""")

# %% [markdown]
# ## When does a helper hurt?
#
# One visit of DR, from the best $\theta_S$ and $\theta_i = 0$, for every target and every helper:
# over $j$, then over $i$, the end taken as it is ($\gamma = 1$). What does it do to the test AUC of
# the target, with another domain first, or with itself? And could we have known? The paper's own
# measure of conflict is how $g_i$ and $g_j$ stand to each other: here, by their cosine at
# $\theta_S$ on validation rows.

# %%
PAIRS = jnp.stack(jnp.meshgrid(*map(jnp.arange, (NUM_SEEDS, D, D)), indexing="ij"), -1)


@jax.jit
def visited():
  """Test AUC of the target after a visit, the mean of 4 draws: [seeds, targets, helpers]."""
  tx = optax.adam(0.003)

  def one(pair):
    seed, target, helper = pair
    theta, train, test = (tree.take(x, seed) for x in (STARTS, TRAIN, TEST))

    def draw(key):
      helper_key, target_key, descent_key = jax.random.split(key, 3)
      order, length = follow(
        visit(helper_key, train, helper, VISIT), visit(target_key, train, target, VISIT)
      )
      end, _, _ = descend(
        descent_key, theta, tx.init(theta), train, order, loss=GOAL.loss, tx=tx, length=length
      )
      return domain_auc(score(partial(GOAL.predict, end), test), test)[target]

    return jax.lax.map(draw, jax.random.split(jax.random.key(1), 4)).mean()

  return jax.lax.map(one, PAIRS.reshape(-1, 3)).reshape(PAIRS.shape[:3])


@jax.jit
def agreement():
  """Cosines of gradients at the start on validation rows: [seeds, D, D]."""

  def one(seed):
    theta, batches = tree.take(STARTS, seed), held(tree.take(VALID, seed))
    return cosines(gram(domain_gradients(GOAL.loss, theta, jax.random.key(0), batches)))

  return jax.lax.map(one, jnp.arange(NUM_SEEDS))


cosine, other = np.asarray(agreement()), ~np.eye(D, dtype=bool)
gain = np.asarray(visited()) - BASE["test"][:, :, None]  # over θ_S
itself = np.diagonal(gain, axis1=1, axis2=2)
above = gain - itself[:, :, None]

figure, axes = plt.subplots(1, 2, figsize=(11, 4))
x, y = cosine[:, other], above[:, other]
target = np.broadcast_to(np.arange(D)[:, None], (D, D))[other]
points = axes[0].scatter(
  x, y, c=np.broadcast_to(np.log10(ROWS)[target], x.shape), cmap="viridis_r", s=14, alpha=0.8
)
slope, offset = np.polyfit(x.ravel(), y.ravel(), 1)
ends = np.array([x.min(), x.max()])
axes[0].plot(ends, offset + slope * ends, color="black", lw=1)
axes[0].axhline(0, color="black", lw=0.8, ls=":")
axes[0].set(xlabel=r"cosine of $g_i$ and $g_j$", title="test AUC with a helper less with itself")
bar = figure.colorbar(points, ax=axes[0], ticks=np.log10(ROWS), pad=0.01)
bar.ax.set_yticklabels(ROWS, fontsize=8)
bar.ax.minorticks_off()
bar.set_label("training rows of the target", fontsize=8)


def by_size(which):
  """Mean gain over θ_S of the helpers that `which` holds, per target, and its standard error."""
  each = np.where(which & other, gain, np.nan)
  each = [column[~np.isnan(column)] for column in each.transpose(1, 0, 2).reshape(D, -1)]
  return np.array([c.mean() for c in each]), np.array([c.std() / np.sqrt(c.size) for c in each])


agrees, opposes = by_size(cosine > 0), by_size(cosine < 0)
self_error = itself.std(0, ddof=1) / np.sqrt(NUM_SEEDS)
for (mean, error), label, color in (
  ((itself.mean(0), self_error), "itself first", "#8c8c8c"),
  (agrees, "a helper of cosine > 0 first", COLORS["domain_regularization"]),
  (opposes, "a helper of cosine < 0 first", COLORS["domain_negotiation"]),
):
  axes[1].errorbar(ROWS, mean, error, marker="o", ms=4, color=color, label=label, capsize=2)
axes[1].axhline(0, color="black", lw=0.8, ls=":")
axes[1].set(xscale="log", xlabel="training rows of the target")
axes[1].set(title=r"test AUC after one visit above that of $\theta_S$")
axes[1].set_xticks(ROWS, ROWS, fontsize=8)
axes[1].minorticks_off()
axes[1].legend(fontsize=8, loc="upper left")
plt.show()
correlation = np.corrcoef(x.ravel(), y.ravel())[0, 1]
mean = agrees[0].mean(), opposes[0].mean(), itself.mean()
sparsest = agrees[0][0], opposes[0][0], itself[:, 0].mean()
say(rf"""The cosine of gradients and what a helper brings correlate by {correlation:.2f}. On average
over targets a visit adds {mean[0]:+.3f} to the test AUC of $\theta_S$ with a helper that agrees,
{mean[1]:+.3f} with one that conflicts and {mean[2]:+.3f} with the domain itself; in the sparsest
domain {sparsest[0]:+.3f}, {sparsest[1]:+.3f} and {sparsest[2]:+.3f}.""")

# %%
better = ", ".join(str(ROWS[d]) for d in range(D) if agrees[0][d] > itself.mean(0)[d])
over = {name: number((now["test"] - BASE["test"]).mean(1)) for name, (_, now) in CHOSEN.items()}
paid = (helped["test"] - own["test"]).mean(0)
assert QUICK or (
  gap(own) > gap(helped) and paid[4:].max() < 0 and correlation > 0.3 and mean[1] < 0
)
say(rf"""## What came out

- **Helpers regularise.** They narrow the gap between training and test AUC where rows are few, but
  not by keeping $\theta_i$ small.
- **That pays in the sparsest domain, if anywhere.** Five helpers against none have {sparse_gain} of
  test AUC with 12 rows, and {rich_gain} with 250 and more. Over all domains, DR without helpers has
  {over["no helper"]} over alternate training and plain fine-tuning {over["fine-tuning"]}, but one,
  three and five helpers {over["1 helper"]}, {over["3 helpers"]} and {over["5 helpers"]}.
- **A helper hurts where its gradient conflicts with that of the target**: a visit with such a
  helper has {mean[1]:+.3f} over $\theta_S$, one with a helper that agrees {mean[0]:+.3f}. And it
  hurts in comparison where the target has rows enough of its own: helpers that agree beat the
  domain itself with these numbers of rows only: {better or "none"}.
- **DR draws helpers at random**, and here about half of them are on the wrong side. The cosine of
  gradients would have told which.
- The network is small for its {2 * 16} features and hardly overfits; a larger one may have more use
  for helpers. And a variant with more helpers also visits the target more often: with one helper,
  a target goes half as often over its own rows as with *no helper*.""")
