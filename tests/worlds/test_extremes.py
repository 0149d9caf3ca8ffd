"""Worlds at their limits: numbers stay finite, the books balance, losses have a holder, and what fails is told."""

from typing import Any

import numpy as np
import pytest

from abm import MarketModel, load_scenario
from abm.scenarios import Scenario
from abm.scenarios.sectors import parameter_models
from abm.study.impact import NO_DECISIONS
from abm.world import auction
from abm.world.errors import MarketFailure
from abm.world.events import Flow
from abm.world.instruments import USD, USDJPY
from tests.worlds.test_random_worlds import (
    Watched,
    moves_are_accounted_for,
    nobody_is_short_who_may_not_be,
    prices_are_prices,
    the_books_balance,
    what_did_not_clear_is_told,
)

HOLDERS = {"insurance_fund", *parameter_models()}


def fewest() -> dict[str, int]:
    """The smallest number of institutions that every sector may have."""
    models = {name: model for name, model in parameter_models().items() if "members" in model.model_fields}
    return {f"{name}.members": model.model_fields["members"].metadata[0].ge for name, model in models.items()}


EXTREMES: dict[str, dict[str, Any]] = {
    "news twenty times as strong": {"news.scale": 20.0},
    "leverage ten times as high": {
        "carry_traders.leverage_median": 50.0,
        "carry_traders.leverage_most": 80.0,
        "carry_traders.retail_leverage_median": 25.0,
        "crypto_longs.leverage_median": 80.0,
        "crypto_longs.leverage_above_40": 0.4,
    },
    "no dealers": {"dealers.capacity_scale": 0.0},
    "one institution per sector": fewest(),
    "a market nobody wants": {"switches.habitat_demand": False, "switches.market_making": False},
    "all of it": {
        **fewest(),
        "news.scale": 20.0,
        "dealers.capacity_scale": 0.0,
        "carry_traders.leverage_median": 50.0,
        "carry_traders.leverage_most": 80.0,
        "crypto_longs.leverage_median": 80.0,
    },
}


def live(scenario: Scenario, seed: int = 3) -> MarketModel:
    """Run it to its end, or to the day on which a market has no price, and look at everything."""
    model = Watched(scenario, rng=seed)
    prices = [model.log_price]
    try:
        for _ in range(scenario.days):
            model.run_for(1)
            prices.append(model.log_price)
            the_books_balance(model)
    except MarketFailure as failure:
        assert "times its opening price" in str(failure)
    prices_are_prices(model)
    moves_are_accounted_for(model, prices)
    what_did_not_clear_is_told(model)
    return model


@pytest.mark.parametrize("what", EXTREMES)
@pytest.mark.parametrize("name", ["sanaenomics", "carry_unwind_2024"])
def test_a_world_at_its_limits(name: str, what: str) -> None:
    settings = {"carry_traders.members": 300, "crypto_longs.members": 300, **EXTREMES[what]}
    model = live(load_scenario(name, settings, days=25))
    assert len(model.daily) > 1


@pytest.mark.parametrize(
    ("market", "a_day_usd_bn"), [("JGB40", -0.5), ("UST30", -4.0), ("USDJPY", -1.0), ("BTC", 0.05)]
)
def test_a_year_of_one_way_flow(market: str, a_day_usd_bn: float) -> None:
    """It moves its market, on average over the year and with no decision of a central bank drawn on the way."""
    settings = {"carry_traders.members": 100, "crypto_longs.members": 100, "news.scale": 0.0, **NO_DECISIONS}
    plain = load_scenario("baseline", settings, days=250)
    flow = Flow(market=market, amount_usd_bn=250 * a_day_usd_bn, days=250)
    pushed = live(plain.with_event(flow, 1))
    quiet = live(plain)
    assert pushed.day == quiet.day == 250
    column = f"fx.{market}" if market == "USDJPY" else f"price.{market}"
    moved = np.log(pushed.daily[column] / quiet.daily[column]).mean()
    assert np.sign(moved) == np.sign(a_day_usd_bn)


@pytest.mark.parametrize("sector", ["crypto_longs", "carry_traders", "jgb_fast_money"])
def test_a_whole_sector_defaults_on_one_day(sector: str) -> None:
    """Every account loses ten times its equity overnight; who bears it is named, and the day goes on."""
    scenario = load_scenario("baseline", {"carry_traders.members": 200, "crypto_longs.members": 200}, days=6)
    model = Watched(scenario, rng=1)
    model.run_for(2)
    rows, ledger = model.ledger.rows[sector], model.ledger
    members = model.sectors[sector].n
    equity = np.maximum(model.sectors[sector].equity_usd(model.log_price), 0.0)
    loss = np.zeros_like(ledger.cash[rows])
    loss[:members, USD] = -10.0 * equity[:members] - 1e-3
    ledger.transfer_from(ledger.rows["rest_of_world"].start, rows, loss)
    system = sum(float(s.equity_usd(model.log_price).sum()) for s in model.sectors.values())
    model.run_for(1)
    the_books_balance(model)
    failed = [text for _, _, kind, cause, text, _ in model.recorder.told() if kind in ("default", "insurance_fund")]
    assert sum(int(text.split()[0]) for text in failed) >= members
    assert all(text.split("bn by ")[1].split(",")[0] in HOLDERS for text in failed)
    left = model.ledger.book(sector).equity_usd(model.log_price)[:members]
    assert (left >= -1e-6).all()
    assert np.isfinite(system)
    model.run_for(3)
    prices_are_prices(model)


@pytest.mark.parametrize(("name", "steps", "days"), [("carry_unwind_2024", 2, 4), ("sanaenomics", 3, 19)])
def test_who_is_called_sells_nothing_twice(name: str, steps: int, days: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An auction with too few steps cuts trades; the next of the day serves them and those of accounts now called."""
    monkeypatch.setattr(auction, "MAX_ITERATIONS", steps)
    settings = {"carry_traders.members": 300, "crypto_longs.members": 300, "news.scale": 8.0}
    settings |= {"carry_traders.leverage_median": 15.0, "carry_traders.leverage_most": 25.0}
    model = MarketModel(load_scenario(name, settings, days=days), rng=3)
    for _ in range(days):
        model.run_for(1)
        nobody_is_short_who_may_not_be(model)
    assert "non_convergence" in set(model.events["kind"])


def test_everybody_sells_and_nobody_buys() -> None:
    """With hardly anybody who reacts to the price, the long side is rationed, and it is said so."""
    off = {f"switches.{rule}": False for rule in ("market_making", "habitat_demand", "bank_demand", "mof_operations")}
    scenario = load_scenario("baseline", {"carry_traders.members": 100, "crypto_longs.members": 100, **off}, days=4)
    model = live(scenario.with_event(Flow(market="USDJPY", amount_usd_bn=-2000.0, days=2), 2))
    assert "non_convergence" in set(model.events["kind"]) or len(model.daily) < 5
    assert model.log_price[USDJPY] <= model.opening_log_price[USDJPY] + 0.2
