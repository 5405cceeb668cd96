"""Shifts of what is kept for every domain, which lies with the worker who owns the domain.

θ_S is only read meanwhile: a worker fetches what the shift's minibatches read of it, and then says
nothing to others. Rounds, keys and minibatches are those of one process.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import jax
import numpy as np

from mamdr_jax import tree
from mamdr_jax.core import HERE, DomainBatches, Hparams, Key, Own, Tree
from mamdr_jax.data.batches import HostBatches, domains_of
from mamdr_jax.own import NOWHERE
from mamdr_jax.rounds import Stage, some
from mamdr_jax.schedule import Visit
from mamdr_jax.train import shifts
from mamdr_jax.train.at_rest import Kept, fields_of, together
from mamdr_jax.train.parts import ahead, slices, visited, without_rows
from mamdr_jax.train.shifts import ranges
from mamdr_jax.workers import hand
from mamdr_jax.workers.crew import Crew
from mamdr_jax.workers.exchange import fetch
from mamdr_jax.workers.team import Held, Team, tables_of


def keeping(team: Team, stage: Stage) -> Callable:
  """(key, held, train, hparams, deal) -> (held, info) after the rounds of a stage."""
  crew, setup = team.crew, team.setup
  plan_of, take, sizes = jax.jit(stage.plan), kept_rounds(crew, stage), hand.Sizes(crew)

  def trained(key: Key, held: Held, train: HostBatches, hparams: Hparams, deal):
    planned = plan_of(key, without_rows(train))
    keyed = tuple(hand.is_key(x) for x in jax.tree.leaves(planned))
    entries, light = hand.raw(planned), setup.method.served(held.light)
    mine = [np.flatnonzero(np.isin(entries.domain, domains)) for domains in team.here]
    works = []
    for domains, kept, which in zip(team.here, held.kept, mine, strict=True):
      of = jax.tree.map(lambda x, which=which: x[which], entries)
      place = np.searchsorted(domains, of.domain)
      works.append(Work(of.visits, of, place, {(): kept[()]}))
    moved = [shifts.fresh(work.kept, work.place, setup.rest) for work in works]
    whole = bool((entries.visits.length == entries.visits.count).all())
    told = {}
    for made, arrays in in_shifts(team, sizes, train, works, light, deal, whole):
      fields, heard = crew.local(take(light, arrays, hparams, keyed))
      for w, one in enumerate(made):
        of_worker = jax.tree.map(lambda x, w=w: x[w], fields)
        shifts.write(moved[w][()], of_worker, one.domains)
        first, last = one.bounds
        for name, x in heard.items():
          told.setdefault(name, np.zeros(len(entries.domain), np.float32))
          told[name][mine[w][first:last]] = x[w, : last - first]
    every = crew.gathered(told)
    told = {name: sum(each[name] for each in every) for name in told}
    kept = [kept | new for kept, new in zip(held.kept, moved, strict=True)]
    return held._replace(kept=kept), stage.info(told)

  return trained


def kept_rounds(crew: Crew, stage: Stage) -> Callable:
  """(light, arrays, hparams, keyed) -> (what is kept of the domains at work, what rounds told)."""

  def of_worker(state, arrays, hparams, keyed):
    state = together(state, levels_of(arrays["kept"]))
    carry = stage.begin(state, hparams)
    part = stage.prepare(carry, arrays["part"])
    leaves, structure = jax.tree.flatten(arrays["entries"])
    wrapped = (jax.random.wrap_key_data(x) if k else x for x, k in zip(leaves, keyed, strict=True))
    entries = jax.tree.unflatten(structure, wrapped)
    entry, most = lambda i: tree.take(entries, i), leaves[0].shape[0]
    carry, told = some(stage, carry, part, entry, arrays["length"], most, hparams)
    state = stage.state_of(carry)
    return {name: getattr(state, name) for name in fields_of(arrays["kept"][""])}, told

  def run(light, arrays, hparams, keyed):
    f = lambda *args: of_worker(*args, keyed)
    return crew.each(f)(fetch(crew, light, arrays["routes"]), arrays, crew.wide(hparams))

  return jax.jit(run, static_argnums=3)


class Work(NamedTuple):
  """What a worker has to do, round after round, for its domains."""

  visits: Visit  # [S] or [S, V]
  entries: Tree  # what else rounds are told, NumPy: [S, ...]
  place: np.ndarray  # [S], for which of the worker's domains a round is; those of one together
  kept: Kept  # what is kept for the worker's domains


def in_shifts(
  team: Team,
  sizes: hand.Sizes,
  data: HostBatches,
  works: list[Work],
  light: Tree,
  deal: Callable | None = None,
  told_own: bool = False,
  most: int | None = None,
) -> Iterator[tuple[list["Shift"], dict]]:
  """The shifts of all workers at a time: those of the workers here, and the arrays of all.

  Args:
    team: the workers.
    sizes: of those arrays.
    data: the split that visits are of.
    works: of each worker here.
    light: what is shared, whose rows are read.
    deal: see `parts.dealing`.
    told_own: see `shift`.
    most: at most so many domains of a worker are at work; by default as many as `shifts` says.
  """
  crew, stream = team.crew, team.setup.stream
  cuts = [
    slices(work.visits, stream, work.place, most or shifts.most_domains(work.kept))
    for work in works
  ]
  here = [(len(of.bounds), of.size) for of in cuts]
  num, size = crew.most(np.max(here, 0)).tolist()
  tables, every = tables_of(light), domains_of(data)

  def make(number: int) -> list[Shift]:
    made = []
    for work, of in zip(works, cuts, strict=True):
      end = of.bounds[-1][1]
      bounds = of.bounds[number] if number < len(of.bounds) else (end, end)
      visits = Visit(*(x[slice(*bounds)] for x in work.visits))
      if deal and visits.start.size:
        deal(np.unique(every[visited(visits)]))
      rows = deal.data if deal else data
      made.append(shift(rows, work, visits, bounds, size, tables, every, told_own))
    return made

  for made in ahead(map(make, range(num))):
    crew.heed()
    room = sizes([needs_of(one, crew) for one in made])
    arrays = [filled(one, crew, room, data.count.size) for one in made]
    yield made, crew.put(hand.side_by_side(arrays))


class Shift(NamedTuple):
  """What a worker has to do for some of its domains."""

  part: DomainBatches  # as `cut`, ids numbers among `rows`
  entries: Tree  # NumPy: [n, ...]
  kept: Kept  # the worker's, all of it
  domains: np.ndarray  # which of its domains are at work
  rows: hand.Rows
  bounds: tuple[int, int]  # of its rounds


def shift(
  data: HostBatches,
  work: Work,
  visits: Visit,
  bounds: tuple[int, int],
  size: int,
  tables: Mapping,
  domain: np.ndarray,
  told_own: bool,
) -> Shift:
  """The rounds of a worker between `bounds`, which may be none, with `visits`.

  With `told_own` the part says which rows the visited domains have, all of whose data are visited.
  """
  ids = visited(visits) if visits.start.size else np.zeros(0, np.int32)
  domains = np.unique(work.place[slice(*bounds)])
  part = hand.minibatches(data, ids if ids.size else np.zeros(1, np.int32), size, domain)
  part.batch.weight[ids.size :] = 0
  rows = hand.rows_of(jax.tree.map(lambda x: x[: ids.size], part.batch), tables)
  for level in work.kept.values():
    for field, of in level["own"].items():
      if field in rows:
        rows[field] = np.union1d(rows[field], of.ids[ranges(of.first, domains)])
  own = own_of_all(data, np.unique(domain[ids]), rows) if told_own else {}
  part = part._replace(batch=hand.numbered(part.batch, rows), own=own)
  entries = jax.tree.map(lambda x: x[slice(*bounds)], work.entries)
  return Shift(part, entries, work.kept, domains, rows, bounds)


def own_of_all(data: HostBatches, domains: np.ndarray, rows: hand.Rows) -> dict[str, Own]:
  """`DomainBatches.own` of which only some domains have any rows, numbers among `rows`."""
  found = {}
  for field, of in data.own.items():
    if field not in rows:
      continue
    ids, first = np.asarray(of.ids), np.asarray(of.first)
    count = np.zeros(first.size - 1, np.int32)
    count[domains] = first[domains + 1] - first[domains]
    mine = ids[ranges(first, domains)]
    mine = mine if field == "domain" else hand.number(rows[field], mine)
    found[field] = Own(mine, np.concatenate([[0], np.cumsum(count)]).astype(np.int32))
  return found


def needs_of(shift: Shift, crew: Crew) -> dict[str, int]:
  """The sizes that a shift takes."""
  found = hand.needs(shift.rows, crew)
  found["rounds"] = shift.bounds[1] - shift.bounds[0]
  for field, of in shift.part.own.items():
    found[f"own {field}"] = of.ids.size
  for where, level in shift.kept.items():
    found[f"{where} domains"] = shift.domains.size
    for field, of in level["own"].items():
      if field != HERE:
        found[f"{where} {field}"] = ranges(of.first, shift.domains).size
  return found


def filled(shift: Shift, crew: Crew, sizes: Mapping[str, int], num_domains: int) -> dict:
  """The arrays of a shift, in these sizes."""
  rooms = {
    where: shifts.Room(
      sizes[f"{where} domains"],
      {field: sizes[f"{where} {field}"] for field in level["own"] if field != HERE},
    )
    for where, level in shift.kept.items()
  }
  at_work = shifts.cut(shift.kept, shift.domains, rooms)
  for level in at_work.values():
    for field, of in level["own"].items():
      if field in shift.rows and field not in (HERE, "domain"):
        here = of.ids != NOWHERE
        ids = np.where(here, hand.number(shift.rows[field], of.ids), NOWHERE)
        level["own"][field] = of._replace(ids=ids.astype(np.int32))
  own = {
    field: of._replace(ids=hand.longer(of.ids, sizes[f"own {field}"], NOWHERE))
    for field, of in shift.part.own.items()
  }
  return {
    "part": shift.part._replace(own=own),
    "entries": jax.tree.map(lambda x: hand.longer(x, sizes["rounds"], 0), shift.entries),
    "length": np.int32(shift.bounds[1] - shift.bounds[0]),
    "kept": {_name(where): level for where, level in at_work.items()},
    "routes": hand.routes(shift.rows, crew, sizes, num_domains),
  }


def _name(where: tuple[str, ...]) -> str:
  return "/".join(where)


def levels_of(kept: Mapping[str, Tree]) -> Kept:
  """What `filled` has under "kept", as `at_rest.together` takes it."""
  return {tuple(filter(None, name.split("/"))): level for name, level in kept.items()}
