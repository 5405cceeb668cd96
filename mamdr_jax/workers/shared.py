"""Rounds of what all domains share: each worker looks from the same parameters, owners step."""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mamdr_jax import tree
from mamdr_jax.core import Batch, Hparams, Key
from mamdr_jax.data.batches import HostBatches, domains_of
from mamdr_jax.rounds import Share, Stage, weighed
from mamdr_jax.schedule import Visit
from mamdr_jax.train.at_rest import part_of, with_part
from mamdr_jax.train.parts import ahead
from mamdr_jax.workers import hand
from mamdr_jax.workers.crew import Crew
from mamdr_jax.workers.exchange import fetch, give_back, put_back, stepped
from mamdr_jax.workers.team import Held, Team, tables_of


def sharing(team: Team, stage: Stage) -> Callable:
  """(key, held, train, hparams, deal) -> (held, info) after the rounds of a stage.

  Raises:
    ValueError: the stage does not say how workers share it.
  """
  crew, share = team.crew, stage.share
  if share is None:
    raise ValueError("this method does not say how workers share its rounds; choose workers=0")
  plan_of, take, sizes = jax.jit(stage.plan), shared_rounds(crew, share), hand.Sizes(crew)

  def plan(key: Key, train: HostBatches, worker: int) -> tuple[Orders, bool]:
    """Of a worker; and whether a round has one minibatch, without an axis of several."""
    mine, numbers = hand.skeleton(train, team.domains[worker])
    planned = plan_of(key if crew.num == 1 else jax.random.fold_in(key, worker), mine)
    order, length = orders(jax.tree.map(np.asarray, planned.visits), share.whole)
    single = share.as_planned and planned.visits.start.ndim == 1
    key = hand.raw(share.key(planned.rest))[: len(length)]
    return Orders(numbers[order], length, key), single

  def trained(key: Key, held: Held, train: HostBatches, hparams: Hparams, deal):
    plans = [plan(key, train, worker) for worker in crew.here]
    sizes_here = [(len(of.length), of.order.shape[1]) for of, _ in plans]
    num, steps = crew.most(np.max(sizes_here, 0)).tolist()
    single = plans[0][1]
    at_once = min(num, max(1, team.setup.stream // steps))
    plans = [extended(of, -(-num // at_once) * at_once, steps) for of, _ in plans]
    tables, every = tables_of(held.light), domains_of(train)

    def cut(first: int) -> list[list[Round]]:
      made = []
      for of in plans:
        now = Orders(*(x[first : first + at_once] for x in of))
        if deal:
          deal(np.unique(every[now.order]))
        made.append(rounds(deal.data if deal else train, now, tables, every))
      return made

    light, heard = tree.copy(held.light), []
    starts = range(0, num, at_once)
    for first, made in zip(starts, ahead(map(cut, starts)), strict=True):
      crew.heed()
      room = sizes([hand.needs(one.rows, crew) for each in made for one in each])
      lay = lambda one, room=room: laid(one, crew, room, train.count.size)
      work = hand.side_by_side([hand.side_by_side([lay(one) for one in each]) for each in made])
      light, told = take(light, crew.put(work), min(at_once, num - first), hparams, single)
      heard.append(jax.tree.map(np.asarray, told))
    told = jax.tree.map(lambda *parts: np.concatenate(parts)[:num], *heard)
    return held._replace(light=light), weighed(told)

  return trained


def shared_rounds(crew: Crew, share: Share) -> Callable:
  """(light, work, how many rounds, hparams, single) -> (light, what rounds told), compiled."""

  def look(start, batch, length, key, hparams, single):
    if single:
      batch = tree.take(batch, 0)
    key = jax.random.wrap_key_data(key)
    gradient, along, loss = share.look(key, start["params"], start["along"], batch, length, hparams)
    passes = share.passes(batch.domain.size) if share.as_planned else length
    told = {"loss": loss * passes, "passes": jnp.float32(passes)}
    told = tree.where(length > 0, told, tree.zeros_like(told))
    return {"gradient": gradient, "along": along}, told

  def take(i, carried, work, hparams, single):
    light, told = carried
    now = crew.each(tree.take)(work, crew.wide(i))
    state = part_of(light, share.within)
    along = getattr(state, share.along) if share.along else ()
    start = fetch(crew, {"params": state.params, "along": along}, now["routes"])
    given, of_each = crew.each(functools.partial(look, single=single))(
      start, now["batch"], now["length"], now["key"], crew.wide(hparams)
    )
    rows, mean = give_back(crew, given, now["routes"], now["length"] > 0)
    tx = share.optimizer(hparams)
    moved = stepped(crew, state.params, getattr(state, share.state), mean["gradient"], rows, tx)
    fields = dict(zip(("params", share.state), moved, strict=True))
    if share.along:
      fields[share.along] = put_back(crew, along, mean["along"], rows)
    total = crew.total(of_each)
    new = {"loss": total["loss"] / total["passes"], "passes": total["passes"]}
    told = jax.tree.map(lambda x, new: x.at[i].set(new), told, new)
    return with_part(light, share.within, fields), told

  def run(light, work, num, hparams, single):
    room = jnp.zeros(work["length"].shape[1])
    step = lambda i, carried: take(i, carried, work, hparams, single)
    return jax.lax.fori_loop(0, num, step, (light, {"loss": room, "passes": room}))

  return jax.jit(run, static_argnums=4, donate_argnums=0)


def orders(visits: Visit, whole: bool) -> tuple[np.ndarray, np.ndarray]:
  """The minibatches of every round, [S, V], and how many of them it looks at, [S]."""
  if visits.start.ndim == 2:
    order, length = visits.start, np.full(len(visits.start), visits.start.shape[1], np.int32)
  else:
    length = visits.length
    step = np.arange(length.max())
    order = visits.start[:, None] + (visits.turn[:, None] + step) % visits.count[:, None]
  if whole:
    return order.reshape(1, -1), np.array([order.size], np.int32)
  return order.astype(np.int32), length.astype(np.int32)


class Orders(NamedTuple):
  """The rounds of a worker, in what all domains share."""

  order: np.ndarray  # [S, V] int32, minibatches
  length: np.ndarray  # [S] int32, how many of them a round looks at
  key: np.ndarray  # [S, ...], data of its key


def extended(plan: Orders, num_rounds: int, num_steps: int) -> Orders:
  """With rounds that look at nothing, and minibatches that are not looked at, up to so many."""
  short = (0, num_rounds - len(plan.length)), (0, num_steps - plan.order.shape[1])
  order = np.pad(plan.order, short, mode="edge")
  return Orders(
    order, hand.longer(plan.length, num_rounds, 0), hand.longer(plan.key, num_rounds, 0)
  )


class Round(NamedTuple):
  """What a worker has to do in one of them."""

  batch: Batch  # [V, ...], ids numbers among `rows`
  length: np.ndarray
  key: np.ndarray
  rows: hand.Rows


def rounds(data: HostBatches, plan: Orders, tables: Mapping, domain: np.ndarray) -> list[Round]:
  """Those of a plan."""
  ids = np.unique(plan.order).astype(np.int32)
  every = hand.minibatches(data, ids, ids.size, domain).batch
  found = []
  for order, length, key in zip(
    np.searchsorted(ids, plan.order), plan.length, plan.key, strict=True
  ):
    batch = jax.tree.map(lambda x, order=order: x[order], every)
    rows = hand.rows_of(jax.tree.map(lambda x, n=length: x[:n], batch), tables)
    found.append(Round(hand.numbered(batch, rows), length, key, rows))
  return found


def laid(one: Round, crew: Crew, sizes: Mapping[str, int], num_domains: int) -> dict:
  """The arrays of a round, in these sizes."""
  told = one._asdict() | {"routes": hand.routes(one.rows, crew, sizes, num_domains)}
  del told["rows"]
  return told
