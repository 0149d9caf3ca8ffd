"""What holds in every world, whatever its sizes, parameters, events. A few dozen worlds; 2,000 in `make test-full`."""

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abm import MarketModel
from abm.agents import REGISTRY
from abm.scenarios import Scenario
from abm.world import auction
from abm.world.errors import InputError, MarketFailure
from abm.world.events import FxIntervention
from abm.world.instruments import HOLDABLE, IDS, N_CCY, N_MARKETS, TO_QUOTED
from abm.world.orders import join, post
from tests.test_conformance import close, copied, permuted, wanted
from tests.worlds.drawing import random_event, random_world, sized

MAY_BE_SHORT = {"government", "dealers", "arbitrageurs", "rest_of_world"}
ROUNDING = 1e-9
LEAST_USD_BN = 1e-12  # a tenth of a cent
OTHER_LENGTHS = {N_MARKETS, len(HOLDABLE)}  # arrays of these lengths have no row per member
FEW, MANY = 32, 2000


class Watched(MarketModel):
    """A model that is looked at where a day ends its margin calls, before income is paid."""

    def _pay_income(self) -> None:
        nobody_is_left_called(self)
        super()._pay_income()


def nobody_is_left_called(model: MarketModel) -> None:
    """Margin is satisfied, or the broker has sold out the account and said so."""
    if not model.on("margin_calls"):
        return
    now = replace(model.view, log_price=model.log_price)
    exhausted = any(told[2] == "margin_rounds_exhausted" and told[0] == model.day for told in model.recorder.told())
    for name, sector in model.sectors.items():
        if sector.margin is not None and not exhausted:
            need = model._margin_need(sector, now)
            assert (need <= ROUNDING).all(), (name, need.max())


def the_books_balance(model: MarketModel) -> None:
    ledger = model.ledger
    for table, total in (
        (ledger.units, ledger.issued),
        (ledger.contracts, 0.0),
        (ledger.cash, 0.0),
        (ledger.loans, 0.0),
    ):
        assert np.isfinite(table).all()
        gross = np.maximum(np.abs(table).sum(axis=0), 1.0)
        assert (np.abs(table.sum(axis=0) - total) <= ROUNDING * gross).all()


def nobody_is_short_who_may_not_be(model: MarketModel) -> None:
    for name in REGISTRY.keys() - MAY_BE_SHORT:
        book = model.sectors[name].book
        scale = np.maximum(np.abs(book.units).max(axis=0, initial=0.0), 1e-6)
        assert (book.units >= -ROUNDING * scale - LEAST_USD_BN).all(), name


def prices_are_prices(model: MarketModel) -> None:
    daily = model.daily
    assert np.isfinite(daily.select_dtypes("number").to_numpy()).all()
    quoted = [name for name in daily.columns if name.startswith(("price.", "fx."))]
    assert (daily[quoted] > 0.0).all(axis=None)


def moves_are_accounted_for(model: MarketModel, prices: list[np.ndarray]) -> None:
    """News and the parts of sectors add up to every move, and what some buy others sell."""
    parts = model.attribution.groupby(["day", "market"], observed=True)[["bp", "pct"]].sum().sum(axis=1)
    for day in range(1, len(prices)):
        moved = (prices[day] - prices[day - 1]) * TO_QUOTED
        for m, market in enumerate(IDS):
            tolerance = 1e-8 * max(1.0, abs(moved[m]))
            assert parts.get((day, market), 0.0) == pytest.approx(moved[m], abs=tolerance), (day, market)
    flows = model.flows.groupby(["day", "market"], observed=True)["usd_bn"]
    assert (flows.sum().abs() <= 1e-6 * np.maximum(flows.apply(lambda x: x.abs().sum()), 1.0)).all()


def what_did_not_clear_is_told(model: MarketModel) -> None:
    daily, events = model.daily, model.events
    told = set(events["day"][events["kind"] == "non_convergence"])
    assert set(daily["day"][daily["status"].astype(str) != "converged"]) <= told


def the_clearing_is_a_clearing(model: MarketModel, chance: Random) -> None:
    """Excess demand is nil, falls in the own price, has no other zero, and a larger sale means a lower price."""
    orders, schedules, found = model.orders, model.schedules, model.clearing
    if found.status != auction.Status.CONVERGED:
        return
    x = found.log_change
    excess = auction.excess_demand(orders, schedules, x)
    gross = np.zeros(N_MARKETS)
    np.add.at(gross, orders["market"], np.abs(found.filled))
    gross += sum((np.abs(filled) for filled in found.matrix_filled), np.zeros(N_MARKETS))
    assert (np.abs(excess) <= 1e-7 * np.maximum(gross, 1.0)).all()
    m = chance.randrange(N_MARKETS)
    step = np.zeros(N_MARKETS)
    for size in (1e-4, 1e-2, 0.3):
        step[m] = size
        higher = auction.excess_demand(orders, schedules, x + step)[m]
        lower = auction.excess_demand(orders, schedules, x - step)[m]
        assert higher <= excess[m] + 1e-7 * max(gross[m], 1.0) and lower >= excess[m] - 1e-7 * max(gross[m], 1.0)
    elsewhere = np.array([chance.gauss(0.0, 0.02) for _ in range(N_MARKETS)])
    again = auction.clear(orders, schedules, start=elsewhere)
    if again.status == auction.Status.CONVERGED:
        traded = gross > ROUNDING
        assert again.log_change[traded] == pytest.approx(x[traded], abs=1e-6)
    before = x[m]
    for sold_usd_bn in (0.1, 1.0, 3.0):
        sale = post(m, np.array([[-sold_usd_bn]]), "outside_flow")
        sale["sector"] = len(model.sectors) - 1
        pushed = auction.clear(join([orders, sale]), schedules)
        if pushed.status != auction.Status.CONVERGED:
            return
        assert pushed.log_change[m] <= before + 1e-9, (IDS[m], sold_usd_bn)
        before = pushed.log_change[m]


def nobody_reads_the_future(world: Scenario, seed: int, prices: list[np.ndarray], chance: Random) -> None:
    """The same world with one more event on its last day has the same days before it, to the last bit."""
    kinds = [type(event) for event in world.events] or []
    kinds = [kind for kind in kinds if kind.__name__ not in ("PolicyMeeting", "PolicyRate")]
    if not kinds or len(prices) <= world.days:
        return
    try:
        later = world.with_event(random_event(chance.choice(kinds), chance), world.days)
    except InputError:  # a second rate check on that day
        return
    other = MarketModel(later, rng=seed)
    for day in range(1, world.days):
        other.run_for(1)
        assert np.array_equal(other.log_price, prices[day]), day


def the_unit_of_money_does_not_matter(world: Scenario, seed: int) -> None:
    """Twice of everything, same prices. Without operations: what the public reads into one is per yen trillion."""
    quiet = replace(
        world,
        switches={**world.switches, "mof_operations": False},
        events=tuple(event for event in world.events if not isinstance(event, FxIntervention)),
    )
    figures = {
        path: replace(figure, value=2 * figure.value) if "USD bn" in figure.unit or "JPY tn" in figure.unit else figure
        for path, figure in quiet.state.figures.items()
    }
    rich = replace(
        quiet,
        state=replace(quiet.state, figures=figures),
        params={name: sized(params, 2.0) for name, params in quiet.params.items()},
        events=tuple(sized(event, 2.0) for event in quiet.events),
    )
    plain, twice = MarketModel(quiet, rng=seed), MarketModel(rich, rng=seed)
    for day in range(1, 4):
        plain.run_for(1)
        twice.run_for(1)
        assert plain.log_price == pytest.approx(twice.log_price, abs=1e-8), day


def the_order_of_members_does_not_matter(model: MarketModel, chance: Random) -> None:
    crowds = [name for name, sector in model.sectors.items() if sector.n > N_CCY and sector.n not in OTHER_LENGTHS]
    if not crowds:
        return
    name = chance.choice(crowds)
    sector, view = model.sectors[name], replace(model.view, day=model.day)
    order = np.array(chance.sample(range(sector.n), sector.n))
    rows = np.concatenate([order, np.arange(sector.n, sector.n + sector.house_rows)])
    twin = copied(sector)
    for attribute, value in vars(twin).items():
        if attribute not in {"model", "book", "params"}:
            setattr(twin, attribute, permuted(value, order))
    twin.book = type(sector.book)(
        *(getattr(sector.book, field)[rows].copy() for field in ("units", "cash", "loans", "contracts"))
    )
    straight, shuffled = wanted(copied(sector), view), wanted(twin, view)
    assert close(straight[0], shuffled[0], 1e-8) and close(straight[1], shuffled[1], 1e-8), name


def live_through(number: int, counts: Counter[str]) -> None:
    """One world, looked at every day."""
    chance = Random(number)
    world, seed = random_world(chance), chance.randrange(1000)
    model = Watched(world, rng=seed)
    prices = [model.log_price]
    counts["worlds tried"] += 1
    try:
        for _ in range(world.days):
            model.run_for(1)
            prices.append(model.log_price)
            the_books_balance(model)
            nobody_is_short_who_may_not_be(model)
    except MarketFailure:  # said in words, before trades settle
        counts["worlds without a price"] += 1
    counts["days in random worlds"] += len(prices) - 1
    prices_are_prices(model)
    moves_are_accounted_for(model, prices)
    what_did_not_clear_is_told(model)
    if len(prices) > world.days:
        the_clearing_is_a_clearing(model, chance)
        the_order_of_members_does_not_matter(model, chance)
    if number % 3 == 0:
        nobody_reads_the_future(world, seed, prices, chance)
    if number % 5 == 0:
        the_unit_of_money_does_not_matter(world, seed)


def many(worlds: int, fixed: bool) -> Counter[str]:
    counts: Counter[str] = Counter()

    @settings(
        max_examples=worlds, derandomize=fixed, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(number=st.integers(0, 2**63))
    def one(number: int) -> None:
        live_through(number, counts)

    one()
    return counts


def reported(counts: Counter[str], record_property: Any) -> None:
    for name, number in counts.items():
        record_property(name, number)
    assert counts["worlds without a price"] <= 0.1 * counts["worlds tried"]


def test_a_few_dozen_worlds(record_property: Any) -> None:
    reported(many(FEW, fixed=True), record_property)


@pytest.mark.slow
def test_two_thousand_worlds(record_property: Any) -> None:
    reported(many(MANY, fixed=False), record_property)
