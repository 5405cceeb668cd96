"""MLDG: a step on some domains is to lower the loss of the others as well."""

import jax
import optax

from mamdr_jax import rounds
from mamdr_jax.core import Loss, Method, Optimizer
from mamdr_jax.descent import narrowed
from mamdr_jax.methods.maml import MetaState, check_smooth, virtual_step
from mamdr_jax.schedule import check_domains, joint_steps
from mamdr_jax.view import one_for_all, params_alone


def mldg(
  *,
  loss: Loss,
  inner: Optimizer,
  outer: Optimizer = optax.sgd,
  num_test: int = 1,
  test_weight: float = 1.0,
  first_order: bool = True,
  domains_per_step: int | None = None,
  sparse: bool = True,
) -> Method:
  """Li et al. 2018, Alg. 1, for a minibatch of every domain, and `num_test` domains as meta-test:

    F(θ), G(θ) the mean losses of meta-train and meta-test domains, drawn anew for every step;
    θ ← θ − β ∇_θ (F(θ) + test_weight · G(θ − α ∇F(θ))).

  The paper calls β γ, and test_weight β. An epoch has ⌈T / D⌉ steps, small domains coming over
  again (see `rounds`). `passes` counts each gradient, D a step, and second order each product with
  a Hessian as one more, D − num_test a step. The info's `loss` is the mean over domains, those of
  the meta-test taken after the virtual step.

  Args:
    loss: what to descend on.
    inner: α -> the optimizer of the virtual step, always begun afresh.
    outer: β -> the optimizer of θ.
    num_test: how many domains are meta-test, of which there must be more.
    test_weight: how much their loss counts.
    first_order: take ∇_θ as if the virtual step were a constant shift. Exact second order needs
      an `inner` that can be differentiated, like sgd.
    domains_per_step: how many domains a step looks at, others in every step; by default all. Time
      and memory of a step grow with it.
    sparse: a step updates the table rows of its minibatches only.

  Raises:
    ValueError: no domain is left to train or to test on, or `inner` cannot be differentiated.
  """
  check_domains(domains_per_step)
  if num_test < 1:
    raise ValueError(f"num_test={num_test}; choose 1 or more")
  if not first_order:
    check_smooth(inner)

  def init(key, params, train):
    del key
    num_domains = min(train.start.size, domains_per_step or train.start.size)
    if num_test >= num_domains:
      raise ValueError(f"num_test={num_test} of {num_domains} domains leaves none to train on")
    return MetaState(params, outer(0.0).init(params))

  losses = jax.vmap(narrowed(loss, sparse), (None, 0, 0))

  def gradient(hparams):
    tx = inner(hparams.alpha)

    def of_step(key, params, batches):
      num_domains = batches.domain.size
      split_key, loss_key = jax.random.split(key)
      shuffled = jax.random.permutation(split_key, num_domains)
      keys = jax.random.split(loss_key, num_domains)[shuffled]
      batches = jax.tree.map(lambda x: x[shuffled], batches)
      test, train = (
        jax.tree.map(lambda x, part=part: x[part], (keys, batches))
        for part in (slice(num_test), slice(num_test, None))
      )
      mean = lambda params, part: losses(params, *part).mean()

      def objective(params):
        train_loss, grads = jax.value_and_grad(mean)(params, train)
        ahead, _ = virtual_step(params, tx.init(params), grads, tx, first_order)
        test_loss = mean(ahead, test)
        seen = (num_domains - num_test) * train_loss + num_test * test_loss
        return train_loss + test_weight * test_loss, seen / num_domains

      grads, seen = jax.grad(objective, has_aux=True)(params)
      return seen, grads

    return of_step

  stage = rounds.stepwise(
    lambda key, data: joint_steps(key, data, 1, domains_per_step)[:, 0],
    gradient, lambda hparams: outer(hparams.beta),
    sparse=sparse, state="outer", passes=lambda num: num + (0 if first_order else num - num_test),
  )  # fmt: skip
  return rounds.method(init, (stage,), one_for_all, served=params_alone, rates=("alpha", "beta"))
