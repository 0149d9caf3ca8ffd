"""What holds in every world, whatever its sizes, parameters, events.

2,000 worlds of one to three days and a few dozen longer ones; 10,000 and a few hundred in `make test-full`. Books,
prices and parts of moves are looked at every day, the last clearing and the order of members in every world, the rest
in some of them. A world that fails is named, with the line that lives through it again.
"""

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from abm import MarketModel
from abm.agents import REGISTRY
from abm.scenarios import Scenario
from abm.world import auction
from abm.world.errors import InputError, MarketFailure
from abm.world.events import FxIntervention
from abm.world.instruments import HOLDABLE, IDS, IS_BOND, N_CCY, N_MARKETS, TO_QUOTED, level_of_log_price
from abm.world.orders import join, post
from tests.test_conformance import close, copied, reordered, wanted
from tests.world.books import excess_demand
from tests.worlds.drawing import DAYS, DRAWN, FEW_DAYS, random_event, random_world, sized

MAY_BE_SHORT = {"government", "dealers", "arbitrageurs", "rest_of_world"}
ROUNDING = 1e-9
LEAST_USD_BN = 1e-12  # a tenth of a cent
OTHER_LENGTHS = {N_MARKETS, len(HOLDABLE)}  # arrays of these lengths have no row per member
BATCHES, BATCH = 20, 100  # of worlds of a few days
RARELY = 6  # times as rarely as in longer worlds, worlds of a few days have their tables read and are run again


class Watched(MarketModel):
    """A model that is looked at where a day ends its margin calls, before income is paid, and where it is recorded."""

    def _pay_income(self) -> None:
        nobody_is_left_called(self)
        super()._pay_income()

    def _add_record(self, **of_the_day: Any) -> None:
        the_move_is_accounted_for(self, of_the_day["attribution_log"], of_the_day["flows_usd_bn"])
        super()._add_record(**of_the_day)


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


def the_move_is_accounted_for(model: MarketModel, parts_log: np.ndarray, flows_usd_bn: np.ndarray) -> None:
    """News and the parts of sectors add up to today's move, and what some buy others sell."""
    moved = (model.log_price - model.history[-2]) * TO_QUOTED
    told = (parts_log.sum(axis=(0, 1)) + model.random_news + model.policy_news) * TO_QUOTED
    assert (np.abs(told - moved) <= 1e-8 * np.maximum(1.0, np.abs(moved))).all()
    gross = np.maximum(np.abs(flows_usd_bn).sum(axis=(0, 1)), 1.0)
    assert (np.abs(flows_usd_bn.sum(axis=(0, 1))) <= 1e-6 * gross).all()


def the_markets_cleared(model: MarketModel) -> None:
    """Prices exist and leave no excess demand, or it is told that they do."""
    level = level_of_log_price(model.log_price)
    assert np.isfinite(level).all() and (level > 0.0)[~IS_BOND].all() and (np.exp(model.log_price) > 0.0).all()
    found = model.clearing
    if found.status != auction.Status.CONVERGED:
        assert any(told[0] == model.day and told[2] == "non_convergence" for told in model.recorder.told())
        return
    gross = gross_usd_bn(model)
    assert (np.abs(found.residual_usd_bn) <= ROUNDING * np.maximum(gross, 1.0)).all()


def gross_usd_bn(model: MarketModel) -> np.ndarray:
    """What was bought and sold in the last clearing, without currency legs, (markets,)."""
    gross = np.zeros(N_MARKETS)
    np.add.at(gross, model.orders["market"], np.abs(model.clearing.filled))
    return gross + sum((np.abs(filled) for filled in model.clearing.matrix_filled), np.zeros(N_MARKETS))


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
    excess = excess_demand(orders, schedules, x)
    gross = gross_usd_bn(model)
    assert (np.abs(excess) <= 1e-7 * np.maximum(gross, 1.0)).all()
    m = chance.randrange(N_MARKETS)
    step = np.zeros(N_MARKETS)
    for size in (1e-4, 1e-2, 0.3):
        step[m] = size
        higher = excess_demand(orders, schedules, x + step)[m]
        lower = excess_demand(orders, schedules, x - step)[m]
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
    for day in range(1, min(world.days, 3) + 1):
        failed = [has_no_price(model) for model in (plain, twice)]
        assert failed[0] == failed[1], day
        if failed[0]:
            return
        assert plain.log_price == pytest.approx(twice.log_price, abs=1e-8), day


def has_no_price(model: MarketModel) -> bool:
    """Whether a further day ends with the message that a market cannot clear."""
    try:
        model.run_for(1)
    except MarketFailure:
        return True
    return False


def the_order_of_members_does_not_matter(model: MarketModel, chance: Random) -> None:
    crowds = [name for name, sector in model.sectors.items() if sector.n > N_CCY and sector.n not in OTHER_LENGTHS]
    if not crowds:
        return
    name = chance.choice(crowds)
    sector, view = model.sectors[name], replace(model.view, day=model.day)
    order = np.array(chance.sample(range(sector.n), sector.n))
    straight, shuffled = wanted(copied(sector), view), wanted(reordered(sector, order), view)
    assert close(straight[0], shuffled[0], 1e-8) and close(straight[1], shuffled[1], 1e-8), name


def live_through(
    number: int, counts: Counter[str] | None = None, days: tuple[int, int] = DAYS, rarely: int = 1
) -> None:
    """One world, looked at every day. rarely: how rarely it is looked at in ways that cost as much as the world."""
    chance, counts = Random(number), Counter() if counts is None else counts
    world, rng = random_world(chance, days), chance.randrange(1000)
    counts["random worlds"] += 1
    try:
        _live_through(number, world, rng, chance, counts, rarely)
    except Exception as error:
        error.add_note(
            f"live_through({number}, days={days}, rarely={rarely})  # {world.name}, rng={rng}, {drawn(world)}"
        )
        raise


def drawn(world: Scenario) -> dict[str, Any]:
    """What is not as in the packaged scenario, by name; events are not told."""
    values = world.document()["set"]
    return {name: values[name] for name, where in world.origins.items() if where == DRAWN}


def _live_through(number: int, world: Scenario, rng: int, chance: Random, counts: Counter[str], rarely: int) -> None:
    model = Watched(world, rng=rng)
    prices = [model.log_price]
    try:
        for _ in range(world.days):
            model.run_for(1)
            prices.append(model.log_price)
            the_books_balance(model)
            nobody_is_short_who_may_not_be(model)
            the_markets_cleared(model)
    except MarketFailure:  # said in words, before trades settle
        counts["random worlds without a price"] += 1
    counts["days in random worlds"] += len(prices) - 1
    if len(prices) > world.days:
        the_clearing_is_a_clearing(model, chance)
        the_order_of_members_does_not_matter(model, chance)
    if number % rarely == 0:
        prices_are_prices(model)
        moves_are_accounted_for(model, prices)
        what_did_not_clear_is_told(model)
    if number % (3 * rarely) == 0:
        nobody_reads_the_future(world, rng, prices, chance)
    if number % (5 * rarely) == 0:
        the_unit_of_money_does_not_matter(world, rng)


def many(
    worlds: int, days: tuple[int, int], rarely: int, record_property: Any, batch: int = 0, fixed: bool = True
) -> None:
    """So many worlds of a batch, the same ones every time if fixed; what fails is told as it is, not made smaller."""
    counts: Counter[str] = Counter()

    @settings(
        max_examples=worlds,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(number=st.integers(batch << 48, (batch + 1 << 48) - 1))
    def one(number: int) -> None:
        live_through(number, counts, days, rarely)

    (seed(batch)(one) if fixed else one)()
    for name, number in counts.items():
        record_property(name, number)
    assert counts["random worlds"] == worlds
    assert counts["random worlds without a price"] <= 0.1 * worlds


def test_a_few_dozen_worlds(record_property: Any) -> None:
    many(32, DAYS, 1, record_property)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_two_thousand_worlds_of_a_few_days(batch: int, record_property: Any) -> None:
    many(BATCH, FEW_DAYS, RARELY, record_property, batch)


@pytest.mark.slow
def test_a_few_hundred_worlds(record_property: Any) -> None:
    many(300, DAYS, 1, record_property, fixed=False)


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(BATCHES))
def test_ten_thousand_worlds_of_a_few_days(batch: int, record_property: Any) -> None:
    many(5 * BATCH, FEW_DAYS, RARELY, record_property, batch, fixed=False)
