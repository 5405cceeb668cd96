"""What is kept for every domain: the rows that its data have, where they lie, and excursions."""

import handmade
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from compiled_once import compiled, trained

from mamdr_jax import own, tree
from mamdr_jax.view import every_id, view


def ids_of(data, field, domain):
  """The distinct ids of a domain's rows."""
  here = np.asarray(data.batch.domain) == domain
  return np.unique(np.asarray(data.batch.ids[field])[here])


def test_a_domain_has_the_rows_that_its_data_read(train):
  for field in ("user", "item"):
    of = train.own[field]
    for d in range(4):
      rows = of.ids[of.first[d] : of.first[d + 1]]
      np.testing.assert_array_equal(rows, ids_of(train, field, d))
  np.testing.assert_array_equal(train.own["domain"].ids, range(4))


def test_places_are_where_rows_lie_and_beyond_the_end_for_others(train):
  find = jax.jit(own.places)
  for d in range(4):
    every = {"user": jnp.arange(handmade.NUM_ROWS + 3), "domain": jnp.arange(4)}
    found = find(train.own, d, every)
    for field, place in found.items():
      of = train.own[field]
      has = np.asarray(of.ids)[int(of.first[d]) : int(of.first[d + 1])]
      wanted = [int(of.first[d]) + list(has).index(i) if i in has else of.ids.size
                for i in every[field].tolist()]  # fmt: skip
      np.testing.assert_array_equal(place, wanted)


def test_over_rows_visits_each_row_once(train):
  counts = {field: jnp.zeros(of.ids.size, int) for field, of in train.own.items()}

  def count(counts, rows, places):
    same = lambda f: train.own[f].ids.at[places[f]].get(mode="fill", fill_value=own.NOWHERE)
    ok = jnp.stack([(same(f) == rows[f]).all() for f in counts]).all()
    return {f: x.at[places[f]].add(jnp.where(ok, 1, 100), mode="drop") for f, x in counts.items()}

  go = jax.jit(lambda counts, d: own.over_rows(train.own, d, count, counts))
  for d in range(4):
    for field, seen in go(counts, d).items():
      first = train.own[field].first
      place = np.arange(seen.size)
      np.testing.assert_array_equal(seen, (place >= first[d]) & (place < first[d + 1]))


def test_spread_gives_every_domain_the_same_and_choose_keeps_them_apart(params, train):
  kept = own.spread(params, train.own)
  other = tree.scale(kept, 2.0)
  mixed = own.choose(train.own, jnp.array([True, False, True, False]), kept, other)
  for d in range(4):
    mine = handmade.of_domain(kept, train.own, d)
    handmade.assert_trees_equal(mine["net"], params["net"])
    for field in ("user", "item"):
      rows = ids_of(train, field, d)
      lies = mine["tables"][field]["embedding"]
      np.testing.assert_array_equal(lies[rows], params["tables"][field]["embedding"][rows])
    factor = 1.0 if d in (0, 2) else 2.0
    handmade.assert_trees_equal(handmade.of_domain(mixed, train.own, d), tree.scale(mine, factor))


@pytest.mark.parametrize("visit_steps", [None, pytest.param(2, marks=pytest.mark.slow)])
def test_deltas_of_own_rows_are_those_of_all_rows_where_domains_have_them_all(params, visit_steps):
  """Bit by bit: what another domain reads is then never a row that the target lacks."""
  every = np.tile(np.arange(handmade.NUM_ROWS, dtype=np.int32), 4)
  data = handmade.batches((12, 12, 12, 12), ids={"user": every, "item": every[::-1].copy()})
  states = [
    trained("mamdr", params, data, k=2, visit_steps=visit_steps, all_rows=all_rows)
    for all_rows in (False, True)
  ]
  for d in range(4):
    one, other = (handmade.of_domain(s.specific, s.own, d) for s in states)
    for field in ("user", "item"):
      handmade.assert_trees_equal(one["tables"][field], other["tables"][field])
    handmade.assert_trees_equal(one["net"], other["net"])


@pytest.mark.parametrize("method", ["mamdr", "separate", "alternate"])
def test_a_view_of_what_serves_a_domain_is_cut_out_of_all_of_it(method, params, train):

  options = {"k": 2} if method == "mamdr" else {}
  state, serve = trained(method, params, train, **options), compiled(method, **options).params
  rows = {"user": jnp.array([3, 0, 7]), "item": jnp.array([11, 11]), "domain": jnp.array([2])}
  for domain in (0, 2):
    whole = serve(state, domain)
    assert {f: x.size for f, x in every_id(whole).items()} == handmade.VOCAB
    handmade.assert_trees_equal(serve(state, domain, rows), view(whole, rows))


@pytest.mark.parametrize("name", ["tables.user", "net.w"])
def test_deltas_on_a_branch_move_nothing_else(name, params, train):
  state = trained("domain_regularization", params, train, k=1, specific=(name,))
  section, branch = name.split(".")
  assert list(state.specific) == [section] and list(state.specific[section]) == [branch]
  assert all(np.any(x != 0) for x in jax.tree.leaves(state.specific))


def test_a_branch_that_is_not_there_is_named(params, train):
  with pytest.raises(ValueError, match=r"no branch 'tables.users': tables has .*user"):
    trained("domain_regularization", params, train, k=1, specific=("tables.users",))


def test_inner_momentum_of_whole_visits_is_clear_before_each(params, train):
  """As where every visit begins with a state of its own: in a view of all that it reads."""
  options = {"k": 2, "specific_inner": lambda rate: optax.sgd(rate, momentum=0.9)}
  whole = trained("mamdr", params, train, **options)
  bounded = trained("mamdr", params, train, visit_steps=3, **options)
  handmade.assert_trees_close(whole.specific, bounded.specific, rtol=1e-5, atol=1e-6)
