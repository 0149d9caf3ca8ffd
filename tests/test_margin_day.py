"""Margin at the end of a day: who is below maintenance has been sold out, offered for sale, or wound up."""

from typing import ClassVar

import numpy as np
import pytest

from abm import MarketModel, load_scenario
from abm.world.defaults import DUST_USD_BN
from abm.world.instruments import BASE_CCY, BTC, FX, QUOTE_CCY, USD, USDJPY, unit_value_usd, usd_per_currency

CENT = 1e-11  # USD bn


class Watched(MarketModel):
    """Collects, after the margin rounds of every day, how far each account is above its maintenance margin."""

    watched: ClassVar[tuple[str, ...]] = ("carry_traders", "crypto_longs", "jgb_fast_money")

    def __init__(self, *arguments, **named):
        self.slack: dict[str, list[np.ndarray]] = {name: [] for name in self.watched}
        self.calls: list[np.ndarray] = []
        super().__init__(*arguments, **named)

    def _pay_income(self) -> None:
        self.slack["jgb_fast_money"].append(_slack_of_margin_accounts(self, "jgb_fast_money"))
        self.slack["carry_traders"].append(_slack_of_carry(self))
        self.slack["crypto_longs"].append(_slack_of_crypto(self))
        self.calls.append(self.margin_calls)
        super()._pay_income()


def _equity(model: MarketModel, name: str) -> np.ndarray:
    """What is owned less what is owed, USD bn, (members,), added up term by term."""
    book, n = model.sectors[name].book, model.sectors[name].n
    value, rate = unit_value_usd(model.log_price), usd_per_currency(model.log_price)
    owned = (book.units[:n] * value).sum(axis=1) + (book.cash[:n] * rate).sum(axis=1)
    return owned - (book.loans[:n] * rate).sum(axis=1)


def _initial(model: MarketModel, name: str) -> np.ndarray:
    """Initial margin, USD bn, (members,): every position, and every net foreign balance once per pair to home."""
    sector = model.sectors[name]
    book, n, terms = sector.book, sector.n, sector.margin
    factor = model.public.margin_factor.get(name, 1.0)
    rates = np.minimum(np.maximum(terms.floor, terms.z * model.risk.vol * np.sqrt(terms.horizon_days)) * factor, 1.0)
    gross = np.abs(book.units[:n]) + np.abs(book.contracts[:n])
    total = gross @ (rates * unit_value_usd(model.log_price))
    net = np.abs(book.cash[:n] - book.loans[:n]) * usd_per_currency(model.log_price)
    pair_of = {int(BASE_CCY[m] + QUOTE_CCY[m] - USD): m for m in FX}  # the other currency of every dollar pair
    for currency in range(net.shape[1]):
        pairs = {c for c in (currency, sector.home) if c != USD} if currency != sector.home else set()
        total += net[:, currency] * sum(rates[pair_of[c]] for c in pairs)
    return total


def _slack_of_margin_accounts(model: MarketModel, name: str) -> np.ndarray:
    return _equity(model, name) - model.sectors[name].margin.maintenance_share * _initial(model, name)


def _slack_of_carry(model: MarketModel) -> np.ndarray:
    """Funds by their prime broker's terms; retail accounts by those of their exchange-rate position."""
    sector = model.sectors["carry_traders"]
    notional = np.abs(sector.book.contracts[:, USDJPY]) * unit_value_usd(model.log_price)[USDJPY]
    retail = _equity(model, "carry_traders") - sector.margin.maintenance_share * notional / 25.0
    return np.where(sector.is_fund, _slack_of_margin_accounts(model, "carry_traders"), retail)


def _slack_of_crypto(model: MarketModel) -> np.ndarray:
    """Positions being sold out are left out; what they could not sell stays until tomorrow or is under water.

    An account with no position left that owes less than a dollar is not wound up.
    """
    sector = model.sectors["crypto_longs"]
    notional = sector.book.contracts[: sector.n, BTC] * np.exp(model.log_price[BTC])
    slack = _equity(model, "crypto_longs") - sector.maintenance * notional
    slack += np.where(notional == 0.0, DUST_USD_BN, 0.0)
    return np.where(sector.closing, np.maximum(slack, 0.0), slack)


@pytest.fixture(scope="module", params=["carry_unwind_2024", "sanaenomics"])
def watched(request: pytest.FixtureRequest) -> Watched:
    model = Watched(load_scenario(request.param, days=15), rng=1)
    model.run_for(15)
    return model


@pytest.mark.parametrize("name", Watched.watched)
def test_nobody_ends_the_day_below_maintenance(watched: Watched, name: str) -> None:
    exhausted = set(watched.events.loc[watched.events["kind"] == "margin_rounds_exhausted", "day"])
    for day, slack in enumerate(watched.slack[name], start=1):
        if day not in exhausted:
            assert slack.min() >= -CENT, (name, day, int(slack.argmin()))


def test_accounts_were_called(watched: Watched) -> None:
    """Otherwise the test above would say nothing."""
    names = list(watched.sectors)
    called = np.sum(watched.calls, axis=0)
    assert called[names.index("crypto_longs")] > 0.0
    assert called.sum() > 0.0


def test_without_margin_calls_somebody_ends_below() -> None:
    model = Watched(load_scenario("carry_unwind_2024", overrides={"switches.margin_calls": False}, days=15), rng=1)
    model.run_for(15)
    assert min(slack.min() for slack in model.slack["crypto_longs"]) < 0.0
    assert min(slack.min() for slack in model.slack["carry_traders"]) < 0.0
