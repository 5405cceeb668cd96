"""The deltas of Domain Regularization: what they are, how they learn, what they serve."""

from typing import NamedTuple

import jax.numpy as jnp

from mamdr_jax import rounds, tree
from mamdr_jax.core import (
  Array,
  DomainBatches,
  Hparams,
  Key,
  Loss,
  Method,
  Optimizer,
  Own,
  Params,
  Tree,
)
from mamdr_jax.descent import descend, gather, pull
from mamdr_jax.excursion import excursion, spare
from mamdr_jax.own import entry as entry_of
from mamdr_jax.own import every_row, noise, places, spread
from mamdr_jax.rounds import Plan
from mamdr_jax.schedule import Visit, follow
from mamdr_jax.view import every_id, merge, touched, view


class MamdrState(NamedTuple):
  shared: Tree  # state of the method that trains the shared parameters θ_S
  specific: Params  # the deltas θᵢ of all domains, kept as `own` says; θ_S + θᵢ serves domain i
  inner: Tree  # state of the inner optimizer
  outer: Tree  # states of the outer optimizer, kept in the same way
  own: dict[str, Own]  # which rows of tables have a delta


class Deltas(NamedTuple):
  """What `domain_regularization` says of its arguments; `inner` is that of the deltas."""

  loss: Loss
  inner: Optimizer
  outer: Optimizer
  shared: Method
  specific: tuple[str, ...]
  visit_steps: int | None
  all_rows: bool
  scale: float
  carry: bool
  sparse: bool

  @property
  def bounded(self) -> bool:
    """Whether a visit is a view of what it reads; else it has room for whole tables."""
    return self.visit_steps is not None and self.sparse

  # What is kept: see `own.Kept`.

  def of_one(self, params: Params) -> Params:
    """A domain's deltas of all rows, 0."""
    return tree.zeros_like(tree.branches(params, self.specific))

  def rest(self, key: Key, params: Params, train: DomainBatches) -> MamdrState:
    delta = self.of_one(params)
    if not tree.size(delta):
      there = [name for name, branch in params.items() if tree.size(branch)]
      raise ValueError(
        f"specific={self.specific!r}: nothing would have a delta; the model has parameters in "
        f"{', '.join(map(repr, there))}"
      )
    inner_state = self.inner(0.0).init(delta) if self.carry else ()
    return MamdrState(self.shared.init(key, params, train), (), inner_state, (), ())

  def rows(self, state: MamdrState, train: DomainBatches) -> dict[str, Own]:
    tables = self.of_one(self.shared.params(state.shared, 0)).get("tables", {})
    return every_row(train.own, tables) if self.all_rows else train.own

  def begun(self, key: Key, state: MamdrState, own: dict[str, Own]) -> dict[str, Tree]:
    delta = self.of_one(self.shared.params(state.shared, 0))
    deltas = spread(delta, own)
    if self.scale:
      deltas = noise(key, deltas, own, self.scale)
    return {"specific": deltas, "outer": spread(self.outer(0.0).init(delta), own)}

  # How they learn: see `rounds.Stage`.

  def begin(self, state: MamdrState, hparams: Hparams) -> tuple[MamdrState, Tree]:
    """The state, and the inner optimizer's, or room for an excursion."""
    if self.bounded:
      return state, state.inner
    shape = tree.branches(self.shared.params(state.shared, 0), self.specific)
    room = spare(shape, self.inner(hparams.alpha))
    return state, room._replace(inner=state.inner) if self.carry else room

  def help_in_view(self, carried, data: DomainBatches, entry: Plan, hparams: Hparams):
    """A bounded visit: all of it works on the rows that its minibatches read."""
    state, inner_state = carried
    target, _, key = entry.rest
    tx, outer_tx = self.inner(hparams.alpha), self.outer(hparams.gamma)
    order, length = follow(*visits_of(entry))
    steps = jnp.arange(2 * self.visit_steps)
    read = gather(data, order(steps))
    rows, read = touched(self.shared.params(state.shared, target).get("tables", {}), read)
    at = entry_of(state.own, target)
    kept = places(state.own, at, rows)
    start = view(state.specific, kept, at)
    opt_state = view(inner_state, rows) if self.carry else tx.init(start)
    end, ended, mean_loss = descend(
      key, start, opt_state, read, steps,
      loss=self.loss, tx=tx, length=length, base=self.shared.params(state.shared, target, rows),
    )  # fmt: skip
    delta, pulled = pull(start, end, view(state.outer, kept, at), outer_tx)
    state = state._replace(
      specific=merge(state.specific, delta, kept, at), outer=merge(state.outer, pulled, kept, at)
    )
    inner_state = merge(inner_state, ended, rows) if self.carry else ()
    return (state, inner_state), {"loss": mean_loss, "passes": jnp.float32(length)}

  def help_in_room(self, carried, data: DomainBatches, entry: Plan, hparams: Hparams):
    """A visit of any length."""
    state, room = carried
    target, helper, key = entry.rest
    order, length = follow(*visits_of(entry))
    room, deltas, outer_state, mean_loss = excursion(
      key, room, state.specific, state.outer, data, order, length,
      own=state.own, target=entry_of(state.own, target), helper=helper, of_domains=True,
      loss=self.loss, tx=self.inner(hparams.alpha), outer_tx=self.outer(hparams.gamma),
      base=self.shared.params(state.shared, target), carry=self.carry, sparse=self.sparse,
    )  # fmt: skip
    state = state._replace(specific=deltas, outer=outer_state)
    return (state, room), {"loss": mean_loss, "passes": jnp.float32(length)}

  def end(self, carried, told: dict[str, Array], hparams: Hparams):
    """The state, and the mean loss over visits beside that of the shared parameters."""
    state, left = carried
    if self.carry:
      state = state._replace(inner=left if self.bounded else left.inner)
    return state, self.info(told)

  def info(self, told: dict[str, Array]) -> dict[str, Array]:
    told = rounds.info(told)
    return {"specific_loss": told["loss"], "passes": told["passes"]}

  def params(self, state: MamdrState, domain: Array, rows=None) -> Params:
    """`Method.params`: θ_S + θᵢ."""
    base = self.shared.params(state.shared, domain, rows)
    at = entry_of(state.own, domain)
    kept = places(state.own, at, every_id(base) if rows is None else rows)
    return tree.add(base, view(state.specific, kept, at))

  def served(self, state: MamdrState) -> MamdrState:
    """`Method.served`."""
    return state._replace(shared=self.shared.served(state.shared), inner=(), outer=())


def visits_of(entry: Plan) -> tuple[Visit, Visit]:
  """That of the helper, and that of the target."""
  return tree.take(entry.visits, 0), tree.take(entry.visits, 1)
