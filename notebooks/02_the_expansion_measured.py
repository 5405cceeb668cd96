# %% [markdown]
# # The expansion, measured
#
# Domain Negotiation (DN) takes one pass over the domains, $\Theta \to \tilde\Theta$, and then a
# step towards where it ended. The paper's argument for it is a Taylor expansion of that pass
# (Eq. 18),
#
# $$-\frac{\tilde\Theta - \Theta}{\alpha} = \sum_i g_i - \alpha \sum_i \sum_{j<i} H_i g_j
#   + O(\alpha^2),$$
#
# where $g_i$ and $H_i$ are gradient and Hessian of domain $i$ at $\Theta$, and $j < i$ means that
# $j$ comes before $i$. Since the order is shuffled, the second term is on average along
#
# $$\text{InnerGrad} = \mathbb E (H_i g_j) = \tfrac12\, \mathbb E \Bigl( \frac{\partial}{\partial
#   \Theta} \langle g_i, g_j \rangle \Bigr) \qquad \text{(Eqs. 19-21)},$$
#
# so that a pass should raise the inner products of gradients. Here all of it is measured on an MLP,
# in double precision: where it holds, how exactly, and where it does not apply.

# %%
import itertools
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from common import COLORS, QUICK, say, table
from jax.flatten_util import ravel_pytree

from mamdr_jax import tree
from mamdr_jax.core import Hparams
from mamdr_jax.data import pack, synthetic
from mamdr_jax.descent import gather, minibatch
from mamdr_jax.methods import METHODS
from mamdr_jax.models import MODELS
from mamdr_jax.objective import objective
from mamdr_jax.theory import innergrad
from mamdr_jax.theory.conflict import cosines, domain_gradients, gram
from mamdr_jax.theory.probe import held

jax.config.update("jax_disable_most_optimizations", True)  # all of it is tiny
jax.config.update("jax_enable_x64", True)


def double(values):
  """Floats in double precision, integers as they are."""
  wide = lambda x: x.astype(float) if jnp.issubdtype(x.dtype, jnp.floating) else x
  return jax.tree.map(wide, values)


# %% [markdown]
# ## Four domains and two networks
#
# Synthetic domains that take two sides (`conflict` 0.7), 20 minibatches of 64 rows each, with
# given features of users and items. The domain itself is no feature: there is one function for
# all, and they have to share it. The one network is the library's MLP, whose ReLUs have a kink; the
# other has $\tanh$ in their place, and so all the derivatives that a Taylor expansion asks for.
# Both are trained jointly for a while first, as fresh networks have little to disagree about.

# %%
dataset = synthetic.load(sizes=(2200,) * 4, feature_size=8, conflict=0.7, seed=1)
data = double(pack(dataset, "train", 64))
EVERY = gather(data, jnp.arange(data.batch.domain.size))  # all minibatches, 21 a domain
BATCHES, KEY = held(data), jax.random.key(0)  # the first of every domain
MODEL = MODELS["mlp"]({"domain": 4}, 8, hidden=(16, 8), dropout=0.0, domain_feature=False)
MLP = objective(MODEL)
START, unravel = ravel_pytree(double(MLP.init(jax.random.key(2), minibatch(data, 0))))


def relu_loss(theta, key, batch):
  """The library's loss of its MLP, the parameters as one vector."""
  return MLP.loss(unravel(theta), key, batch)


def tanh_loss(theta, key, batch):
  """The same with tanh for ReLU."""
  net, x = unravel(theta)["net"], jnp.concatenate([batch.dense["user"], batch.dense["item"]], -1)
  for name in ("Dense_0", "Dense_1"):
    layer = net["Hidden_0"][name]
    x = jnp.tanh(x @ layer["kernel"] + layer["bias"])
  logits = (x @ net["Logit_0"]["Dense_0"]["kernel"])[:, 0]
  losses = optax.sigmoid_binary_cross_entropy(logits, batch.label)
  return (batch.weight * losses).sum() / batch.weight.sum()


LOSSES = {"tanh": tanh_loss, "ReLU": relu_loss}


@jax.jit
def trained():
  """Each network after 8 epochs of joint training with Adam."""

  def train(loss):
    method = METHODS["joint"](loss=loss, inner=optax.adam, sparse=False)
    epoch = lambda state, key: (method.epoch(key, state, data, Hparams(0.01, 0.0, 0.0))[0], None)
    return jax.lax.scan(
      epoch, method.init(jax.random.key(0), START, data), jax.random.split(KEY, 8)
    )[0].params

  return {name: train(loss) for name, loss in LOSSES.items()}


PARAMS = trained()
AT = {name: (LOSSES[name], PARAMS[name], KEY, BATCHES) for name in LOSSES}
rows, upper = [], np.triu_indices(4, 1)
for name in LOSSES:
  products = gram(domain_gradients(*AT[name]))
  share = f"{(np.asarray(products)[upper] < 0).sum()} of 6"
  rows.append([name, str(START.size), share, f"{np.asarray(cosines(products))[upper].mean():.2f}"])
table(["network", "parameters", "pairs in conflict", "mean cosine"], rows)

# %% [markdown]
# ## Eq. 18: what the expansion leaves out falls with $\alpha^2$
#
# One step per domain in a fixed order: the actual descent (`innergrad.dn_gradient`) against the
# expansion (`innergrad.dn_expansion`). On logarithmic axes $O(\alpha^2)$ is a line of slope 2.

# %%
RATES = 10.0 ** np.arange(-5, 1.01, 0.25)
ORDER = jnp.array([2, 0, 3, 1])


@jax.jit
def against_alpha():
  """Norms of the second-order part of a pass and of what Eq. 18 leaves out, over RATES."""

  def one(name, alpha):
    passed = innergrad.dn_gradient(*AT[name], ORDER, alpha)
    second = passed - domain_gradients(*AT[name]).sum(0)
    left = passed - innergrad.dn_expansion(*AT[name], ORDER, alpha)
    return jnp.linalg.norm(second), jnp.linalg.norm(left)

  return {name: jax.lax.map(lambda a, name=name: one(name, a), RATES) for name in LOSSES}


norms = jax.tree.map(np.asarray, against_alpha())
figure, axes = plt.subplots(1, 2, figsize=(10, 3.7), sharey=True)
slopes, breaks, small = {}, {}, RATES < 1.1e-3
for ax, (name, (second, left)) in zip(axes, norms.items(), strict=True):
  ax.loglog(RATES, second, "s-", ms=4, color="#0072b2", label=r"second-order part, $O(\alpha)$")
  ax.loglog(RATES, left, "o-", ms=4, color="#d55e00", label="left out by Eq. 18")
  ax.loglog(RATES, left[0] * (RATES / RATES[0]) ** 2, "k:", lw=1, label="slope 2")
  ax.set(title=f"{name} network", xlabel=r"$\alpha$", ylim=(left[0] / 3, 30))
  slopes[name] = np.polyfit(np.log(RATES[small]), np.log(left[small]), 1)[0]
  breaks[name] = RATES[np.argmax(left > 0.5 * second)]
axes[0].set_ylabel("norm")
axes[0].legend(loc="upper left")
plt.show()
assert abs(slopes["tanh"] - 2) < 0.05
say(rf"""Below $\alpha = 10^{{-3}}$ the slope is {slopes["tanh"]:.3f} with tanh and
{slopes["ReLU"]:.3f} with ReLU; what is left out first exceeds half of the second-order part at
$\alpha = {breaks["tanh"]:.2g}$ with tanh and at {breaks["ReLU"]:.2g} with ReLU.""")

# %% [markdown]
# A ReLU that changes sides within a pass changes gradients by a jump, of which no Hessian knows.
# The smaller $\alpha$, the fewer units do so, until none is left and the slope is 2; at the rates
# of training there are always some.
#
# ## Eq. 21: the mean over orders
#
# Of two domains each comes first in half of the orders, so that over all $4! = 24$ orders
#
# $$\mathbb E \sum_i \sum_{j<i} H_i g_j = \tfrac12 \sum_{i \neq j} H_i g_j
#   = \tfrac{n(n-1)}{2}\, \text{InnerGrad} .$$
#
# The factor $n (n - 1) / 2$ is not in the paper; it does not matter for the direction. The
# right-hand side of Eq. 21 is computed another way, by reverse mode through the mean of
# $\langle g_i, g_j \rangle$, without Hessian products.

# %%
ORDERS = jnp.array(list(itertools.permutations(range(4))))


@jax.jit
def over_orders(alpha):
  """Of the tanh network: second-order parts of expansion and pass, [24, P]; Σ gᵢ; Eq. 21."""
  first = domain_gradients(*AT["tanh"]).sum(0)
  both = lambda order: (
    innergrad.dn_expansion(*AT["tanh"], order, alpha) - first,
    innergrad.dn_gradient(*AT["tanh"], order, alpha) - first,
  )
  return *jax.lax.map(both, ORDERS), first, innergrad.half_gradient_of_products(*AT["tanh"])


rows, rises, cosines_of = [], {}, {}
for alpha in (1e-4, 1e-2, 1e-1):
  expanded, passed, first, half_slope = map(np.asarray, over_orders(alpha))
  expected = -6 * alpha * half_slope
  error = [
    np.linalg.norm(x.mean(0) - expected) / np.linalg.norm(expected) for x in (expanded, passed)
  ]
  assert error[0] < 1e-6
  cosines_of[alpha] = passed @ expected / np.linalg.norm(passed, axis=1) / np.linalg.norm(expected)
  rises[alpha] = -alpha * first @ half_slope * 2, -alpha * passed.mean(0) @ half_slope * 2
  span = f"{cosines_of[alpha].min():.2f} to {cosines_of[alpha].max():.2f}"
  rows.append([f"{alpha:g}", *(f"{x:.0e}" for x in error), span])
table([r"$\alpha$", "mean expansion", "mean pass", "cosine of single passes"], rows)
low, high = cosines_of[1e-2].min(), cosines_of[1e-2].max()
say(rf"""Relative errors against the right-hand side of Eq. 21: it holds to rounding for the mean of
the expansions, and up to $O(\alpha)$ for that of actual passes. But it is a statement about the
*mean*: single orders have cosines from {low:.2f} to {high:.2f} with it.""")

# %% [markdown]
# Nothing in this is about domains as blocks: the mean is the same for *every* way to shuffle in
# which of any two steps each comes first in half of the cases. Joint training, which shuffles all
# minibatches, has the same second-order term as a pass domain by domain.


# %%
@jax.jit
def both_ways(order):
  """The mean expansion over an order and its reverse; every minibatch is a term of its own."""
  args = tanh_loss, PARAMS["tanh"], KEY, EVERY
  return sum(innergrad.dn_expansion(*args, way, 0.01) for way in (order, order[::-1])) / 2


blocks = np.arange(84).reshape(4, 21)[:, :3].ravel()
by_domain, shuffled = both_ways(blocks), both_ways(np.random.default_rng(0).permutation(blocks))
gap = np.linalg.norm(by_domain - shuffled) / np.linalg.norm(by_domain)
assert gap < 1e-6
say(f"""Three minibatches of each domain, domain by domain or all shuffled, each with its reverse:
the mean expansions differ by {gap:.0e}, relatively.""")

# %% [markdown]
# And that is a direction. How much of a pass is it? The mean product $\bar p = \mathbb E\langle
# g_i, g_j\rangle$ changes along both parts of a pass: along $-\alpha\sum g_i$, which every gradient
# descent has, and along the rest, which is DN's.

# %%
table(
  [r"$\alpha$", r"change of $\bar p$ by $\sum g_i$", "by the rest", "ratio"],
  [[f"{a:g}", f"{x:+.1e}", f"{y:+.1e}", f"{y / abs(x):.4f}"] for a, (x, y) in rises.items()],
)
downhill, bonus = rises[1e-2]
say(rf"""At $\alpha = 0.01$ going downhill changes $\bar p$ by {downhill:+.1e} and DN's part by
{bonus:+.1e}, which is {abs(bonus / downhill):.1%} of that: the effect has the right sign, and a
weight proportional to $\alpha$.""")

# %% [markdown]
# ## Domain Regularization: a fixed order
#
# DR takes one step on a helper $j$ and then one on the target $i$, from $\theta_S + \theta_i$
# (Eq. 22):
#
# $$-\frac{\tilde\theta_i - \theta_i}{\alpha} = g_j + g_i - \alpha H_i g_j + O(\alpha^2) .$$
#
# The order is always the same. $H_i g_j$ is half of a gradient and half not,
#
# $$H_i g_j = \tfrac12 \underbrace{(H_i g_j + H_j g_i)}_{\nabla \langle g_i, g_j \rangle}
#   + \tfrac12 \underbrace{(H_i g_j - H_j g_i)}_{\text{the order's own}} ,$$
#
# and the second half vanishes only on average over a random order.

# %%
PAIRS = np.array(list(itertools.permutations(range(4), 2)))
RATES_DR = 10.0 ** np.arange(-5, 0.01, 0.5)
SPECIFIC = 0.05 * jax.random.normal(jax.random.key(5), START.shape)


@jax.jit
def regularized(pair):
  """Of a target and a helper: what Eq. 22 leaves out, the two halves of Hᵢgⱼ, and the losses."""
  i, j = pair
  args, theta = (tanh_loss, PARAMS["tanh"], SPECIFIC, KEY, BATCHES), PARAMS["tanh"] + SPECIFIC

  def left(alpha):
    both = (f(*args, (i, j), alpha) for f in (innergrad.dr_gradient, innergrad.dr_expansion))
    return jnp.linalg.norm(jnp.subtract(*both))

  def of(d):
    return lambda theta: tanh_loss(theta, KEY, tree.take(BATCHES, d))

  def product(pair):
    a, b = pair
    return innergrad.hessian_product(of(a), theta, jax.grad(of(b))(theta))

  def loss_after(order):
    return of(i)(theta - 0.1 * innergrad.dr_gradient(*args, tuple(order), 0.1))

  ways = jnp.array([[i, j], [j, i]])
  slope = jax.grad(lambda theta: jax.grad(of(i))(theta) @ jax.grad(of(j))(theta))(theta)
  return (
    jax.lax.map(left, RATES_DR),
    jax.lax.map(product, ways),
    slope,
    jax.lax.map(loss_after, ways),
  )


left, products, slope, losses = map(np.asarray, jax.lax.map(regularized, PAIRS))
even, odd = products.sum(1), products[:, 0] - products[:, 1]
ratio = np.linalg.norm(odd, axis=1) / np.linalg.norm(even, axis=1)
error = np.abs(even - slope).max() / np.abs(slope).max()
slopes_dr = np.polyfit(np.log(RATES_DR[:5]), np.log(left[:, :5]).T, 1)[0]
assert (np.abs(slopes_dr - 2) < 0.05).all() and error < 1e-6

figure, axes = plt.subplots(1, 3, figsize=(11.5, 3.5), width_ratios=(1.1, 0.9, 1.1))
axes[0].loglog(RATES_DR, left.T, color=COLORS["domain_regularization"], alpha=0.5, lw=1.2)
axes[0].loglog(RATES_DR, left[0, 0] * (RATES_DR / RATES_DR[0]) ** 2, "k:", label="slope 2")
axes[0].set(xlabel=r"$\alpha$", title="left out by Eq. 22, twelve pairs")
axes[0].legend()
matrix = np.full((4, 4), np.nan)
matrix[PAIRS[:, 0], PAIRS[:, 1]] = ratio
axes[1].imshow(matrix, cmap="Purples", vmin=0, vmax=1.3 * ratio.max())
for (i, j), value in zip(PAIRS, ratio, strict=True):
  axes[1].text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=9)
axes[1].set(xticks=range(4), yticks=range(4), xlabel="$j$", ylabel="$i$")
axes[1].set_title(r"$\|H_ig_j - H_jg_i\| \,/\, \|H_ig_j + H_jg_i\|$")
axes[1].grid(False)
later = losses[:, 0] - losses[:, 1]
good = later < 0
names = [f"{i}←{j}" for i, j in PAIRS]
axes[2].bar(names, later, color=np.where(good, COLORS["domain_regularization"], "#bbbbbb"))
axes[2].axhline(0, color="black", lw=0.8)
axes[2].tick_params(axis="x", rotation=90)
axes[2].ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
axes[2].set(title=r"target loss, $j \to i$ less $i \to j$, $\alpha = 0.1$", xlabel="target←helper")
plt.show()
say(rf"""What Eq. 22 leaves out has slopes from {slopes_dr.min():.3f} to {slopes_dr.max():.3f}; the
order's own half is {ratio.min():.0%} to {ratio.max():.0%} of the other, and a random order would
leave $\frac12\nabla\langle g_i, g_j\rangle$ alone (relative error {error:.0e}); taking the target
last rather than first leaves its loss lower in {good.sum()} of {good.size} pairs.""")

# %% [markdown]
# ## Where the derivation does not apply
#
# It has one step of SGD per domain. Real passes have
#
# - **many steps per domain.** Each is a term of its own. Pairs of steps within a domain add
#   $H_i g_i$, which is Reptile's bonus for agreement between minibatches of one domain; and
#   $\alpha$ times the number of steps has to be small, not $\alpha$.
# - **Adam.** Its step is no multiple of the gradient, so that Eq. 13 does not hold. We can still
#   take a pass apart into what it would be with all gradients taken at $\Theta$, and the rest.
# - **dropout.** Each step has masks of its own.
#
# What is left of the argument? We take the second-order part of passes, averaged over orders (three
# and their reverses, so that of any two domains each comes first in half of them), and its cosine
# with $-$InnerGrad of the losses of whole domains: 1 if the passes do what the argument says.

# %%
COUNTS = (1, 20) if QUICK else (1, 2, 5, 20)
RATES_SGD, RATE_ADAM = jnp.array([0.01, 0.1]), 1e-3
STRIDE = EVERY.domain.size // 4
GROUPED = jax.tree.map(lambda x: x.reshape(4, STRIDE, *x.shape[1:]), EVERY)
SOME = jnp.concatenate([ORDERS[jnp.array([2, 9, 16])], ORDERS[jnp.array([2, 9, 16]), ::-1]])


def unmoved(gradients, tx):
  """What the updates of `tx` add up to if it meets gradients [S, P] as they are."""
  step = lambda state, g: tx.update(g, state)[::-1]
  return jax.lax.scan(step, tx.init(gradients[0]), gradients)[1].sum(0)


@jax.jit(static_argnums=0)
def at_start(name):
  """The gradients of all minibatches [84, P], and InnerGrad of domains of each of COUNTS [4, P]."""

  def inner(count):
    def of_domain(theta, key, batch):
      losses = jax.vmap(LOSSES[name], (None, None, 0))(theta, key, tree.take(GROUPED, batch.domain))
      return jnp.where(jnp.arange(STRIDE) < count, losses, 0).sum() / count

    return innergrad.inner_grad(of_domain, PARAMS[name], KEY, BATCHES)

  each = domain_gradients(LOSSES[name], PARAMS[name], KEY, EVERY)
  return each, jax.lax.map(inner, jnp.array(COUNTS))


@jax.jit(static_argnums=0)
def degrade(name, each, orders):
  """Second-order parts over orders [6, S]: SGD and Eq. 18, by RATES_SGD [2, 6, P]; Adam [6, P]."""

  def sgd(alpha, order):
    args, first = (LOSSES[name], PARAMS[name], KEY, EVERY, order, alpha), each[order].sum(0)
    return innergrad.dn_gradient(*args) - first, innergrad.dn_expansion(*args) - first

  def adam(order):
    args = LOSSES[name], PARAMS[name], KEY, EVERY, order, RATE_ADAM, optax.adam
    return innergrad.dn_gradient(*args) + unmoved(each[order], optax.adam(RATE_ADAM)) / RATE_ADAM

  over = lambda alpha: jax.lax.map(lambda order: sgd(alpha, order), orders)
  return *jax.lax.map(over, RATES_SGD), jax.lax.map(adam, orders)


def cosine(second, inner):
  mean = second.mean(-2)
  return -mean @ inner / np.linalg.norm(mean, axis=-1) / np.linalg.norm(inner)


def measured(case):
  name, count = case
  orders = (SOME[:, :, None] * STRIDE + jnp.arange(count)).reshape(len(SOME), -1)
  return jax.tree.map(np.asarray, degrade(name, STARTS[name][0], orders))


cases = list(itertools.product(LOSSES, COUNTS))
with ThreadPoolExecutor(2) as pool:  # two programs side by side, on two cores
  STARTS = dict(zip(LOSSES, pool.map(at_start, LOSSES), strict=True))
  parts = list(pool.map(measured, cases))
found = {}  # (network, what) -> a number for each of COUNTS
for (name, count), (sgd, eq18, adam) in zip(cases, parts, strict=True):
  inner = np.asarray(STARTS[name][1][COUNTS.index(count)])
  left = (np.linalg.norm(sgd - eq18, axis=-1) / np.linalg.norm(sgd, axis=-1)).mean(-1)
  now = dict(zip(("SGD, 0.01", "SGD, 0.1"), cosine(sgd, inner), strict=True))
  now |= {"Adam, 0.001": cosine(adam, inner), "Eq. 18": cosine(eq18[0], inner)}
  now |= {"left 0.01": left[0], "left 0.1": left[1]}
  for what, value in now.items():
    found.setdefault((name, what), []).append(float(value))

# %%
figure, axes = plt.subplots(1, 2, figsize=(10.5, 3.9))
colors = {"SGD, 0.01": "#56b4e9", "SGD, 0.1": "#0072b2", "Adam, 0.001": "#d55e00"}
axes[0].plot(COUNTS, found["tanh", "Eq. 18"], "k:", label="tanh, Eq. 18 itself", zorder=3)
for name, style in (("tanh", "o-"), ("ReLU", "s--")):
  for label, color in colors.items():
    axes[0].plot(COUNTS, found[name, label], style, ms=5, color=color, label=f"{name}, {label}")
  for rate in ("0.01", "0.1"):
    color = colors[f"SGD, {rate}"]
    axes[1].loglog(
      COUNTS, found[name, f"left {rate}"], style, ms=5, color=color, label=f"{name}, {rate}"
    )
axes[0].set(xscale="log", ylim=(-0.55, 1.05), yticks=np.arange(0, 1.1, 0.25))
axes[0].set_title("cosine of the mean second-order part with $-$InnerGrad")
axes[0].legend(fontsize=8, ncols=2, loc="lower left")
axes[1].axhline(1, color="black", lw=0.8)
axes[1].set(title="SGD: left out by Eq. 18 / second-order part")
axes[1].legend(fontsize=8)
for ax in axes:
  ax.set_xlabel("steps per domain")
  ax.set_xticks(COUNTS, COUNTS)
  ax.minorticks_off()
plt.show()
span = lambda name, label: f"{found[name, label][0]:.2f} to {found[name, label][-1]:.2f}"
say(f"""From 1 to 20 steps per domain the cosine goes from {span("tanh", "SGD, 0.01")} with tanh and
SGD at 0.01, from {span("tanh", "SGD, 0.1")} at 0.1 and from {span("tanh", "Adam, 0.001")} under
Adam, and with ReLU from {span("ReLU", "SGD, 0.01")}, {span("ReLU", "SGD, 0.1")} and
{span("ReLU", "Adam, 0.001")}; with 20 steps at 0.1, Eq. 18 leaves out
{found["tanh", "left 0.1"][-1]:.1f} (tanh) and {found["ReLU", "left 0.1"][-1]:.1f} (ReLU) times the
second-order part.""")

# %% [markdown]
# The dotted line is Eq. 18 with each step as a term: what it loses is due to the pairs of steps
# within a domain. And dropout, with masks that every step draws anew?


# %%
def dropped_loss(theta, key, batch):
  """The tanh loss with half of the given features left out, others for every minibatch."""
  kept = jax.random.bernoulli(jax.random.fold_in(key, batch.domain), 0.5, (64, 16)) * 2.0
  dense = {"user": batch.dense["user"] * kept[:, :8], "item": batch.dense["item"] * kept[:, 8:]}
  return tanh_loss(theta, key, batch._replace(dense=dense))


def expected_loss(theta, key, batch):
  return jax.vmap(dropped_loss, (None, 0, None))(theta, jax.random.split(key, 64), batch).mean()


@jax.jit
def dropout(alpha=0.01):
  """InnerGrad of the expected loss, and second-order parts of draws of masks: [P], [60, P]."""

  def over(key):
    first = domain_gradients(dropped_loss, PARAMS["tanh"], key, BATCHES).sum(0)
    args = dropped_loss, PARAMS["tanh"], key, BATCHES
    return jax.lax.map(lambda o: innergrad.dn_gradient(*args, o, alpha) - first, SOME).mean(0)

  inner = innergrad.inner_grad(expected_loss, PARAMS["tanh"], jax.random.key(1), BATCHES)
  return inner, jax.lax.map(over, jax.random.split(jax.random.key(2), 60))


inner, drawn = map(np.asarray, dropout())
one_draw, all_draws = np.mean([cosine(one[None], inner) for one in drawn]), cosine(drawn, inner)
say(f"""With half of the inputs dropped the cosine with $-$InnerGrad of the expected loss is
{one_draw:.2f} for one draw of the masks and {all_draws:.2f} for the mean of {len(drawn)}: masks are
independent from step to step, so that dropout is noise on $H_ig_j$ and no bias.""")

# %%
tanh, relu = found["tanh", "SGD, 0.01"], found["ReLU", "SGD, 0.01"]
adam = [found[name, "Adam, 0.001"] for name in LOSSES]
say(rf"""## What there is to learn

- Eqs. 18, 21 and 22 are right, up to a factor $n(n-1)/2$ that the paper leaves out; on a smooth
  network what they leave out falls with $\alpha^2$.
- Eq. 21 is about the mean over orders. A single pass has a cosine from {low:.2f} to {high:.2f} with
  it, as what an order has of its own is as large as what all orders have in common.
- It is nothing that sets DN apart: passes of joint and of alternate training have the same mean
  second-order term.
- The effect is small where the expansion is good. At $\alpha = 0.01$ the second-order part makes up
  for {abs(bonus / downhill):.1%} of what going downhill does to the products.
- With a smooth network, the direction survives many steps per domain in good part
  ({tanh[-1]:.2f} at 20 steps); the expansion itself does not, as soon as $\alpha$ times their
  number is large.
- ReLU and Adam are outside the derivation from the first step on. With one step per domain a ReLU
  network has {relu[0]:.2f}, because gradients change by jumps rather than along their slope, and
  Adam {adam[0][0]:.2f} (tanh) and {adam[1][0]:.2f} (ReLU). There the argument gives a tendency at
  best, and what DN does has to be measured.""")
