# %% [markdown]
# # Two domains in the plane
#
# Two domains that want different parameters, and parameters that are two numbers: small enough to
# see where joint and alternate training, PCGrad, Reptile and Domain Negotiation (DN) go, and to
# write down why. The methods are the library's own; nothing is written anew here.
#
# The loss of domain $i$ is a quadratic around its own optimum $c_i$,
#
# $$L_i(\Theta) = \tfrac12 (\Theta - c_i)^\top A_i (\Theta - c_i), \qquad
# g_i = A_i (\Theta - c_i), \qquad H_i = A_i .$$

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from common import COLORS, NAMES, say, table

from mamdr_jax.core import Batch, DomainBatches, Hparams
from mamdr_jax.methods import METHODS
from mamdr_jax.theory.innergrad import dn_expansion, dn_gradient, half_gradient_of_products
from mamdr_jax.theory.probe import held

jax.config.update("jax_disable_most_optimizations", True)  # all of it is tiny
jax.config.update("jax_enable_x64", True)


def ellipse(degrees, steep, flat):
  """A matrix with these two curvatures, the steep one in that direction."""
  t = np.deg2rad(degrees)
  rotation = np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
  return rotation @ np.diag([steep, flat]) @ rotation.T


A = np.stack([ellipse(75, 4.0, 0.5), ellipse(10, 2.0, 0.3)])
C = np.array([[-1.0, -0.5], [1.0, 0.7]])
JOINT = np.linalg.solve(A.sum(0), (A @ C[..., None]).sum(0))[:, 0]  # where g₁ + g₂ = 0


def loss(params, key, batch):
  away = params["net"]["theta"] - jnp.asarray(C)[batch.domain]
  return away @ jnp.asarray(A)[batch.domain] @ away / 2


def domains(num_batches):
  """Both domains with so many minibatches each, all of which are the whole domain."""
  domain = jnp.repeat(jnp.arange(2, dtype=jnp.int32), num_batches)
  rows = jnp.ones((2 * num_batches, 1))
  start = jnp.array([0, num_batches])
  return DomainBatches(Batch({}, {}, rows, rows, domain), start, jnp.full(2, num_batches), {}, {})


def gradients(theta):
  """[..., 2] -> [..., 2, 2], a gradient per domain."""
  return np.einsum("ipq,...iq->...ip", A, theta[..., None, :] - C)


def losses(theta):
  """[..., 2] -> [..., 2], a loss per domain."""
  return ((theta[..., None, :] - C) * gradients(theta)).sum(-1) / 2


def product_and_cosine(theta):
  g = gradients(theta)
  product = (g[..., 0, :] * g[..., 1, :]).sum(-1)
  return product, product / np.linalg.norm(g, axis=-1).prod(-1)


# %% [markdown]
# ## The lie of the land
#
# Gradients conflict where $\langle g_1, g_2\rangle < 0$: a step that helps one domain harms the
# other. Along the *Pareto curve* they are exactly opposed, and no step helps both. The minimum of
# $L_1 + L_2$ is the point of that curve where they are also of equal length.

# %%
X, Y = np.meshgrid(np.linspace(-1.6, 2.0, 240), np.linspace(-1.3, 1.9, 220))
GRID = np.stack([X, Y], -1)
share = np.linspace(0, 1, 200)[:, None]
mixed = (1 - share[..., None]) * A[0] + share[..., None] * A[1]
right = (1 - share) * (A[0] @ C[0]) + share * (A[1] @ C[1])
PARETO = np.linalg.solve(mixed, right[..., None])[..., 0]


def land(ax):
  """Contours of L₁ + L₂, the region of conflict, the two optima and the Pareto curve."""
  ax.contourf(X, Y, product_and_cosine(GRID)[0], [-1e9, 0], colors=["#fde0dd"], alpha=0.7)
  ax.contour(X, Y, losses(GRID).sum(-1), levels=12, colors="#bbbbbb", linewidths=0.6)
  ax.plot(*PARETO.T, color="black", lw=1.0, ls="--")
  for i, c in enumerate(C):
    ax.plot(*c, "k^", ms=7)
    ax.annotate(f"$c_{i + 1}$", c, (6, -12), textcoords="offset points")
  ax.plot(*JOINT, "k*", ms=11)
  ax.set(xlim=(X.min(), X.max()), ylim=(Y.min(), Y.max()), aspect="equal")
  ax.grid(False)


figure, axes = plt.subplots(1, 3, figsize=(11.5, 3.6))
for ax in axes:
  land(ax)
for i in range(2):
  axes[i].contour(X, Y, losses(GRID)[..., i], 9, colors=["#0072b2", "#009e73"][i], linewidths=1.0)
  axes[i].set_title(f"$L_{i + 1}$")
axes[2].plot([], [], "k--", lw=1, label="Pareto curve")
axes[2].plot([], [], "k*", ms=9, ls="", label="minimum of $L_1+L_2$")
axes[2].fill_between([], [], color="#fde0dd", label=r"$\langle g_1,g_2\rangle<0$")
axes[2].legend(loc="upper right", fontsize=8, frameon=True)
axes[2].set_title("$L_1 + L_2$")
plt.show()
conflict = (product_and_cosine(GRID)[0] < 0).mean()
say(f"""Gradients conflict on {conflict:.0%} of the picture, on both sides of the Pareto curve; at
the joint minimum (star) each has length {np.linalg.norm(gradients(JOINT)[0]):.2f}, and their cosine
is {product_and_cosine(JOINT)[1]:.0f}.""")

# %% [markdown]
# ## Where five methods go
#
# Every domain has three minibatches, so that an epoch takes six steps: joint training shuffles all
# six, alternate training takes three on one domain and then three on the other. DN descends like
# alternate training and then goes only the part $\beta$ of the way; Reptile does so after each
# domain; PCGrad takes three steps with one gradient of each domain, of which the conflicting parts
# are projected out. All start at the same two points, with $\alpha = 0.15$ and $\beta = 0.2$.

# %%
FIVE = ("joint", "alternate", "domain_negotiation", "reptile", "pcgrad")


def trajectories(name, num_batches, starts, alphas, betas, num_epochs):
  """The method's parameters after every epoch, for each start and rates: [n, epochs + 1, 2]."""
  outer = {"outer": optax.sgd} if name in ("domain_negotiation", "reptile") else {}
  method, data = METHODS[name](loss=loss, inner=optax.sgd, **outer), domains(num_batches)

  @jax.jit
  @jax.vmap
  def run(key, theta, alpha, beta):
    def epoch(state, key):
      state, _ = method.epoch(key, state, data, Hparams(alpha, beta, beta))
      return state, method.params(state, 0)["net"]["theta"]

    state = method.init(jax.random.key(0), {"tables": {}, "net": {"theta": theta}}, data)
    _, thetas = jax.lax.scan(epoch, state, jax.random.split(key, num_epochs))
    return jnp.concatenate([theta[None], thetas])

  keys = jax.random.split(jax.random.key(0), len(starts))
  rates = (jnp.broadcast_to(jnp.asarray(rate), len(starts)) for rate in (alphas, betas))
  return np.asarray(run(keys, jnp.asarray(starts), *rates))


starts = np.array([[-0.7, 1.6], [1.7, -0.9]])
paths = {name: trajectories(name, 3, starts, 0.15, 0.2, 400) for name in FIVE}

# %%
figure, axes = plt.subplots(2, 3, figsize=(11.5, 7.2))
for ax, name in zip(axes.flat, FIVE, strict=False):
  land(ax)
  for path in paths[name]:
    ax.plot(*path[:60].T, "-", color=COLORS[name], lw=1.1, marker="o", ms=2.5)
    ax.plot(*path[-100:].T, ".", color="black", ms=2.5, alpha=0.5)
    ax.plot(*path[0], "o", color=COLORS[name], ms=7, mfc="white", mew=1.5)
  ax.set_title(NAMES[name], color=COLORS[name], fontweight="bold")
ax = axes.flat[-1]
for name in FIVE:
  far = np.linalg.norm(paths[name] - JOINT, axis=-1).mean(0)
  ax.semilogy(far, color=COLORS[name], label=NAMES[name], lw=1.2)
ax.set(xlabel="epoch", title="distance to the joint minimum", xlim=(0, 100))
ax.legend(fontsize=8, ncols=2)
plt.show()

means = {name: path[:, -200:].mean(1) for name, path in paths.items()}
spread = {name: np.sqrt(path[:, -200:].var(1).sum(-1)).max() for name, path in paths.items()}
apart = {name: np.linalg.norm(mean[0] - mean[1]) for name, mean in means.items()}
table(
  ["method", "spread", "two starts apart", "mean to joint minimum", "$L_1$", "$L_2$", "sum"],
  [
    [NAMES[name], f"{spread[name]:.3f}", f"{apart[name]:.3f}"]
    + [f"{np.linalg.norm(means[name] - JOINT, axis=1).max():.3f}"]
    + [f"{x:.3f}" for x in (*losses(means[name][0]), losses(means[name][0]).sum())]
    for name in FIVE
  ],
)
narrower = spread["alternate"] / spread["domain_negotiation"]
gap = np.linalg.norm(means["domain_negotiation"] - means["alternate"], axis=1).max()
say(f"""Black dots are the last 100 epochs: alternate training ends up jumping, with a spread of
{spread["alternate"]:.2f}, as the domain that came last has the last word; DN settles {narrower:.1f}
times more narrowly around *nearly the same mean* ({gap:.3f} away); and PCGrad stops where it first
meets the Pareto curve, so that its two starts end {apart["pcgrad"]:.2f} apart.""")

# %% [markdown]
# ## What $\alpha$ does and what $\beta$ does
#
# After $m$ steps on domain $i$ the distance to its optimum has shrunk by
# $P_i = (I - \alpha A_i)^m$, so a pass in the order $1, 2$ is
#
# $$\tilde\Theta_{12} = c_2 + P_2\,\bigl(c_1 + P_1 (\Theta - c_1) - c_2\bigr),$$
#
# and the other order swaps the indices. Both are affine in $\Theta$, and the order is drawn anew
# every epoch, so that the mean over epochs obeys
#
# $$\bar\Theta \leftarrow \bar\Theta + \beta\,\bigl(\tfrac12 (\tilde\Theta_{12} +
# \tilde\Theta_{21}) - \bar\Theta\bigr) .$$
#
# Its rest point **does not depend on** $\beta$: in the mean, DN goes where alternate training
# ($\beta = 1$) goes. What $\beta$ sets is how far the order of the day throws $\Theta$ off, and how
# long it takes to get there.


# %%
def rest(alpha, num_batches, kind="domain_negotiation"):
  """Where the mean over orders of a pass moves nothing; for Reptile, as β → 0."""
  p1, p2 = (np.linalg.matrix_power(np.eye(2) - alpha * a, num_batches) for a in A)
  if kind == "reptile":
    q1, q2 = np.eye(2) - p1, np.eye(2) - p2
    return np.linalg.solve(q1 + q2, q1 @ C[0] + q2 @ C[1])
  shift = C[1] + p2 @ (C[0] - p1 @ C[0] - C[1]) + C[0] + p1 @ (C[1] - p2 @ C[1] - C[0])
  return np.linalg.solve(np.eye(2) - (p2 @ p1 + p1 @ p2) / 2, shift / 2)


alphas, betas = np.array([0.05, 0.15, 0.3]), np.array([1.0, 0.5, 0.2, 0.05])
grid = [rate.ravel() for rate in np.meshgrid(alphas, betas, indexing="ij")]
rests = np.stack([rest(alpha, 3) for alpha in alphas])
swept = trajectories("domain_negotiation", 3, rests.repeat(4, 0), *grid, 4000)[:, 200:]
swept = swept.reshape(3, 4, -1, 2)
means, spreads = swept.mean(2), np.sqrt(swept.var(2).sum(-1))

figure, axes = plt.subplots(1, 4, figsize=(12.5, 3.5), width_ratios=(1, 1, 1, 1.15))
shades = plt.cm.viridis(np.linspace(0, 0.9, 4))
for a, ax in enumerate(axes[:3]):
  for b, beta in enumerate(betas):
    ax.plot(*swept[a, b, ::10].T, ".", color=shades[b], ms=2, alpha=0.5)
    ax.plot(*means[a, b], "o", color=shades[b], mec="white", ms=8, label=rf"$\beta={beta}$")
  ax.plot(*PARETO.T, color="black", lw=1.0, ls="--")
  ax.plot(*JOINT, "k*", ms=11)
  ax.plot(*rests[a], "+", color="red", ms=13, mew=1.5, label="closed form", zorder=5)
  ax.set(title=rf"epochs and their mean, $\alpha = {alphas[a]}$", aspect="equal")
  ax.set(xlim=(0.0, 1.25), ylim=(-1.15, 0.2))
  ax.grid(False)
axes[0].legend(fontsize=8, loc="upper left")
for a, alpha in enumerate(alphas):
  axes[3].loglog(betas, spreads[a], "o-", color=plt.cm.autumn(0.3 * a), label=rf"$\alpha={alpha}$")
axes[3].loglog(betas, 0.07 * np.sqrt(betas), "k:", lw=1, label=r"$\propto \sqrt{\beta}$")
axes[3].set(xlabel=r"$\beta$", title="spread around the mean")
axes[3].legend(fontsize=8)
plt.show()
off = np.linalg.norm(means - rests[:, None], axis=-1).max()
away = ", ".join(f"{np.linalg.norm(end - JOINT):.3f}" for end in rests)
say(rf"""For every $\beta$ the mean (circles, one on the other) lies within {off:.3f} of the rest
point of the closed form, which $\alpha$ moves away from the joint minimum ({away}), while at
$\alpha = {alphas[1]}$ the spread falls from {spreads[1, 0]:.3f} at $\beta = {betas[0]}$ to
{spreads[1, 3]:.3f} at $\beta = {betas[3]}$.""")

# %% [markdown]
# ## What one step per domain minimises: Eq. 18
#
# With one step per domain, Eq. 18 of the paper reads
#
# $$-\frac{\tilde\Theta - \Theta}{\alpha} = g_1 + g_2 - \alpha H_2 g_1$$
#
# for the order $1, 2$. For two quadratics nothing is left out, and the mean over both orders is
#
# $$g_1 + g_2 - \frac{\alpha}{2} (H_2 g_1 + H_1 g_2)
#   = \nabla \Bigl[ L_1 + L_2 - \frac{\alpha}{2} \langle g_1, g_2 \rangle \Bigr] .$$
#
# So DN descends on a loss of its own: the joint one, with a bonus for gradients that agree. Its
# weight is $\alpha / 2$: a *rate* decides how much agreement counts.


# %%
@jax.jit
@jax.vmap
def theory(theta):
  """Of the library, both orders: the pass, its expansion, and the half gradient of products."""
  args = loss, {"net": {"theta": theta}}, jax.random.key(0), held(domains(1))
  orders = jnp.array([[0, 1], [1, 0]])
  passed, expanded = (
    jnp.stack([f(*args, order, 0.15)["net"]["theta"] for order in orders])
    for f in (dn_gradient, dn_expansion)
  )
  return passed, expanded, half_gradient_of_products(*args)["net"]["theta"]


thetas = np.random.default_rng(0).normal(size=(20, 2))
g = gradients(thetas)
closed = [g.sum(1) - 0.15 * g[:, j] @ A[i] for j, i in ((0, 1), (1, 0))]
closed = np.stack(closed, 1), np.stack(closed, 1), (g[:, 1] @ A[0] + g[:, 0] @ A[1]) / 2
whats = ("`dn_gradient`, an actual pass", "`dn_expansion`, Eq. 18", "`half_gradient_of_products`")
table(
  ["of `mamdr_jax.theory.innergrad`", "largest difference from the closed form at 20 points"],
  [
    [what, f"{np.abs(found - expected).max():.0e}"]
    for what, found, expected in zip(whats, theory(thetas), closed, strict=True)
  ],
)

# %%
alphas = np.array([0.02, 0.05, 0.1, 0.2, 0.3, 0.4])
found = trajectories("domain_negotiation", 1, np.tile(JOINT, (6, 1)), alphas, 0.1, 6000)
found = found[:, 1000:].mean(1)


def minimum(alpha):
  """Of L₁ + L₂ − α/2 ⟨g₁, g₂⟩."""
  right = A[0] @ C[0] + A[1] @ C[1] - alpha / 2 * (A[0] @ A[1] @ C[1] + A[1] @ A[0] @ C[0])
  return np.linalg.solve(A.sum(0) - alpha * (A[1] @ A[0] + A[0] @ A[1]) / 2, right)


minima = np.stack([minimum(alpha) for alpha in alphas])
(product, cosine), (product_0, cosine_0) = product_and_cosine(found), product_and_cosine(JOINT)
worse = losses(found).sum(-1) / losses(JOINT).sum() - 1

figure, axes = plt.subplots(1, 3, figsize=(11.5, 3.2))
style = {"marker": "o", "color": COLORS["domain_negotiation"]}
axes[0].plot(alphas, np.linalg.norm(minima - JOINT, axis=1), color="black", label="closed form")
axes[0].plot(alphas, np.linalg.norm(found - JOINT, axis=1), ls="", label="DN", **style)
axes[0].set(title="distance of DN's end from the joint minimum")
axes[0].legend()
axes[1].plot(alphas, product, **style)
axes[1].axhline(product_0, color="black", ls=":", label="at the joint minimum")
axes[1].set(title=r"$\langle g_1, g_2 \rangle$ where DN ends")
axes[1].legend()
axes[2].plot(alphas, 100 * worse, **style)
axes[2].set(title="$L_1 + L_2$ above its minimum, in %")
for ax in axes:
  ax.set_xlabel(r"$\alpha$")
plt.show()
gap = np.linalg.norm(found - minima, axis=1).max()
say(rf"""DN ends at the minimum of $L_1 + L_2 - \frac\alpha2\langle g_1, g_2\rangle$ (largest gap
{gap:.4f}, which is noise); at $\alpha = {alphas[-1]}$ that takes the product from {product_0:.2f}
to {product[-1]:.2f} at {worse[-1]:.1%} more joint loss, and the cosine from {cosine_0:.3f} to
{cosine[-1]:.3f}.""")

# %% [markdown]
# ## Many steps per domain
#
# In practice a domain has many minibatches, and a pass is no small perturbation. As $m$ grows,
# $P_i$ vanishes, a pass ends at the optimum of the domain that came last, and the mean over orders
# is the midpoint of $c_1$ and $c_2$: every domain counts alike, however steep it is. That is
# another objective than the sum of losses, and Eq. 18 with its one step per domain says nothing
# about it.

# %%
alpha, counts = 0.1, {"domain_negotiation": (1, 10, 100), "reptile": (10,)}
figure, ax = plt.subplots(figsize=(7.4, 4.8))
land(ax)
for name, chosen in counts.items():
  curve = np.stack([rest(alpha, m, name) for m in range(1, 300)])
  ax.plot(*curve.T, "-", color=COLORS[name], label=f"{NAMES[name]}, closed form")
  for m in chosen:
    end = trajectories(name, m, rest(alpha, m, name)[None], alpha, 0.05, 1500)[0].mean(0)
    ax.plot(*end, "o", color=COLORS[name], ms=8, mec="white", zorder=5)
    aside = (9, -3) if name == "domain_negotiation" else (-42, -3)
    ax.annotate(f"$m={m}$", end, aside, textcoords="offset points", color=COLORS[name])
ax.plot(*C.mean(0), "kD", ms=6, label="midpoint of $c_1$ and $c_2$")
ax.legend(loc="upper left", frameon=True, fontsize=9)
ax.set(title=rf"where the mean ends, $\alpha = {alpha}$", xlim=(-1.3, 1.6), ylim=(-1.1, 1.0))
plt.show()
far = [np.linalg.norm(rest(alpha, m) - C.mean(0)) for m in counts["domain_negotiation"]]
dearer = losses(C.mean(0)).sum() / losses(JOINT).sum()
say(f"""DN ends {far[0]:.2f} from the midpoint with one step per domain, {far[1]:.2f} with 10 and
{far[2]:.2f} with 100 (dots: the library), and the joint loss of the midpoint is {dearer:.2f} times
its minimum; Reptile goes the same way.""")

# %%
say(rf"""## What there is to learn

- Eq. 18 is right. With one step per domain, in the mean over orders, DN descends on
  $L_1 + L_2 - \frac\alpha2 \langle g_1, g_2 \rangle$.
- The bonus is a matter of $\alpha$ alone. At $\alpha = {alphas[1]}$ it moves the end by
  {np.linalg.norm(minima[1] - JOINT):.3f}, where the optima are {np.linalg.norm(C[0] - C[1]):.2f}
  apart.
- Alternate training has *the same* drift in the mean. What the outer loop adds here is no agreement
  between gradients; it averages out the order of the domains (at $\alpha = 0.15$, spread
  {spreads[1, 0]:.3f} against {spreads[1, 2]:.3f} at $\beta = {betas[2]}$). The paper says that
  alternate training cannot address conflict because the expansion only holds where a pass starts;
  but every pass of alternate training has a start, too.
- With many steps per domain the end is a compromise between *optima* rather than between losses,
  for DN as for Reptile.""")
