"""InnerGrad: why Domain Negotiation should raise ⟨gᵢ, gⱼ⟩ (Luo et al. 2023, §IV-C, Eqs. 9-22).

gᵢ and Hᵢ are gradient and Hessian of the loss of domain i at Θ, where a pass starts; the paper's
overlined gᵢ. After a loss come its own arguments, but that `batches` has leaves [D, ...], one
minibatch of every domain. The key is the same in every term and at every step of a pass: all of
them are of the same D functions Lᵢ(Θ), dropout or not. A product Hᵢ v costs about two gradients
more than gᵢ, and no Hessian is ever formed. Where tables are long, see `theory.conflict.narrow`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from mamdr_jax import tree
from mamdr_jax.core import Array, Batch, Key, Loss, Optimizer, Params, full_precision
from mamdr_jax.descent import descend
from mamdr_jax.theory.conflict import domain_gradients, gram, pair_mean

Pair = tuple[Array, Array]


@full_precision
def hessian_product(loss: Callable[[Params], Array], params: Params, v: Params) -> Params:
  """H v, the derivative of the gradient of `loss` along `v`."""
  return jax.jvp(jax.grad(loss), (params,), (v,))[1]


def sample_pairs(key: Key, num_domains: int, num_pairs: int) -> Pair:
  """Distinct ordered pairs (i, j), i ≠ j, drawn uniformly: each [num_pairs] int32.

  The cost is that of sorting so many, however many domains there are.

  Raises:
    ValueError: there are not so many pairs.
  """
  every = num_domains * (num_domains - 1)
  if num_pairs > every:
    raise ValueError(f"{num_domains} domains make {every} ordered pairs, fewer than {num_pairs}")
  if every <= 4 * num_pairs:
    drawn = jax.random.permutation(key, every)[:num_pairs]
    i, shift = jnp.divmod(drawn, num_domains - 1)
  else:
    i, shift = _drawn_apart(key, num_domains, num_pairs)
  return i, (i + 1 + shift) % num_domains


def _drawn_apart(key: Key, num_domains: int, num_pairs: int) -> Pair:
  """Distinct (i, shift), i < D and shift < D − 1: what repeats an earlier pair is drawn again.

  No pair is told from another, so that all sets of them are equally likely. `num_pairs` is below a
  quarter of all pairs, and so is what repeats, in the mean, of each draw.
  """

  def draw(key):
    keys = jax.random.split(key)
    of = lambda key, end: jax.random.randint(key, (num_pairs,), 0, end, jnp.int32)
    return of(keys[0], num_domains), of(keys[1], num_domains - 1)

  def repeats(i, shift):
    order = jnp.lexsort((shift, i))  # stable: the earlier one first
    same = (jnp.diff(i[order]) == 0) & (jnp.diff(shift[order]) == 0)
    return jnp.zeros(num_pairs, bool).at[order[1:]].set(same)

  def redraw(carry):
    key, pair, again = carry
    key, draw_key = jax.random.split(key)
    pair = tuple(jnp.where(again, new, old) for new, old in zip(draw(draw_key), pair, strict=True))
    return key, pair, repeats(*pair)

  blank = jnp.zeros(num_pairs, jnp.int32)
  start = key, (blank, blank), jnp.ones(num_pairs, bool)
  return jax.lax.while_loop(lambda carry: carry[2].any(), redraw, start)[1]


@full_precision
def inner_grad(
  loss: Loss, params: Params, key: Key, batches: Batch, pairs: Pair | None = None
) -> Params:
  """InnerGrad = E(Hᵢ gⱼ), i ≠ j (Eq. 19), shaped like `params`.

  It is the mean over all D (D − 1) ordered pairs, as Σᵢ Hᵢ (Σⱼ gⱼ − gᵢ) in D products; or over
  `pairs` (i, j), each [P] int32, in P products: unbiased if they come from `sample_pairs`.
  """
  of = lambda i: lambda params: loss(params, key, tree.take(batches, i))
  if pairs is None:
    num_domains = batches.domain.size
    total = jax.grad(lambda params: _sum(loss, params, key, batches))(params)
    entries, count = jnp.arange(num_domains), num_domains * (num_domains - 1)
    term = lambda i: hessian_product(of(i), params, tree.sub(total, jax.grad(of(i))(params)))
  else:
    entries, count = pairs, pairs[0].size
    term = lambda pair: hessian_product(of(pair[0]), params, jax.grad(of(pair[1]))(params))
  more = lambda products, entry: (tree.add(products, term(entry)), None)
  products, _ = jax.lax.scan(more, tree.zeros_like(params), entries)
  return tree.scale(products, 1 / count)


@full_precision
def half_gradient_of_products(loss: Loss, params: Params, key: Key, batches: Batch) -> Params:
  """½ ∂/∂Θ E⟨gᵢ, gⱼ⟩, i ≠ j: the right-hand side of Eq. 21, by reverse mode through gradients.

  Equal to `inner_grad` by another way, at D times its memory.
  """

  def half_mean(params):
    return 0.5 * pair_mean(gram(domain_gradients(loss, params, key, batches)))

  return jax.grad(half_mean)(params)


@full_precision
def dn_expansion(
  loss: Loss, params: Params, key: Key, batches: Batch, order: Array, alpha: Array
) -> Params:
  """Σᵢ gᵢ − α Σᵢ Σ_{j<i} Hᵢ gⱼ (Eq. 18): what `dn_gradient` is up to O(α²).

  Args:
    order: [S] int32, entries of `batches` as the pass meets them, j < i meaning j before i. Eq. 18
      has each domain once; where one comes again, each visit is a term of its own, and two visits
      to one domain are a pair like any other.
    alpha: [], inner learning rate, α.

  It takes one product per entry, as the gradients met so far are summed on the way.
  """

  def meet(carry, i):
    before, products = carry
    gradient = jax.grad(lambda params: loss(params, key, tree.take(batches, i)))
    g, product = jax.jvp(gradient, (params,), (before,))
    return (tree.add(before, g), tree.add(products, product)), None

  zero = tree.zeros_like(params)
  (first, second), _ = jax.lax.scan(meet, (zero, zero), order)
  return tree.sub(first, tree.scale(second, alpha))


@full_precision
def dn_expectation(loss: Loss, params: Params, key: Key, batches: Batch, alpha: Array) -> Params:
  """The mean of `dn_expansion` over all orders of the domains: Σᵢ gᵢ − α ½ Σ_{i≠j} Hᵢ gⱼ.

  In half of the orders j is before i, so the second term is D (D − 1) / 2 times InnerGrad, a
  factor that the paper leaves out. This is a gradient to descend on: Θ moves along +InnerGrad, up
  the slope of E⟨gᵢ, gⱼ⟩, which is how (−InnerGrad) "increases" the products in the paper. Its
  objective, Eq. 9, also holds the ‖gᵢ‖² of i = j; those a pass does not raise.
  """
  first = jax.grad(lambda params: _sum(loss, params, key, batches))(params)
  num_pairs = batches.domain.size * (batches.domain.size - 1) / 2
  inner = inner_grad(loss, params, key, batches)
  return tree.sub(first, tree.scale(inner, alpha * num_pairs))


@full_precision
def dn_gradient(
  loss: Loss,
  params: Params,
  key: Key,
  batches: Batch,
  order: Array,
  alpha: Array,
  inner: Optimizer = optax.sgd,
) -> Params:
  """−(Θ̃ − Θ) / α after an actual descent along `order`, by SGD as in the derivation or `inner`."""
  return _descended(loss, params, params, key, batches, order, alpha, inner)


@full_precision
def dr_expansion(
  loss: Loss, shared: Params, specific: Params, key: Key, batches: Batch, pair: Pair, alpha: Array
) -> Params:
  """gⱼ + gᵢ − α Hᵢ gⱼ (Eq. 22): what `dr_gradient` is up to O(α²).

  Args:
    shared, specific: θ_S and θᵢ, which may lack branches. Gradients are by θᵢ, at θ_S + θᵢ.
    pair: the target i and its helper j, each [] int32; one step on the helper comes first.
    alpha: [], inner learning rate, α.

  As the order is fixed, Hᵢ gⱼ is not averaged with Hⱼ gᵢ, and is in general no gradient (Eq. 21).
  """

  def shifted(specific, key, batch):
    return loss(tree.add(shared, specific), key, batch)

  return dn_expansion(shifted, specific, key, batches, jnp.stack(pair[::-1]), alpha)


@full_precision
def dr_gradient(
  loss: Loss,
  shared: Params,
  specific: Params,
  key: Key,
  batches: Batch,
  pair: Pair,
  alpha: Array,
  inner: Optimizer = optax.sgd,
) -> Params:
  """−(θ̃ᵢ − θᵢ) / α after an actual descent on helper and target; as for `dr_expansion`."""
  start, order = tree.add(shared, specific), jnp.stack(pair[::-1])
  return _descended(loss, start, specific, key, batches, order, alpha, inner)


def _sum(loss, params, key, batches):
  """Σᵢ Lᵢ(Θ): []."""
  return jax.vmap(loss, (None, None, 0))(params, key, batches).sum()


def _descended(loss, base, like, key, batches, order, alpha, inner):
  """−δ / α, δ descended along `order` from 0, its loss taken at base + δ; shaped like `like`.

  That is a difference of ends without its cancellation: in float32 Θ̃ − Θ, taken at the end, would
  have lost the O(α) that the expansions are about.
  """
  tx, start = inner(alpha), tree.zeros_like(like)
  moved, _, _ = descend(
    key, start, tx.init(start), batches, order,
    loss=lambda params, _, batch: loss(params, key, batch), tx=tx, base=base, sparse=False,
  )  # fmt: skip
  return tree.scale(moved, -1 / alpha)
