"""What every registered sector must satisfy; a new entry in the registry is tested for free."""

import copy
import tempfile
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from abm import MarketModel, load_scenario
from abm.agents import REGISTRY
from abm.agents.base import Sector
from abm.world import auction
from abm.world.book import Book
from abm.world.instruments import IS_FX, N_MARKETS
from abm.world.orders import REASONS
from abm.world.view import View
from tests.agents.screen import permute_members

DAYS = 7


@pytest.fixture(scope="module")
def world() -> MarketModel:
    """Seven days into the fiscal shock, so that rules have something to do."""
    model = MarketModel(load_scenario("sanaenomics"), rng=9)
    model.run_for(DAYS)
    return model


def tomorrow(world: MarketModel) -> View:
    """A screen for the next day with some news on it."""
    move = 0.3 * world.risk.calm_vol * np.where(np.arange(N_MARKETS) % 2, 1.0, -1.0)
    log_price = world.log_price + move
    return replace(world.view, day=DAYS + 1, close=world.log_price, log_price=log_price, news=move)


def copied(sector: Sector) -> Sector:
    """A copy of the sector alone, with its own book and without the model behind it."""
    model, book = sector.model, sector.book
    memo = {id(model): model}
    twin = copy.deepcopy(sector, memo)
    twin.book = Book(*(getattr(book, f).copy() for f in ("units", "cash", "loans", "contracts")))
    return twin


def wanted(sector: Sector, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Total quantities and slopes by market and reason, matrix schedules included."""
    sector.announce(view)
    orders = sector.decide(view)
    cell = orders["market"].astype(np.int64) * len(REASONS) + orders["reason"]
    size = N_MARKETS * len(REASONS)
    quantity = np.bincount(cell, orders["quantity"], size).astype(float)
    slope = np.bincount(cell, orders["slope"], size).astype(float)
    schedule = sector.matrix_schedule(view)
    if schedule is not None:
        quantity[:N_MARKETS] += schedule.intercept
        slope[:N_MARKETS] += np.diag(schedule.matrix)
    return quantity, slope


def close(a: np.ndarray, b: np.ndarray, rel: float = 1e-9) -> bool:
    return bool(np.allclose(a, b, rtol=rel, atol=rel * max(np.abs(a).max(initial=0.0), 1e-6)))


@pytest.fixture(params=list(REGISTRY))
def sector(request: pytest.FixtureRequest, world: MarketModel) -> Sector:
    return world.sectors[request.param]


@pytest.fixture(params=[name for name, cls in REGISTRY.items() if cls.Params().members > 1])
def crowd(request: pytest.FixtureRequest, world: MarketModel) -> Sector:
    """A sector of several institutions."""
    return world.sectors[request.param]


def test_orders_are_well_formed_and_sell_no_more_than_is_owned(sector: Sector, world: MarketModel) -> None:
    view = tomorrow(world)
    orders = copied(sector).decide(view)
    assert np.isfinite(orders["quantity"]).all()
    assert (orders["slope"] >= 0).all()
    assert (orders["lo"] <= 0).all() and (orders["hi"] >= 0).all()
    assert ((orders["member"] >= 0) & (orders["member"] < sector.n + sector.house_rows)).all()
    if sector.id in {"government", "dealers", "arbitrageurs"}:
        return
    cash = orders[~IS_FX[orders["market"]] & ~orders["contract"]]
    most = -np.maximum(cash["lo"], np.minimum(cash["quantity"] - 0.05 * cash["slope"], 0.0))
    sold = np.zeros((sector.n + sector.house_rows, N_MARKETS))
    np.add.at(sold, (cash["member"], cash["market"]), np.maximum(most, 0.0))
    owned = sector.book.holdings_usd(view.log_price)
    assert (sold <= owned * (1 + 1e-6) + 1e-9).all()


def test_the_same_screen_gives_the_same_orders(sector: Sector, world: MarketModel) -> None:
    view = tomorrow(world)
    first, second = wanted(copied(sector), view), wanted(copied(sector), view)
    assert np.array_equal(first[0], second[0]) and np.array_equal(first[1], second[1])


def test_deciding_leaves_the_screen_and_the_book_alone(sector: Sector, world: MarketModel) -> None:
    view, twin = tomorrow(world), copied(sector)
    before = copy.deepcopy([view.log_price, view.history, view.covariance, twin.book.units, twin.book.cash])
    wanted(twin, view)
    after = [view.log_price, view.history, view.covariance, twin.book.units, twin.book.cash]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_nobody_reads_the_future(sector: Sector, world: MarketModel) -> None:
    """A world with another future decides the same today."""
    event = '[[event]]\nday = 20\nkind = "fiscal_announcement"\namount_jpy_tn = 100\n'
    other = MarketModel(_scenario_with(event), rng=9)
    other.run_for(DAYS)
    mine, theirs = wanted(copied(sector), tomorrow(world)), wanted(copied(other.sectors[sector.id]), tomorrow(other))
    assert np.array_equal(mine[0], theirs[0])


def _scenario_with(event: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "other.toml"
        path.write_text('[scenario]\nname = "other"\nextends = "sanaenomics"\n' + event)
        return load_scenario(str(path))


def reordered(sector: Sector, order: np.ndarray) -> Sector:
    """A copy of a sector with its members in the given order and its house accounts after them."""
    twin = copied(sector)
    permute_members(twin, order)
    return twin


def test_the_order_of_members_does_not_matter(crowd: Sector, world: MarketModel) -> None:
    sector = crowd
    view = tomorrow(world)
    order = np.random.default_rng(1).permutation(sector.n)
    straight, shuffled = wanted(copied(sector), view), wanted(reordered(sector, order), view)
    assert close(straight[0], shuffled[0], 1e-8) and close(straight[1], shuffled[1], 1e-8)


def test_nothing_is_done_when_all_rules_are_off(sector: Sector, world: MarketModel) -> None:
    off = MappingProxyType({**world.plan.switches, **dict.fromkeys(sector.rules, False)})
    view = replace(tomorrow(world), switches=off)
    if not sector.rules:
        pytest.fail(f"{sector.id} lists no rules")
    twin = copied(sector)
    assert twin.announce(view) == []
    assert twin.decide(view).size == 0
    schedule = twin.matrix_schedule(view)
    assert schedule is None or not schedule.matrix.any()


def doubled(model: Any) -> Any:
    """Parameters or an event with every amount of money doubled."""
    money = [name for name in type(model).model_fields if "_usd_bn" in name or "_jpy_tn" in name]
    return model.model_copy(update={name: 2 * getattr(model, name) for name in money})


@pytest.fixture(scope="module")
def worlds() -> list[MarketModel]:
    """The same world with all amounts of money as they are, and doubled; eight days into the shock."""
    plain = load_scenario("sanaenomics", days=8)
    figures = {
        path: replace(figure, value=2 * figure.value) if "USD bn" in figure.unit or "JPY tn" in figure.unit else figure
        for path, figure in plain.state.figures.items()
    }
    rich = replace(
        plain,
        state=replace(plain.state, figures=figures),
        params={name: doubled(params) for name, params in plain.params.items()},
        events=tuple(doubled(event) for event in plain.events),
    )
    models = [MarketModel(plain, rng=3), MarketModel(rich, rng=3)]
    for model in models:
        model.run_for(8)
    return models


def test_twice_the_money_is_twice_the_orders_at_the_same_prices(sector: Sector, worlds: list[MarketModel]) -> None:
    plain, rich = worlds
    assert plain.log_price == pytest.approx(rich.log_price, abs=1e-9)
    mine, theirs = (
        model.flows[model.flows["sector"] == sector.id]
        .groupby(["day", "market", "reason"], observed=True)["usd_bn"]
        .sum()
        for model in worlds
    )
    assert (2 * mine).to_dict() == pytest.approx(theirs.to_dict(), rel=1e-6, abs=1e-9)


def test_what_a_sector_trades_somebody_else_has_traded(sector: Sector, world: MarketModel) -> None:
    """Its orders alone, met by the market makers, leave every total as it was; what it issues is counted as issued."""
    fork = copy.deepcopy(world, {id(world.plan): world.plan})
    view = tomorrow(fork)
    number = list(fork.sectors).index(sector.id)
    makers = []
    for name in ("dealers", "arbitrageurs"):
        schedule = fork.sectors[name].matrix_schedule(view)
        assert schedule is not None
        makers.append(replace(schedule, sector=list(fork.sectors).index(name)))
    mine = fork.sectors[sector.id]
    mine.announce(view)
    orders = mine.decide(view)
    orders["sector"] = number
    clearing = auction.clear(orders, makers)
    before = fork.ledger.units.sum(axis=0) - fork.ledger.issued
    price = view.log_price + clearing.log_change
    fork.ledger.settle(orders, clearing.filled, makers, clearing.matrix_filled, view.log_price, price, view.day)
    fork.ledger.fund(fork.lenders)
    ledger = fork.ledger
    gross = np.abs(ledger.units).sum(axis=0)
    assert (np.abs(ledger.units.sum(axis=0) - ledger.issued - before) <= 1e-9 * np.maximum(gross, 1.0)).all()
    for table in (ledger.cash, ledger.loans, ledger.contracts):
        assert (np.abs(table.sum(axis=0)) <= 1e-9 * np.maximum(np.abs(table).sum(axis=0), 1.0)).all()
